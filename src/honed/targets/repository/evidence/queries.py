"""Queries that services ask again and again within one operation, and the loops that ask them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from honed.core.canonical import Json
from honed.core.finding import Finding, FindingType
from honed.repair.refactor.asking.asked_in_loops import Loop
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.targets.registry import TargetRecord

#: The same query, many times within one operation of a service.
REPEATED_QUERY: Final = FindingType("repeated_query")

QUERIES: Final = load_queries("honed.targets.repository.evidence", "queries.sql")
#: So many times within one operation, a query is asked once for each of something.
_LEAST_TIMES: Final = 10
_MOST: Final = 20
_TITLE_CHARACTERS: Final = 160
_REMEDY: Final = "Ask once for all, before the loop: WHERE ... = ANY(...), or a join."


@dataclass(frozen=True, slots=True)
class Asked:
    """A loop that asks a query, and why it is left to people; empty: a change is there."""

    loop: Loop
    obstacle: str


def asked_lately(
    record: TargetRecord, store: Database, lookback: timedelta
) -> list[dict[str, Any]]:
    """Return the queries that are asked at least ten times within one operation, the dearest first.

    Args:
        record: of the repository; its projects are those that are linked to it, and the one that it
            names.

        store: honed's own database.

        lookback: how long ago a span may have come, by the store's clock.
    """
    asked = {
        "target_id": record.target_id,
        "project": str(record.options.get("project", "")),
        "lookback": lookback,
        "least": _LEAST_TIMES,
        "most": _MOST,
    }
    with store.transaction() as conn:
        return list(conn.execute(QUERIES["list_repeated"], asked).fetchall())


def repeated_queries(
    rows: Iterable[Mapping[str, Any]], asked: Mapping[str, Sequence[Asked]], commit: str
) -> Iterator[Finding]:
    """Yield a finding for each query, with the loops of the sources that ask it.

    Args:
        rows: what ``asked_lately`` said.

        asked: the loops, by query.

        commit: of the sources.
    """
    for row in rows:
        loops = asked[row["query"]]
        where = f" in {_place(loops[0].loop)}" if loops else ""
        within = f" within {row['within']}" if row["within"] else ""
        yield Finding(
            REPEATED_QUERY,
            f"{row['project']}: {row['query']}",
            f"asked {row['median_times']} times{within}{where}: {row['query']}"[:_TITLE_CHARACTERS],
            evidence={
                "commit": commit,
                "project": row["project"],
                "service": row["service"],
                "query": row["query"],
                "within": row["within"],
                "traces": row["traces"],
                "median_times": row["median_times"],
                "most_times": row["most_times"],
                "total_ms": row["total_ms"],
                "trace_id": row["trace_id"],
                "loops": [_evidence(each) for each in loops],
                "remedy": " ".join([_REMEDY, *_obstacles(loops)]),
            },
            weight=min(1.0, row["total_ms"] / row["all_ms"]) if row["all_ms"] > 0 else 0.0,
        )


def _place(loop: Loop) -> str:
    function = f" ({loop.function})" if loop.function else ""
    return f"the loop at {loop.path}:{loop.line}{function}"


def _obstacles(loops: Iterable[Asked]) -> Iterator[str]:
    for each in loops:
        if each.obstacle:
            place = f"{each.loop.path}:{each.loop.line}"
            yield f"honed leaves the loop at {place} alone: {each.obstacle}."


def _evidence(asked: Asked) -> Json:
    return {
        "path": asked.loop.path,
        "line": asked.loop.line,
        "function": asked.loop.function,
        "through": asked.loop.through,
        "obstacle": asked.obstacle,
    }
