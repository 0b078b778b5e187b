"""Queries that services ask again and again within one operation, and the loops that ask them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from honed.core.canonical import Json
from honed.core.finding import Finding, FindingType
from honed.repair.refactor.asked_in_loops import Loop, loops_around
from honed.repair.refactor.package import Package
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.targets.registry import TargetRecord

#: The same query, many times within one operation of a service.
REPEATED_QUERY: Final = FindingType("repeated_query")

QUERIES: Final = load_queries("honed.targets.repository.evidence", "queries.sql")
#: So many times within one operation, a query is asked once for each of something.
_LEAST_TIMES: Final = 10
_MOST: Final = 20
_MOST_LOOPS: Final = 5
_TITLE_CHARACTERS: Final = 160


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
    rows: Iterable[Mapping[str, Any]], package: Package, commit: str
) -> Iterator[Finding]:
    """Yield a finding for each query, with the loops of the sources that ask it.

    Args:
        rows: what ``asked_lately`` said.

        package: the sources of the repository.

        commit: of the sources.
    """
    for row in rows:
        loops = loops_around(package, row["query"])[:_MOST_LOOPS]
        where = f" in {_place(loops[0])}" if loops else ""
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
                "remedy": "Ask once for all, before the loop: WHERE ... = ANY(...), or a join.",
            },
            weight=min(1.0, row["total_ms"] / row["all_ms"]) if row["all_ms"] > 0 else 0.0,
        )


def _place(loop: Loop) -> str:
    function = f" ({loop.function})" if loop.function else ""
    return f"the loop at {loop.path}:{loop.line}{function}"


def _evidence(loop: Loop) -> Json:
    return {
        "path": loop.path,
        "line": loop.line,
        "function": loop.function,
        "through": loop.through,
    }
