"""What undoes one commit on the files of today, by a three-way merge of git's own."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from honed.core.change import FileChange
from honed.sandbox.scratch import scratch
from honed.targets.repository.git.clone import Clone, Entry, no_blob
from honed.targets.repository.git.commit import index_line

#: How ``git merge-tree`` ends with conflicts.
_CONFLICT: Final = 1
#: Commits that only tell git where two lines of history part; nobody ever sees them.
_NOBODY: Final = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (
        ("NAME", "honed"),
        ("EMAIL", "honed@localhost"),
        ("DATE", "1000000000 +0000"),
    )
}


@dataclass(frozen=True, slots=True)
class Inverse:
    """What undoes a commit."""

    #: Files of today, and what they become; none: it cannot be undone, or it is undone already.
    files: tuple[FileChange, ...] = ()
    #: Files that the commit changed and that stay as they are.
    left: tuple[str, ...] = ()
    #: Files in which others have changed the same lines since.
    conflicts: tuple[str, ...] = ()


def inverse(
    clone: Clone, commit: str, today: str, is_allowed: Callable[[FileChange], bool]
) -> Inverse:
    """Return what undoes ``commit``, of a merge its whole side, on the files of ``today``.

    Nothing but objects is written. What the commit did to modes, links, submodules and files that
    are no text stays.

    Args:
        clone: where both are.

        commit: one with a parent.

        today: a commit with it in its history.

        is_allowed: says of a file before and after whether it may be changed at all.

    Raises:
        UnknownCommit: there is no such commit, or it has no parent.
        GitFailed: git failed.
    """
    commit = clone.commit(commit)
    parent = clone.commit(f"{commit}^1")
    was, became = _entries(clone, parent), _entries(clone, commit)
    touched = sorted(path for path in was.keys() | became if was.get(path) != became.get(path))
    undone = [
        path
        for path in touched
        if _is_text(was.get(path), became.get(path))
        and (change := _change(clone, path, commit, parent)) is not None
        and is_allowed(change)
    ]
    left = tuple(path for path in touched if path not in undone)
    if not undone:
        return Inverse(left=left)
    base = _bare(clone, f"{commit}^{{tree}}")
    ours = _bare(clone, f"{clone.commit(today)}^{{tree}}", base)
    theirs = _bare(clone, _tree(clone, commit, undone, was), base)
    told = ("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", ours, theirs)
    merged = clone.git.attempt(*told)
    tree, *conflicts = [os.fsdecode(each) for each in merged.out.split(b"\0") if each] or [""]
    if merged.code == _CONFLICT:
        return Inverse(left=left, conflicts=tuple(sorted(set(conflicts))))
    if merged.code:
        # It says why.
        clone.git.run(*told)
    changes = [_change(clone, path, today, tree) for path in _differing(clone, today, tree)]
    return Inverse(tuple(each for each in changes if each is not None), left)


def _entries(clone: Clone, commit: str) -> dict[str, Entry]:
    return {entry.path: entry for entry in clone.entries(commit)}


def _is_text(was: Entry | None, became: Entry | None) -> bool:
    """Return whether it is a file's content that changed, and nothing else of it."""
    if not all(each.is_file for each in (was, became) if each is not None):
        return False
    return was is None or became is None or was.mode == became.mode


def _change(clone: Clone, path: str, before: str, after: str) -> FileChange | None:
    """Return a file as two trees have it; None: in one of them it is no text."""
    try:
        texts = [
            None if content is None else content.decode()
            for content in (clone.read(before, path), clone.read(after, path))
        ]
    except UnicodeDecodeError:
        return None
    return FileChange(path, *texts)


def _tree(clone: Clone, commit: str, paths: Iterable[str], was: Mapping[str, Entry]) -> str:
    """Return the tree of ``commit`` in which ``paths`` are as they were before it."""
    with scratch() as folder:
        index = {"GIT_INDEX_FILE": str(folder / "index")}
        clone.git.run("read-tree", commit, environment=index)
        lines = b"".join(_line(path, was.get(path), no_blob(commit)) for path in paths)
        clone.git.run("update-index", "-z", "--index-info", stdin=lines, environment=index)
        return clone.git.run("write-tree", environment=index).decode().strip()


def _line(path: str, entry: Entry | None, gone: str) -> bytes:
    return index_line(path, entry.mode, entry.blob) if entry else index_line(path, "0", gone)


def _bare(clone: Clone, tree: str, *parents: str) -> str:
    """Return a commit of a tree that says nothing; the same for the same tree and parents."""
    options = [word for parent in parents for word in ("-p", parent)]
    named = clone.git.text("rev-parse", "--verify", tree)
    made = clone.git.run("commit-tree", named, *options, environment=_NOBODY)
    return made.decode().strip()


def _differing(clone: Clone, today: str, tree: str) -> Iterator[str]:
    said = clone.git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", today, tree)
    yield from (os.fsdecode(each) for each in said.split(b"\0") if each)
