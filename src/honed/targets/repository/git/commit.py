"""Makes a commit from a base and some files: the same inputs give the same commit, anywhere."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from honed.errors import ChangeRefused
from honed.sandbox.scratch import scratch
from honed.targets.repository.git.clone import Clone, Entry, no_blob

_NEW_MODE: Final = "100644"


@dataclass(frozen=True, slots=True)
class Author:
    """Who a commit names as its author and committer."""

    name: str = "honed"
    email: str = "honed@localhost"


HONED: Final = Author()


@dataclass(frozen=True, slots=True)
class Note:
    """What a commit says about itself."""

    message: str
    #: To the second; with its offset from UTC it is part of the commit.
    at: datetime
    author: Author = HONED


def commit_files(clone: Clone, base: str, files: Mapping[str, bytes | None], note: Note) -> str:
    """Return the id of a commit on ``base`` in which ``files`` have these bytes; None: are gone.

    A file keeps its mode. No branch is changed, and nobody's index or checkout.

    Raises:
        UnknownCommit: there is no such base.
        ChangeRefused: nothing would change, or a path is no file's.
    """
    parent = clone.commit(base)
    there = {entry.path: entry for entry in clone.entries(parent)}
    for path, content in files.items():
        _check(path, there.get(path), is_gone=content is None)
    with scratch() as folder:
        index = {"GIT_INDEX_FILE": str(folder / "index")}
        clone.git.run("read-tree", parent, environment=index)
        gone = no_blob(parent)
        lines = [
            index_line(path, "0", gone) if content is None else _kept(clone, path, content, there)
            for path, content in sorted(files.items())
        ]
        clone.git.run(
            "update-index", "-z", "--index-info", stdin=b"".join(lines), environment=index
        )
        tree = clone.git.run("write-tree", environment=index).decode().strip()
    if tree == clone.git.text("rev-parse", f"{parent}^{{tree}}"):
        msg = "the commit would change nothing"
        raise ChangeRefused(msg)
    made = clone.git.run(
        *("commit-tree", tree, "-p", parent),
        stdin=note.message.encode(),
        environment=_signature(note),
    )
    return made.decode().strip()


def _check(path: str, entry: Entry | None, *, is_gone: bool) -> None:
    parts = PurePosixPath(path).parts
    is_odd = not parts or path.startswith("/") or str(PurePosixPath(path)) != path
    if is_odd or any(part == ".." or part.lower() == ".git" for part in parts) or "\0" in path:
        msg = f"{path!r} is no path of a file in a repository"
        raise ChangeRefused(msg)
    if entry is not None and not entry.is_file:
        msg = f"{path} is a link or a submodule"
        raise ChangeRefused(msg)
    if entry is None and is_gone:
        msg = f"there is no {path} that could be removed"
        raise ChangeRefused(msg)


def index_line(path: str, mode: str, blob: str) -> bytes:
    """Return what tells ``git update-index`` of a file; the mode 0 and no blob: it is gone."""
    return f"{mode} {blob}\t".encode() + os.fsencode(path) + b"\0"


def _kept(clone: Clone, path: str, content: bytes, there: Mapping[str, Entry]) -> bytes:
    blob = clone.git.text("hash-object", "-w", "--no-filters", "--stdin", stdin=content)
    return index_line(path, there[path].mode if path in there else _NEW_MODE, blob)


def _signature(note: Note) -> dict[str, str]:
    if note.at.tzinfo is None:
        msg = "the time of a commit needs its offset from UTC"
        raise ValueError(msg)
    date = f"{int(note.at.timestamp())} {note.at.strftime('%z')[:5]}"
    return {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (
            ("NAME", note.author.name),
            ("EMAIL", note.author.email),
            ("DATE", date),
        )
    }
