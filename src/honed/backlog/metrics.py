"""How the backlog is: rates, how tickets are spread, and four numbers, each with its formula."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.backlog")


@dataclass(frozen=True, slots=True)
class Rates:
    """What came, was settled and was tried in the last ``hours``."""

    #: ``hour``, ``day``, ``week`` or ``30 days``.
    time_window: str
    hours: float
    created: int
    resolved: int
    #: Attempts that ended, and how many of them succeeded.
    attempts: int
    succeeded: int
    created_per_hour: float
    created_per_day: float
    resolved_per_hour: float
    resolved_per_day: float
    #: Succeeded / attempts; None: nothing was tried.
    success_rate: float | None


@dataclass(frozen=True, slots=True)
class Portion:
    """How many tickets have one value of one dimension."""

    #: ``category``, ``priority``, ``risk``, ``source`` or ``state``.
    dimension: str
    value: str
    tickets: int
    #: Of these, neither applied nor rejected.
    unsettled: int
    #: Of all tickets, 0 to 1.
    share: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """How the backlog is now."""

    #: By name; seed 003's dashboard has ``health_score``, ``improvement_velocity``,
    #: ``risk_exposure`` and ``quality_trend``.
    values: Mapping[str, float]
    #: What each is, with its formula.
    meanings: Mapping[str, str]
    rates: Sequence[Rates]
    distribution: Sequence[Portion]


def read_metrics(conn: Connection) -> Metrics:
    """Return how the backlog is; an empty one is healthy, and nothing of it is undefined."""
    (values,) = conn.execute(_QUERIES["read_metrics"])
    meanings = {row["name"]: row["meaning"] for row in conn.execute(_QUERIES["read_meanings"])}
    return Metrics(
        values=values,
        meanings=meanings,
        rates=[Rates(**row) for row in conn.execute(_QUERIES["read_rates"])],
        distribution=[Portion(**row) for row in conn.execute(_QUERIES["read_distribution"])],
    )
