"""What will cross the limit that was set for it: gauges of services, and what statements cost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import starmap
from typing import Any, ClassVar, Final

from honed.backlog.draft import Draft, Facts
from honed.backlog.settled import rests, settled
from honed.backlog.source import Source
from honed.backlog.ticket import TicketSource
from honed.config import Settings
from honed.errors import ConfigurationError
from honed.stats.forecast import CONFIDENCE, FARTHEST_DAYS, Crossing, crossing
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.backlog.sources", "forecasts.sql")

#: Four of five futures that are drawn cross it: that is worth a ticket.
_LEAST_PROBABILITY: Final = 0.8
#: One gauge has a series for each set of attributes; of more, the first are looked at.
_MOST_SERIES: Final = 50
#: So long after it was settled a trend still tells of what was before.
_RESTS: Final = timedelta(days=7)
_EVERY: Final = "*"
_DAY_S: Final = 86_400
_LONGEST: Final = 300

_SOLUTION: Final = (
    "Act before it does: find what makes {what} {grow}, and end that or make room for it. If"
    " {limit} is not what matters, correct it in forecast_targets."
)
_TEST_PLAN: Final = (
    "1. Look at the days before, and at what else changed with them\n"
    "2. Apply the change\n"
    "3. Verify that its trend bends: a week after, a scan foretells no crossing any more"
)


@dataclass(frozen=True, slots=True)
class _Limit:
    """What something should stay below or above."""

    value: float
    is_least: bool

    @classmethod
    def of(cls, said: str) -> "_Limit":
        return cls(float(said[1:]), said.startswith(">"))

    @property
    def words(self) -> str:
        """The limit for a person."""
        return f"its target of {'at least' if self.is_least else 'at most'} {self.value:g}"

    def crossed(
        self, times: Sequence[datetime], values: Sequence[float], seed: int
    ) -> Crossing | None:
        """Return when a series crosses it; None: it is too short to tell."""
        days = [each.timestamp() / _DAY_S for each in times]
        sign = -1.0 if self.is_least else 1.0
        return crossing(days, [sign * each for each in values], sign * self.value, seed=seed)


@dataclass(frozen=True, slots=True)
class _Series:
    """One series that has a limit."""

    project: str
    target_id: int | None
    #: Within its place; never renamed.
    subject: str
    #: For a person.
    label: str
    unit: str
    times: Sequence[datetime]
    values: Sequence[float]


class Forecasts(Source):
    """Gauges and costs of statements that will cross what the setting forecast_targets says."""

    name: ClassVar[str] = "forecasts"
    source: ClassVar[TicketSource] = TicketSource.FORECAST

    def drafts(self, conn: Connection, since: datetime, settings: Settings) -> Iterator[Draft]:
        """Yield one draft for each series that crosses its limit within four weeks.

        Raises:
            ConfigurationError: a limit is of a project or target that is not there.
        """
        known = settled(conn, self.source)
        for name, said in settings.forecast_targets.items():
            place, _, what = name.partition("/")
            row = _place(conn, place)
            limit = _Limit.of(said)
            for series in _series(conn, place, what, row):
                found = limit.crossed(series.times, series.values, settings.seed)
                if found is None or found.by_day[-1] < _LEAST_PROBABILITY:
                    continue
                draft = _draft(series, limit, found)
                if not rests(known, draft, row["now"] - _RESTS):
                    yield draft


def _place(conn: Connection, name: str) -> Mapping[str, Any]:
    (row,) = conn.execute(_QUERIES["list_places"], {"name": name})
    if row["project_id"] is None and row["target_id"] is None:
        msg = f"forecast_targets names {name}, which is no project and no target"
        raise ConfigurationError(msg, hint="`honed project list` and `honed target list` show them")
    return row


def _series(conn: Connection, place: str, what: str, row: Mapping[str, Any]) -> Iterator[_Series]:
    """Yield what a name of the setting means: gauges of a project, statements of a target."""
    if row["project_id"] is not None:
        asked = {"subject": what, "project_id": row["project_id"], "most": _MOST_SERIES}
        for each in conn.execute(_QUERIES["list_gauges"], asked).fetchall():
            told = _attributes(each["service"], each["attributes"])
            label = f"{what} of {told}" if told else what
            subject = f"gauge: {what}: {told}"
            yield _Series(place, None, subject, label, "", each["times"], each["values"])
    if row["target_id"] is not None:
        query = "list_all_statements" if what == _EVERY else "list_statement"
        asked = {"target_id": row["target_id"], "statement_id": what}
        unit = "seconds an hour" if what == _EVERY else "ms a call"
        for each in conn.execute(_QUERIES[query], asked).fetchall():
            label = " ".join((each["label"] or what).split())
            subject = f"statement: {what}"
            yield _Series("", row["target_id"], subject, label, unit, each["times"], each["values"])


def _attributes(service: str, attributes: Mapping[str, Any]) -> str:
    """Return what a series of a gauge is of: ``shop, device=sda1``."""
    pairs = starmap("{}={}".format, sorted(attributes.items()))
    return ", ".join(filter(None, (service, *pairs)))[:_LONGEST]


def _draft(series: _Series, limit: _Limit, found: Crossing) -> Draft:
    value, at = series.values[-1], series.times[-1]
    unit = f" {series.unit}" * bool(series.unit)
    told = found.tell(limit.words)
    low, high = found.interval
    return Draft(
        source=TicketSource.FORECAST,
        project=series.project,
        target_id=series.target_id,
        subject=series.subject,
        title=f"{series.label[:100]} {told}",
        description=f"{series.label} {told}. It was {value:.4g}{unit} at {at:%F %R %Z}.",
        evidence={
            "forecast": {
                "series": series.label,
                "unit": series.unit,
                "target": limit.value,
                "is_least": limit.is_least,
                "value": value,
                "at": at.isoformat(),
                "days": found.days,
                "interval_days": [low, min(high, float(FARTHEST_DAYS))],
                "confidence": CONFIDENCE,
                "probability_by_day": [round(each, 3) for each in found.by_day],
            }
        },
        proposed_solution=_SOLUTION.format(
            what=series.label[:100], grow="fall" if limit.is_least else "grow", limit=limit.words
        ),
        test_plan=_TEST_PLAN,
        first_seen_at=at,
        last_seen_at=at,
        facts=Facts(due_days=found.days),
    )
