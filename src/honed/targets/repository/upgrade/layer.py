"""A folder with one release in it, which Python sees before what is installed."""

import io
import lzma
import os
import shutil
import stat
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from packaging.version import InvalidVersion

from honed.errors import TargetUnavailable
from honed.sandbox.scratch import scratch
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.targets.repository.upgrade.index import Releases
from honed.targets.repository.upgrade.installed import About
from honed.targets.repository.upgrade.releases import Wheel

QUERIES: Final = load_queries("honed.targets.repository.upgrade", "layers.sql")
#: A survey comes back to the same layers: so long they stay after they were used last.
_UNUSED_S: Final = 24 * 3600
_DIGITS: Final = 32
#: All files of one wheel together, and how many there may be.
_LARGEST: Final = 1 << 30
_MOST_FILES: Final = 50_000
#: What unpacking raises for a file that is no archive, or a broken one.
_BROKEN: Final = (
    zipfile.BadZipFile,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
)
#: Parts of a wheel's data that belong where packages are; scripts and headers do not (PEP 427).
_LIBRARIES: Final = frozenset({"purelib", "platlib"})


def layer_of(wheel: Wheel, releases: Releases, folder: Path) -> Path:
    """Return a folder with the contents of a wheel; an earlier one with the same digest counts.

    It is unpacked as installers do, but for scripts, and nothing of it is run. What says of itself
    another version than its name does is refused: that one would be written down, and not tried.

    Args:
        wheel: which.

        releases: where its bytes come from.

        folder: of all layers.

    Raises:
        TargetUnavailable: its bytes cannot be had, or are no wheel.
    """
    place = folder / wheel.sha256[:_DIGITS]
    if place.is_dir():
        os.utime(place)
        return place
    content = releases.content(wheel)
    folder.mkdir(parents=True, exist_ok=True)
    with scratch(folder, "new-") as beside:
        new = beside / "layer"
        new.mkdir()
        try:
            _unpack(content, new)
        except _BROKEN as error:
            msg = f"{wheel.filename} is no wheel: {error}"
            raise TargetUnavailable(msg, hint="ask for the releases again") from error
        _check_version(new, wheel)
        # Whoever runs tests in the sandbox is another user.
        new.chmod(0o755)
        try:
            new.rename(place)
        except OSError:
            if not place.is_dir():
                raise
    return place


def drop_unneeded(folder: Path, store: Database) -> None:
    """Drop the layers that no open improvement asks for, and nobody has used for a day.

    One that is asked for all the same is unpacked again.

    Args:
        folder: of all layers.

        store: as the daemon.
    """
    if not folder.is_dir():
        return
    with store.transaction() as conn:
        needed = {row["sha256"][:_DIGITS] for row in conn.execute(QUERIES["list_needed"])}
    with scratch(folder, "old-") as beside:
        for layer in folder.glob("[0-9a-f]" * _DIGITS):
            is_unused = time.time() - layer.stat().st_mtime > _UNUSED_S
            if is_unused and layer.name not in needed:
                # At once: half of a layer would be taken for one.
                shutil.rmtree(layer.rename(beside / layer.name), ignore_errors=True)


def about(layer: Path) -> About:
    """Return what the release in a layer says of itself.

    Raises:
        TargetUnavailable: it says nothing.
        InvalidVersion: it does not say its version.
    """
    for place in sorted(layer.glob("*.dist-info/METADATA")):
        return About.parse(place.read_text(encoding="utf-8", errors="replace"))
    msg = f"{layer.name} holds no release"
    raise TargetUnavailable(msg, hint="ask for the releases again")


def modules(layer: Path) -> frozenset[str]:
    """Return the names that a release is imported by."""
    found = (each for each in layer.iterdir() if not each.name.endswith((".dist-info", ".data")))
    return frozenset(each.name.partition(".")[0] for each in found)


def _check_version(layer: Path, wheel: Wheel) -> None:
    try:
        said = str(about(layer).version)
    except InvalidVersion:
        said = "none"
    if said != str(wheel.version):
        msg = f"{wheel.filename} says of itself that its version is {said}"
        raise TargetUnavailable(msg, hint="ask for the releases again")


def _unpack(content: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
        if len(infos) > _MOST_FILES or sum(each.file_size for each in infos) > _LARGEST:
            msg = "it is too large"
            raise ValueError(msg)
        for info in infos:
            parts = _parts(info)
            if not parts:
                continue
            place = folder.joinpath(*parts)
            for each in _parents(place, folder):
                each.mkdir(exist_ok=True)
                each.chmod(0o755)
            place.write_bytes(archive.read(info))
            place.chmod(0o644)


def _parts(info: zipfile.ZipInfo) -> tuple[str, ...]:
    """Return where a file of a wheel belongs; nothing: nowhere.

    Raises:
        ValueError: it would lie elsewhere, or is a link.
    """
    parts = PurePosixPath(info.filename).parts
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    if is_link or info.filename.startswith("/") or "\\" in info.filename or ".." in parts:
        msg = f"{info.filename!r} leads elsewhere"
        raise ValueError(msg)
    if info.is_dir() or not parts:
        return ()
    if parts[0].endswith(".data"):
        return parts[2:] if len(parts) > 2 and parts[1] in _LIBRARIES else ()  # noqa: PLR2004 - its own name, its part, and the rest
    return parts


def _parents(place: Path, folder: Path) -> Iterator[Path]:
    above = place.parent.relative_to(folder).parts
    return (folder.joinpath(*above[: number + 1]) for number in range(len(above)))
