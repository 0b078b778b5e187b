"""Reading what a sender wrote: whatever it is, it becomes a value or a clear refusal."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite

import msgspec

from honed.core.canonical import Json
from honed.errors import MalformedSignal


def parse_json(body: bytes) -> Json:
    """Return what a body says as JSON.

    Raises:
        MalformedSignal: it is not JSON, or nested more deeply than can be read.
    """
    value: Json
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        value = _parse_leniently(body)
    return value


def _parse_leniently(body: bytes) -> Json:
    """Return what a body says that has NaN, a byte order mark or another encoding."""
    try:
        value: Json = json.loads(body)
    except (ValueError, RecursionError) as error:
        # The words of the parser may repeat what was sent.
        msg = "the body is not JSON"
        raise MalformedSignal(msg) from error
    return value


def parse_time(value: Json, otherwise: datetime) -> datetime:
    """Return the time that a JSON value says: ISO 8601 (without a zone: UTC), or Unix seconds.

    Args:
        value: whatever was sent.

        otherwise: what to return where it says no time.
    """
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return otherwise
    return otherwise


def text_in(said: Mapping[str, Json], key: str) -> str:
    """Return the text that an object holds by that name; empty where it holds none."""
    value = said.get(key)
    return value if isinstance(value, str) else ""


def number_in(said: Mapping[str, Json], key: str) -> float | None:
    """Return the finite number that an object holds by that name; None where it holds none."""
    value = said.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None
