"""Releases of packages: which there are, and which one comes next."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from urllib.parse import urljoin, urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from honed.core.canonical import Json

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Wheel:
    """One file of a release that can be unpacked without running anything of it."""

    filename: str
    #: Where it is: ``https:`` or the path of a file.
    url: str
    #: Of its bytes; empty: it was not told, so it is taken from the file itself.
    sha256: str
    #: None: nobody knows.
    uploaded_at: datetime | None = None
    is_yanked: bool = False
    requires_python: str = ""

    @property
    def version(self) -> Version:
        """Of the release."""
        return parse_wheel_filename(self.filename)[1]

    def fits(self, tags: frozenset[Tag], python: str) -> bool:
        """Return whether it can be used with a Python."""
        try:
            needed = SpecifierSet(self.requires_python)
        except InvalidSpecifier:
            return False
        return python in needed and not tags.isdisjoint(parse_wheel_filename(self.filename)[3])

    def is_old_enough(self, now: datetime, least: timedelta) -> bool:
        """Return whether others have had time to find out what is wrong with it."""
        if not least:
            return True
        return self.uploaded_at is not None and now - self.uploaded_at >= least

    def to_json(self) -> dict[str, Json]:
        """Return what it takes to get it again."""
        return {"filename": self.filename, "url": self.url, "sha256": self.sha256}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Return the wheel that ``to_json`` wrote."""
        return cls(str(told["filename"]), str(told["url"]), str(told["sha256"]))


def wheels_of(told: Any, page: str) -> list[Wheel]:  # noqa: ANN401 - nobody vouches for it
    """Return the wheels that an index names in JSON (PEP 691), with their times (PEP 700).

    What is no wheel or has no digest is left out: building a release would run its code.

    Args:
        told: what it answered.

        page: its address, which the addresses of files may be relative to.
    """
    files = told.get("files") if isinstance(told, dict) else None
    found = []
    for each in files if isinstance(files, list) else ():
        try:
            found.append(_wheel(each, page))
        except (InvalidWheelFilename, KeyError, TypeError, ValueError, AttributeError):
            continue
    return found


def next_step(wheels: Iterable[Wheel], current: Version) -> Wheel | None:
    """Return the newest release with the major version of ``current``, else the first after it.

    One major version at a time, and what is compatible by its number before what is not, as bots
    for dependencies propose them apart. Of versions before 1.0 the second number is the major one:
    there anything may change (Semantic Versioning 2.0.0, 4). Pre-releases and what was yanked are
    none.
    """
    newer = [
        each
        for each in wheels
        if each.version > current and not each.version.is_prerelease and not each.is_yanked
    ]
    if not newer:
        return None
    major = min(_major(each.version) for each in newer)
    # Of the same version the one that fits any platform has the shortest name.
    same = (each for each in newer if _major(each.version) == major)
    return max(same, key=lambda each: (each.version, -len(each.filename)))


def step_name(current: Version, new: Version) -> str:
    """Return ``major``, ``minor`` or ``patch``."""
    if _major(current) != _major(new):
        return "major"
    return "minor" if current.release[:2] != new.release[:2] else "patch"


def _major(version: Version) -> tuple[int, ...]:
    return (version.major,) if version.epoch or version.major else (0, version.minor)


def _wheel(told: Mapping[str, Any], page: str) -> Wheel:
    filename, digest = str(told["filename"]), str(told["hashes"]["sha256"])
    parse_wheel_filename(filename)
    if not _SHA256.fullmatch(digest):
        msg = "it has no digest"
        raise ValueError(msg)
    time = told.get("upload-time")
    return Wheel(
        filename,
        _joined(page, str(told["url"])),
        digest,
        _time(str(time)) if time else None,
        bool(told.get("yanked")),
        str(told.get("requires-python") or ""),
    )


def _time(text: str) -> datetime:
    """Return a time of an index, which is in UTC (PEP 700), whether it says so or not."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _joined(page: str, url: str) -> str:
    """Return a whole address; of another scheme than the page's it is none.

    Raises:
        ValueError: it is none.
    """
    whole = urljoin(page, url).partition("#")[0]
    if urlsplit(whole).scheme != urlsplit(page).scheme:
        msg = f"{whole} is no address of a file"
        raise ValueError(msg)
    return whole
