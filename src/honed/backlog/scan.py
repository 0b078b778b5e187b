"""A scan: every source is asked, what is known is counted, and the best of what is new is kept."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from honed.backlog.draft import Draft
from honed.backlog.score import score
from honed.backlog.source import FAMILY, Source
from honed.backlog.store import Became, known, take_in
from honed.backlog.triage import triage
from honed.config import Settings
from honed.core.plugins import discover
from honed.errors import ConfigurationError, HonedError, SourceFailed, UnknownPlugin
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.backlog")


@dataclass(slots=True)
class SourceReport:
    """What one source said in a scan, and what came of it."""

    #: The plug-in's name.
    source: str
    #: Troubles that it told of.
    found: int = 0
    created: int = 0
    #: Known ones of which there is news: they are counted.
    counted: int = 0
    #: Applied ones that are seen again.
    reopened: int = 0
    #: New ones for which there was no room; the next scan finds them again.
    left_out: int = 0
    #: Why it could not be read; empty: it could.
    error: str = ""
    #: What a person can do about that.
    hint: str = ""
    #: Tickets that are new or open again.
    ticket_ids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Heard:
    """One source in a scan, with what it said."""

    plugin: Source
    report: SourceReport
    drafts: list[Draft] = field(default_factory=list)


def installed_sources() -> Mapping[str, Source]:
    """Return the sources that are installed, honed's own and those of other packages, by name."""
    return discover(FAMILY, Source)  # type: ignore[type-abstract]  # the family's base


def chosen(
    installed: Mapping[str, Source], settings: Settings, names: Sequence[str] = ()
) -> list[Source]:
    """Return the sources that a scan asks: those named, else all that are switched on.

    One that is named is asked even if it is switched off: a person wants it now.

    Raises:
        ConfigurationError: the backlog is switched off.
        UnknownPlugin: a name is not that of an installed source.
    """
    if not settings.backlog_enabled:
        msg = "the backlog is switched off: nothing is scanned"
        raise ConfigurationError(msg, hint="set backlog_enabled (`honed config show` tells where)")
    for name in names:
        if name not in installed:
            msg = f"there is no source called {name!r}"
            raise UnknownPlugin(msg, hint=f"installed are: {', '.join(installed)}")
    if names:
        return [installed[name] for name in dict.fromkeys(names)]
    on = settings.ticket_sources_on
    return [each for each in installed.values() if each.source.value in on]


def scan(store: Database, sources: Sequence[Source], settings: Settings) -> list[SourceReport]:
    """Ask the sources now, take in what they say, and return a report of each.

    Known troubles of which there is news are counted whatever their number. Of new ones no more
    than ``tickets_per_scan`` become tickets: those with the lowest score, then those seen most
    often. A source that cannot be read is reported and does not hold up the others.

    Args:
        store: in a role that may take in tickets: the daemon's or an operator's.

        sources: which to ask; ``chosen`` names them.

        settings: those of this process.
    """
    started_at, last = _begins(store)
    lookback = timedelta(hours=settings.lookback_hours)
    heard = []
    for plugin in sources:
        since = last.get(plugin.name, started_at - lookback)
        heard.append(_ask(store, plugin, since, settings))
    with store.transaction() as conn:
        conn.execute(_QUERIES["lock_scans"])
        _take_in(conn, heard, settings.tickets_per_scan)
        for each in heard:
            _record(conn, each.report, started_at)
    return [each.report for each in heard]


def is_due(conn: Connection, settings: Settings) -> bool:
    """Return whether the sources were not read for ``scan_interval_s``, and may be."""
    (row,) = conn.execute(_QUERIES["last_scan"])
    pause = timedelta(seconds=settings.scan_interval_s)
    is_old = row["started_at"] is None or row["started_at"] + pause <= row["now"]
    return settings.backlog_enabled and is_old


def _begins(store: Database) -> tuple[datetime, dict[str, datetime]]:
    """Return the store's time, and from when on each source was not read to its end."""
    with store.transaction() as conn:
        (row,) = conn.execute(_QUERIES["scan_begins"])
    last = {name: datetime.fromtimestamp(at_s, UTC) for name, at_s in row["last_s"].items()}
    return row["now"], last


def _ask(store: Database, plugin: Source, since: datetime, settings: Settings) -> _Heard:
    heard = _Heard(plugin, SourceReport(plugin.name))
    try:
        with store.transaction() as conn, _asking(plugin):
            by_key = {draft.key: draft for draft in plugin.drafts(conn, since, settings)}
    except HonedError as error:
        heard.report.error, heard.report.hint = str(error), error.hint
        return heard
    heard.drafts = list(by_key.values())
    heard.report.found = len(heard.drafts)
    return heard


@contextmanager
def _asking(plugin: Source) -> Iterator[None]:
    """Run code of a source; whatever it raises costs that source, never the scan.

    Raises:
        SourceFailed: it raised anything that honed has no words for.
    """
    try:
        yield
    except HonedError:
        raise
    except Exception as error:
        msg = f"{plugin.name} raised {type(error).__name__}: {error}"
        raise SourceFailed(msg, hint="it is a defect of that source") from error


def _take_in(conn: Connection, heard: Sequence[_Heard], room: int) -> None:
    said = [(each, draft) for each in heard for draft in each.drafts]
    there = known(conn, [draft for _, draft in said])
    new = [each for position, each in enumerate(said) if position not in there]
    new.sort(key=lambda each: _value(each[1]))
    for each, _ in new[room:]:
        each.report.left_out += 1
    for each, draft in [*(said[position] for position in sorted(there)), *new[:room]]:
        try:
            with conn.transaction():
                ticket_id, became = take_in(conn, draft, found_by=each.plugin.name)
        except Exception as error:  # noqa: BLE001 - whatever it is costs this draft alone
            # The server's words would repeat what the draft says.
            each.report.error = f"a ticket of it could not be kept ({type(error).__name__})"
            each.report.hint = "it is a defect of that source"
        else:
            _count(each.report, ticket_id, became)


def _value(draft: Draft) -> tuple[Any, ...]:
    """Return by what new troubles are ordered, the most valuable first."""
    return (score(triage(draft)), -(draft.count or 1), draft.key)


def _count(report: SourceReport, ticket_id: int, became: Became) -> None:
    if became is Became.KNOWN:
        return
    if became is Became.COUNTED:
        report.counted += 1
        return
    report.ticket_ids.append(ticket_id)
    if became is Became.CREATED:
        report.created += 1
    else:
        report.reopened += 1


def _record(conn: Connection, report: SourceReport, started_at: datetime) -> None:
    conn.execute(
        _QUERIES["record_scan"],
        {
            "source": report.source,
            "started_at": started_at,
            "found": report.found,
            "created": report.created,
            "counted": report.counted,
            "reopened": report.reopened,
            "left_out": report.left_out,
            "error": report.error,
        },
    )
