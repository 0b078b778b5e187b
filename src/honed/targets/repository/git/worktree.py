"""The files of one commit in a folder of their own, gone afterwards whatever happens.

It has no ``.git``: what runs there cannot configure the git that honed runs, and honed runs none
there.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from honed.sandbox.scratch import scratch
from honed.targets.repository.git.clone import Clone

#: Of the names of such folders.
PREFIX: Final = "worktree-"
_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES: Final = 1_024


@dataclass(frozen=True, slots=True)
class Worktree:
    """The files of a commit."""

    root: Path
    commit: str
    #: What is not there as the commit has it, by path: links that lead out, submodules, and files
    #: whose content is kept elsewhere (Git LFS), of which only the pointer is there.
    odd: Mapping[str, str]


@contextmanager
def worktree(clone: Clone, commit: str, parent: Path) -> Iterator[Worktree]:
    """Make a folder below ``parent`` with the files of ``commit``; remove it at the end.

    What a killed process left below ``parent`` is removed first.

    Raises:
        UnknownCommit: there is no such commit.
        GitFailed: its files cannot be written.
    """
    whole = clone.commit(commit)
    parent.mkdir(parents=True, exist_ok=True)
    with scratch(parent, PREFIX) as folder:
        yield _filled(clone, whole, folder)


def _filled(clone: Clone, commit: str, folder: Path) -> Worktree:
    root = folder / "tree"
    root.mkdir()
    index = {"GIT_INDEX_FILE": str(folder / "index")}
    clone.git.run("read-tree", commit, environment=index)
    clone.git.run("checkout-index", "--all", environment={**index, "GIT_WORK_TREE": str(root)})
    odd = {entry.path: "a submodule" for entry in clone.entries(commit) if entry.is_submodule}
    odd |= _without_ways_out(root)
    odd |= {str(path.relative_to(root)): "a pointer of Git LFS" for path in _pointers(root)}
    return Worktree(root, commit, odd)


def _without_ways_out(root: Path) -> dict[str, str]:
    """Remove the links that lead out of the tree, and return them."""
    whole = root.resolve()
    out = [path for path in _below(root) if path.is_symlink() and not _is_within(path, whole)]
    for path in out:
        path.unlink()
    return {str(path.relative_to(root)): "a link out of the tree" for path in out}


def _is_within(link: Path, root: Path) -> bool:
    try:
        return link.resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        # A circle leads nowhere.
        return False


def _pointers(root: Path) -> Iterator[Path]:
    for path in _below(root):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _POINTER_BYTES:
            continue
        if path.read_bytes().startswith(_POINTER):
            yield path


def _below(root: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(root):
        yield from (Path(here, name) for name in (*folders, *files))
