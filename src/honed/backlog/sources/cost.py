"""Where the money goes: models, statements and tests that most of it goes into, or ever more."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from honed.backlog.draft import Draft, Facts
from honed.backlog.settled import Settled, TicketKey, rests, settled
from honed.backlog.source import Source
from honed.backlog.ticket import TicketSource
from honed.config import Settings
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.backlog.sources", "cost.sql")

#: What takes so much of what its like cost together is a hotspot; and what takes so much and grew
#: so much from one week to the next. The numbers are honed's own.
_LARGE_SHARE: Final = 0.25
_SMALL_SHARE: Final = 0.05
_GROWTH: Final = 1.5
#: Hotspots of one sort in one place; of more, the dearest are told.
_MOST: Final = 3
#: What was settled and costs less than so much of what it did has not come back.
_AS_BEFORE: Final = 0.9
_WEEK: Final = timedelta(days=7)
_LONGEST_TITLE: Final = 120


@dataclass(frozen=True, slots=True)
class _Sort:
    """One sort of what costs something."""

    #: Stands in the subject; never renamed.
    name: str
    query: str
    #: What is counted in a week, in words, and how much of it is worth looking at.
    unit: str
    least: float
    #: Of what a hotspot takes its share.
    whole: str
    remedy: str
    test_plan: str


_SORTS: Final = (
    _Sort(
        name="model",
        query="list_models",
        unit="USD",
        least=7.0,
        whole="what models cost {place}",
        remedy=(
            "Ask it less: keep in a cache what is asked again (also the provider's, for the"
            " beginning of prompts), shorten what is sent and what may come back, and let a cheaper"
            " model answer what is easy."
        ),
        test_plan=(
            "1. Take a sample of requests with answers that are good enough\n"
            "2. Apply the change, and see that the answers are as good\n"
            "3. Verify in the view honed.inference_request that a week costs less"
        ),
    ),
    _Sort(
        name="statement",
        query="list_statements",
        unit="s",
        least=3600.0,
        whole="the time of all statements of {place}",
        remedy=(
            "Run it less often, or let it read less: an index, a narrower answer, a result that is"
            " kept. `honed finding list` shows what honed tries itself."
        ),
        test_plan=(
            "1. Run it on a copy with the values of production\n"
            "2. Apply the change, and see that its answer is the same\n"
            "3. Verify that a week of it takes less time"
        ),
    ),
    _Sort(
        name="tests",
        query="list_test_files",
        unit="min",
        least=60.0,
        whole="the time of all tests of {place}",
        remedy=(
            "Find its slowest tests (pytest --durations=10): share what they prepare, do not wait"
            " for time to pass, and run whole services only where the test is about them."
        ),
        test_plan=(
            "1. Measure it: pytest --durations=0 {name}\n"
            "2. Apply the change, and see that each test still fails when what it tests is broken\n"
            "3. Verify that a week of it takes fewer minutes"
        ),
    ),
)


class Cost(Source):
    """Models, statements and files of tests that cost most, or ever more, from week to week."""

    name: ClassVar[str] = "cost"
    source: ClassVar[TicketSource] = TicketSource.COST

    def drafts(self, conn: Connection, since: datetime, settings: Settings) -> Iterator[Draft]:
        """Yield one draft for each hotspot of the last week.

        What was settled rests for a week, and comes back only if it costs as much as it did.
        """
        known = settled(conn, self.source)
        for sort in _SORTS:
            rows = conn.execute(_QUERIES[sort.query]).fetchall()
            for row in _dearest(row for row in rows if _is_hot(sort, row)):
                draft = _draft(sort, row)
                if not rests(known, draft, row["now"] - _WEEK) and not _is_less(known, draft):
                    yield draft


def _is_hot(sort: _Sort, row: Mapping[str, Any]) -> bool:
    if row["cost"] < sort.least:
        return False
    share = row["cost"] / row["total"]
    return share >= _LARGE_SHARE or (share >= _SMALL_SHARE and _growth(row) >= _GROWTH)


def _growth(row: Mapping[str, Any]) -> float:
    """Return how many times as much it costs as in the week before; 1: nobody knows."""
    if not row["is_before_known"] or row["before"] <= 0:
        return 1.0
    return float(row["cost"] / row["before"])


def _dearest(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    by_place: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_place[row["project"] or row["target"]].append(row)
    for found in by_place.values():
        yield from sorted(found, key=lambda row: (-row["cost"], row["name"]))[:_MOST]


def _is_less(known: Mapping[TicketKey, Settled], draft: Draft) -> bool:
    """Return whether it was settled and costs less than it did then."""
    found = known.get(draft.key)
    if found is None:
        return False
    (before,), (now,) = found.evidence.values(), draft.evidence.values()
    cost, costs = (
        each.get("cost") if isinstance(each, Mapping) else None for each in (before, now)
    )
    is_known = isinstance(cost, int | float) and isinstance(costs, int | float)
    return is_known and costs < _AS_BEFORE * cost  # type: ignore[operator]  # both are numbers


def _draft(sort: _Sort, row: Mapping[str, Any]) -> Draft:
    share, growth = row["cost"] / row["total"], _growth(row)
    whole = sort.whole.format(place=row["project"] or row["target"])
    grown = f", {growth:.1f} times as much as the week before" if growth > 1 else ""
    what = " ".join(row["label"].split())
    return Draft(
        source=TicketSource.COST,
        project=row["project"],
        target_id=row["target_id"],
        subject=f"{sort.name}: {row['name']}",
        title=_title(what, f"{share:.0%} of {whole}{grown}"),
        description=(
            f"{what} cost {row['cost']:.4g} {sort.unit} in the last week, {share:.0%} of"
            f" {whole}{grown}."
        ),
        evidence={
            "hotspot": {
                "sort": sort.name,
                "name": row["name"],
                "cost": round(row["cost"], 4),
                "unit": f"{sort.unit} a week",
                "cost_before": round(row["before"], 4) if row["is_before_known"] else None,
                "share": round(share, 4),
                "total": round(row["total"], 4),
                **row["detail"],
            }
        },
        proposed_solution=sort.remedy,
        test_plan=sort.test_plan.format(name=row["name"]),
        files_to_modify=(row["name"],) if sort.name == "tests" else (),
        first_seen_at=row["first_at"],
        last_seen_at=row["last_at"],
        facts=Facts(share=share, excess=max(1.0, growth)),
    )


def _title(what: str, why: str) -> str:
    room = max(20, _LONGEST_TITLE - len(f"Reduce the cost of : {why}"))
    return f"Reduce the cost of {what if len(what) <= room else what[: room - 1] + '…'}: {why}"
