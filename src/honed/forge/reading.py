"""Reading a forge's JSON: what is missing or of another sort is named, and never a crash."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from honed.errors import ForgeUnavailable

#: What json.loads returns; only this module looks into it.
Raw: TypeAlias = Any
#: Longest text that is taken of one field, in characters; bodies of changes are shorter by far.
_LONGEST: Final = 300_000


def text(raw: Raw, *path: str) -> str:
    """Return a text, or the empty one where there is none or ``null``.

    Raises:
        ForgeUnavailable: something else stands there.
    """
    value = _at(raw, path)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _strange(path)
    return value[:_LONGEST]


def needed(raw: Raw, *path: str) -> str:
    """Return a text that must be there.

    Raises:
        ForgeUnavailable: it is not.
    """
    value = text(raw, *path)
    if not value:
        raise _strange(path)
    return value


def number(raw: Raw, *path: str) -> int:
    """Return a whole number that must be there.

    Raises:
        ForgeUnavailable: it is not.
    """
    value = _at(raw, path)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _strange(path)
    return value


def count(raw: Raw, *path: str) -> int:
    """Return a number of things, or 0 where it is not told."""
    value = _at(raw, path)
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else 0


def flag(raw: Raw, *path: str) -> bool | None:
    """Return true or false, or None where it is not told."""
    value = _at(raw, path)
    return value if isinstance(value, bool) else None


def items(raw: Raw, *path: str) -> Sequence[Raw]:
    """Return a list, or an empty one where there is none or ``null``.

    Raises:
        ForgeUnavailable: something else stands there.
    """
    value = _at(raw, path)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _strange(path)
    return value


def moment(raw: Raw, *path: str) -> datetime | None:
    """Return a time with its zone, or None where it is not told or cannot be read."""
    try:
        at = datetime.fromisoformat(text(raw, *path))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _at(raw: Raw, path: Sequence[str]) -> Raw:
    for key in path:
        if raw is None:
            return None
        if not isinstance(raw, Mapping):
            raise _strange(path)
        raw = raw.get(key)
    return raw


def _strange(path: Sequence[str]) -> ForgeUnavailable:
    return ForgeUnavailable(f"the forge's answer has no {'.'.join(path) or 'list'} that fits")
