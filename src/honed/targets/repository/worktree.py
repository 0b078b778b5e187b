"""The files of one commit in a folder of their own, gone afterwards whatever happens.

It has no ``.git``: what runs there cannot configure the git that honed runs, and honed runs none
there.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from honed.targets.repository.clone import Clone

_PREFIX: Final = "worktree-"
_LOCK: Final = "lock"
_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES: Final = 1_024
_ALL: Final = 0o700


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
    sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    with (folder / "unnamed").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Named only once it is locked, so that nobody can see it free.
            (folder / "unnamed").rename(folder / _LOCK)
            yield _filled(clone, whole, folder)
        finally:
            remove(folder)


def sweep(parent: Path) -> tuple[Path, ...]:
    """Remove the folders below ``parent`` whose process is gone, and return them."""
    swept = []
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            with (folder / _LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(folder)
                swept.append(folder)
        except OSError:
            # It is in use, is just being made, or is being removed by another.
            continue
    return tuple(swept)


def remove(folder: Path) -> None:
    """Remove a folder, whatever the rights of what is in it; links are not followed."""

    def opened(function: Callable[..., Any], path: str, _error: Any) -> None:  # noqa: ANN401
        with contextlib.suppress(OSError):
            Path(path).parent.chmod(_ALL)
            if not Path(path).is_symlink():
                Path(path).chmod(_ALL)
            if function is os.unlink:
                Path(path).unlink()
            else:
                shutil.rmtree(path, ignore_errors=True)

    shutil.rmtree(folder, onerror=opened)


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
