"""Folders for a while: gone at the end of a block, and soon after a process that was killed.

Each is locked as long as the process lives that made it, and nobody's lock outlives them. So
whoever makes the next one can tell which are left over, and removes those.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

#: Before they are locked; then they are empty, and whoever finds one lets it be.
_UNNAMED: Final = "honed-new-"
_OURS: Final = 0o700


@contextmanager
def scratch(parent: Path | None = None, prefix: str = "honed-scratch-") -> Iterator[Path]:
    """Make a folder that only this user may enter, and remove it at the end.

    What killed processes of this user left beside it is removed first.

    Args:
        parent: where it is made; None: where temporary files belong.

        prefix: of its name; what is left over is known by it.
    """
    beside = parent or Path(tempfile.gettempdir())
    sweep(beside, prefix)
    made = Path(tempfile.mkdtemp(prefix=_UNNAMED, dir=beside))
    with _locked(made):
        # Named only once it is locked, so that nobody can see it free.
        folder = made.rename(beside / made.name.replace(_UNNAMED, prefix, 1))
        try:
            yield folder
        finally:
            remove(folder)


def sweep(parent: Path, prefix: str) -> tuple[Path, ...]:
    """Remove the folders of this user below ``parent`` whose process is gone, and return them."""
    swept = []
    for folder in parent.glob(f"{prefix}*"):
        # Where everybody may write, a link of somebody else's could lead anywhere.
        with contextlib.suppress(OSError), _locked(folder):
            remove(folder)
            swept.append(folder)
    return tuple(swept)


def remove(folder: Path) -> None:
    """Remove a folder, whatever the rights of what is in it; links are not followed."""

    def opened(function: Callable[..., Any], path: str, _error: Any) -> None:  # noqa: ANN401
        with contextlib.suppress(OSError):
            Path(path).parent.chmod(_OURS)
            if not Path(path).is_symlink():
                Path(path).chmod(_OURS)
            if function is os.unlink:
                Path(path).unlink()
            else:
                shutil.rmtree(path, ignore_errors=True)

    shutil.rmtree(folder, onerror=opened)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder.

    Raises:
        OSError: somebody else holds it, it is not this user's, or it is no folder.
    """
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        status = os.fstat(number)
        if status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
            raise PermissionError(folder)
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(number)
