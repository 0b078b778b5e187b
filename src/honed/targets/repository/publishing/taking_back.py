"""What takes a merged change back on the files of today."""

from honed.core.change import FileChange
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.git.inverse import Inverse, inverse
from honed.targets.repository.publishing.papers.changelog import is_changelog, without_entry


def taken_back(clone: Clone, commit: str, today: str) -> Inverse:
    """Return what undoes a published commit; what came since in other lines stays.

    Of a changelog the entry goes, if it is there as it was written and nothing was released since:
    others have added theirs beside it, which git takes for a change of the same lines.

    Args:
        clone: where both are.

        commit: one that was published.

        today: where the branch is now that it was merged into.

    Raises:
        UnknownCommit: one of them is not there.
        GitFailed: git failed.
    """
    found = inverse(clone, commit, today, lambda file: not is_changelog(file.path))
    logs = (_without_entry(clone, commit, today, path) for path in filter(is_changelog, found.left))
    changed = (each for each in logs if each is not None and each.before != each.after)
    return Inverse((*found.files, *changed), conflicts=found.conflicts)


def _without_entry(clone: Clone, commit: str, today: str, path: str) -> FileChange | None:
    """Return a changelog of today before and after its entry goes; None: it is no text."""
    try:
        before, after, now = (
            (clone.read(at, path) or b"").decode() for at in (f"{commit}^", commit, today)
        )
    except UnicodeDecodeError:
        return None
    return FileChange(path, now, without_entry(path, before, after, now))
