"""Exceptions and logged errors of services: one ticket for each fault, however often it came."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, NamedTuple

from honed.backlog.draft import Draft, Facts
from honed.backlog.source import Source
from honed.backlog.ticket import TicketSource
from honed.config import Settings
from honed.core.counted import counted
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.backlog.sources", "exceptions.sql")

#: What came in a shorter time than this came so often an hour, and not so often a minute.
_LEAST_SPAN: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_LONGEST_TITLE: Final = 120


class _Remedy(NamedTuple):
    """What mends errors whose type and message fit a pattern."""

    pattern: re.Pattern[str]
    text: str


#: The first that fits counts.
_REMEDIES: Final = (
    _Remedy(
        re.compile(r"NoneType"),
        "Find why it is None at {place}: give a value where it arises, or handle that there is"
        " none before it is used.",
    ),
    _Remedy(
        re.compile(r"^(KeyError|IndexError|LookupError)\b"),
        "Handle at {place} that it is not there: look before you take it, or say what stands for"
        " it.",
    ),
    _Remedy(
        re.compile(r"Timeout|Connect|Unreachable|Unavailable|BrokenPipe|gaierror"),
        "Expect at {place} that the other side is away: a limit of time, a few tries with pauses"
        " that grow, and an answer that does without it.",
    ),
    _Remedy(
        re.compile(r"Deadlock|SerializationFailure|LockNotAvailable"),
        "Take locks at {place} in one order, keep the transaction short, and try it again when it"
        " is refused.",
    ),
    _Remedy(
        re.compile(r"IntegrityError|UniqueViolation|ForeignKeyViolation|NotNullViolation"),
        "Check at {place} what is written, or let the database settle it (ON CONFLICT), and tell"
        " who asked.",
    ),
    _Remedy(
        re.compile(r"MemoryError|RecursionError"),
        "Bound at {place} what is read, or how deep it goes.",
    ),
    _Remedy(
        re.compile(r"PermissionError|FileNotFoundError|IsADirectory|NotADirectory|^OSError"),
        "Check at {place} that the file is there and may be used, and say what is wrong with it.",
    ),
    _Remedy(
        re.compile(r"Decode|Parse|Validation|Syntax|^(ValueError|ZeroDivision|OverflowError)"),
        "Check what comes in before {place} uses it, and refuse what cannot be used in words that"
        " say why.",
    ),
    _Remedy(
        re.compile(r"^(AttributeError|TypeError|NameError|UnboundLocal|ImportError|ModuleNotF)"),
        "Correct at {place} what is called or passed on: a test that runs this line fails.",
    ),
)
_OTHER: Final = "Find at {place} what leads to it, and handle it where it arises."
_TEST_PLAN: Final = (
    "1. Reproduce the error in a test: {what} at {place}\n"
    "2. Apply the fix, and see the test pass\n"
    "3. Verify that the error no longer occurs: a ticket that is resolved opens again by itself if"
    " it does"
)


class Exceptions(Source):
    """Groups of exceptions and logged errors that services reported."""

    name: ClassVar[str] = "exceptions"
    source: ClassVar[TicketSource] = TicketSource.EXCEPTION

    def drafts(self, conn: Connection, since: datetime, settings: Settings) -> Iterator[Draft]:
        """Yield one draft for each group that was seen since ``since`` and is not settled."""
        for row in conn.execute(_QUERIES["list_groups"], {"since": since}).fetchall():
            yield _draft(row)


def _draft(row: Mapping[str, Any]) -> Draft:
    kind, files = _kind(row), tuple(row["files"])
    place = row["culprit"] or (files[0] if files else "the place that it tells")
    said = f"{kind}: {row['message']}"
    remedy = next((each.text for each in _REMEDIES if each.pattern.search(said)), _OTHER)
    return Draft(
        source=TicketSource.EXCEPTION,
        project=row["project"],
        subject=row["fingerprint"],
        title=_title(kind, row),
        description=_description(row),
        evidence=_evidence(kind, row),
        proposed_solution=remedy.format(place=place),
        test_plan=_TEST_PLAN.format(what=kind, place=place),
        files_to_modify=files[:1],
        count=row["event_count"],
        first_seen_at=row["first_seen_at"],
        last_seen_at=row["last_seen_at"],
        metadata={
            "group_id": row["group_id"],
            "releases": row["releases"],
            "environments": row["environments"],
        },
        facts=Facts(
            times_per_day=_times_per_day(row),
            users=row["users"],
            is_unhandled=row["is_unhandled"],
            is_regression=row["regressed_count"] > 0,
        ),
    )


def _kind(row: Mapping[str, Any]) -> str:
    """Return the type of the error without its module; of a line of a log: what logged it."""
    if row["type"] == "log":
        return "logged error"
    return str(row["error_type"]).rpartition(".")[2] or "exception"


def _title(kind: str, row: Mapping[str, Any]) -> str:
    """Return ``Fix KeyError in shop/cart.py (total): 'pen'``."""
    where = row["culprit"]
    if row["files"]:
        function = where.rpartition(".")[2] if row["type"] != "log" else ""
        where = row["files"][0] + f" ({function})" * bool(function)
    message = " ".join((row["message"] or row["title"]).partition("\n")[0].split())
    title = f"Fix {kind}" + f" in {where}" * bool(where) + f": {message}" * bool(message)
    return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1]}…"


def _description(row: Mapping[str, Any]) -> str:
    came = f"Recurring {row['title']}" if row["event_count"] > 1 else row["title"]
    seen = (
        f"{came}: seen {counted(row['event_count'], 'time')} since {row['first_seen_at']:%F %R %Z}"
    )
    users = f", by {counted(row['users'], 'user')} on the last day" if row["users"] else ""
    releases = f", in {', '.join(row['releases'])}" if row["releases"] else ""
    back_at = row["regressed_at"]
    back = f". It was settled and came back at {back_at:%F %R %Z}" if back_at else ""
    return f"{seen}{users}{releases}{back}."


def _evidence(kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "exception": {
            "type": row["error_type"] or kind,
            "message": row["message"] or row["title"],
            "count": row["event_count"],
            "count_last_day": row["events"],
            "first_seen": row["first_seen_at"].isoformat(),
            "last_seen": row["last_seen_at"].isoformat(),
            "culprit": row["culprit"],
            "files": row["files"],
            "frames": row["frames"],
            "releases": row["releases"],
            "environments": row["environments"],
            "regressed_count": row["regressed_count"],
        }
    }


def _times_per_day(row: Mapping[str, Any]) -> float:
    """Return how many came a day: on the last one, or since it was seen first."""
    known = max(_LEAST_SPAN, min(_DAY, row["now"] - row["first_seen_at"]))
    return float(row["events"] * (_DAY / known))
