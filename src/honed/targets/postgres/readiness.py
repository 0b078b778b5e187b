"""Whether production allows a change to begin now: time of day, load, transactions, lag, disk.

The rule is a pure function of what was read, so that each limit can be tried without a server.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from honed.config import Settings
from honed.storage.db import Connection
from honed.storage.queries import load_queries
from honed.targets.postgres.statements import QUERIES as STORE_QUERIES

_QUERIES = load_queries("honed.targets.postgres", "readiness.sql")

_DAY = timedelta(days=1)
_MB = 1024 * 1024
#: What a build needs on the disk: the result, and as much again while it sorts.
_ROOM = 2


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """One that has been open for longer than the limit."""

    #: 0: it is a prepared one.
    pid: int
    #: Of the application, or of the prepared transaction.
    name: str
    began_at: datetime


@dataclass(frozen=True, slots=True)
class Standby:
    """One receiver of the write-ahead log, as the primary sees it."""

    name: str
    lag_s: float
    lag_bytes: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What production is like at one moment, as far as it concerns a change."""

    #: In the target's own time zone.
    local_time: time
    time_zone: str
    #: Clients that are running a statement.
    busy: int
    #: ``max_connections``.
    connections: int
    transactions: tuple[OpenTransaction, ...] = ()
    standbys: tuple[Standby, ...] = ()
    #: What all databases of the server take; None: it was not asked.
    used_bytes: int | None = None


def read_clock(store: Connection) -> datetime:
    """Return the time by honed's clock, which a test can set."""
    (row,) = store.execute(STORE_QUERIES["read_clock"])
    now: datetime = row["now"]
    return now


def read_moment(connection: Connection, settings: Settings, now: datetime) -> Moment:
    """Return what production is like; ``now`` is the time by honed's clock."""
    (row,) = connection.execute(
        _QUERIES["read_moment"], {"now": now, "with_disk": settings.disk_limit_mb > 0}
    )
    limit = {"limit_s": settings.max_transaction_s}
    transactions = connection.execute(_QUERIES["list_transactions"], limit)
    standbys = connection.execute(_QUERIES["list_standbys"], {})
    return Moment(
        **row,
        transactions=tuple(OpenTransaction(**each) for each in transactions),
        standbys=tuple(Standby(**each) for each in standbys),
    )


def obstacles(moment: Moment, settings: Settings, added_bytes: int) -> list[str]:
    """Return why no change may begin, in words that stay the same while the reason does.

    Args:
        moment: what production is like.

        settings: the limits.

        added_bytes: what the change puts on the disk.
    """
    found = []
    if not is_open(settings.change_window, moment.local_time):
        found.append(
            f"changes begin at {settings.change_window} only (time zone {moment.time_zone})"
        )
    if moment.busy > settings.max_busy_share * moment.connections:
        share = f"{settings.max_busy_share:.0%}"
        found.append(f"more than {share} of the {moment.connections} connections are busy")
    found += [_said_of(each) for each in moment.transactions]
    found += _behind(moment, settings)
    if moment.used_bytes is not None and added_bytes > 0:
        limit = settings.disk_limit_mb * _MB
        if moment.used_bytes + _ROOM * added_bytes > limit:
            needed = _ROOM * added_bytes / _MB
            found.append(f"{needed:.0f} MB are not free below disk_limit_mb")
    return found


def is_open(window: str, at: time) -> bool:
    """Return whether ``at`` lies in ``window``, such as ``22:00-06:00``; its end is outside.

    An empty window is always open, and so is one that ends when it begins.
    """
    if not window:
        return True
    begin, end = (_since_midnight(time.fromisoformat(each)) for each in window.split("-"))
    length = (end - begin) % _DAY or _DAY
    return (_since_midnight(at) - begin) % _DAY < length


def _since_midnight(at: time) -> timedelta:
    return timedelta(
        hours=at.hour, minutes=at.minute, seconds=at.second, microseconds=at.microsecond
    )


def _said_of(transaction: OpenTransaction) -> str:
    since = f"has been open since {transaction.began_at:%Y-%m-%d %H:%M:%S%z}"
    if not transaction.pid:
        return f"the prepared transaction {transaction.name} {since}"
    by = f" ({transaction.name})" if transaction.name else ""
    return f"a transaction of process {transaction.pid}{by} {since}"


def _behind(moment: Moment, settings: Settings) -> Iterator[str]:
    for standby in moment.standbys:
        if standby.lag_s > settings.max_standby_lag_s:
            yield f"{standby.name} is more than {settings.max_standby_lag_s:g} s behind"
        elif standby.lag_bytes > settings.max_standby_lag_mb * _MB:
            yield f"{standby.name} is more than {settings.max_standby_lag_mb} MB behind"
