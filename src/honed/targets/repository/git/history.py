"""What commits changed: which files, and the blobs of both sides, without a checkout."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from honed.targets.repository.git.clone import Clone

_COMMIT: Final = b"commit "
_REGULAR: Final = "100"


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file that a commit changed; what it added or deleted has one blob of zeros."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Past:
    """One commit that is no merge."""

    commit: str
    message: str
    #: Regular files alone.
    files: tuple[ChangedFile, ...]


def past(clone: Clone, head: str, known: str = "", *, most: int) -> Sequence[Past]:
    """Return the newest commits that lead to ``head``, oldest first.

    Args:
        clone: of the repository.

        head: the newest commit.

        known: what leads to this one is left out; empty, or gone from the clone: nothing is.

        most: so many at most.

    Raises:
        GitFailed: the history cannot be read.
    """
    is_there = known and clone.git.attempt("cat-file", "-e", f"{known}^{{commit}}").code == 0
    out = clone.git.run(
        *("log", "-z", "--no-merges", "--no-renames", "--reverse", f"--max-count={most}"),
        *(
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--raw",
            "--no-abbrev",
            "--no-show-signature",
        ),
        *("--format=%x00commit %H%x00%B%x00", head, *([f"^{known}"] if is_there else [])),
        "--",
    )
    return list(_commits(iter(out.split(b"\0"))))


def _commits(fields: Iterator[bytes]) -> Iterator[Past]:
    """Yield commits: each is its id, its message, then of each file modes, blobs and its path."""
    commit, message, files = "", "", list[ChangedFile]()
    for field in fields:
        about = field.lstrip(b"\n")
        if about.startswith(_COMMIT):
            if commit:
                yield Past(commit, message, tuple(files))
            commit = about.removeprefix(_COMMIT).decode()
            message, files = next(fields).decode(errors="replace"), []
        elif about.startswith(b":"):
            old, new, before, after, _ = about[1:].decode().split()
            path = os.fsdecode(next(fields))
            if {old[:3], new[:3]} <= {_REGULAR, "000"}:
                files.append(ChangedFile(path, before, after))
    if commit:
        yield Past(commit, message, tuple(files))
