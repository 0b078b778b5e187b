"""A clone as a laboratory: candidates are built, planned with and timed on it."""

from collections.abc import Collection, Mapping, Sequence

from psycopg import sql

from honed.core.canonical import Json
from honed.errors import EvaluatorFailed
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.indexes.bench import Laboratory
from honed.targets.postgres.indexes.definition import IndexDefinition
from honed.targets.postgres.metering import MeteredSession
from honed.targets.postgres.whatif import Built
from honed.targets.postgres.write_cost import write_cost

#: Rows that are written to see what a row costs: enough to tell one index from two.
_WRITTEN_ROWS = 1000


def analyze_expressions(
    clone: Clone, laboratory: Laboratory, new: Sequence[IndexDefinition]
) -> None:
    """Let the planner know the values of the expressions of ``new`` indexes.

    It knows nothing of them before their table is analyzed, which takes notice of visible indexes
    only. A clone of a sample has production's statistics, which must not be overwritten.
    """
    expressive = [each for each in new if each.has_expression]
    if expressive and not clone.is_sampled:
        laboratory.show([each.name for each in expressive])
        for table in sorted({each.relation for each in expressive}):
            clone.analyze_indexes(table)
        laboratory.show(())


class CloneLaboratory:
    """Implements ``bench.Laboratory`` on a clone.

    Args:
        clone: where indexes are built; it is not left as it was.

        session: where statements are timed; on the same clone.
    """

    def __init__(self, clone: Clone, session: MeteredSession) -> None:
        self._clone = clone
        self._session = session

    def add(self, candidates: Collection[IndexDefinition]) -> Mapping[str, Built]:
        """Build ``candidates`` unseen by the planner; one that cannot be built is left out."""
        built = self._clone.add(candidates)
        analyze_expressions(self._clone, self, [each for each in candidates if each.name in built])
        return built

    def show(self, names: Collection[str]) -> None:
        """Make exactly ``names`` of the added candidates visible to the planner."""
        self._clone.show(names)

    def explain(self, sql: str) -> Mapping[str, Json]:
        """Return the plan of ``sql``.

        Raises:
            EvaluatorFailed: it cannot be planned.
            StatementCut: planning took too long.
        """
        return self._clone.explain(sql)

    def cpu_s(self, sql: str, cut_s: float) -> float:
        """Run ``sql`` once and return its CPU seconds, ``cut_s`` where it was cut.

        Raises:
            EvaluatorFailed: it failed.
        """
        return self._session.run(sql, cut_s=cut_s).cost_s

    def insert_us(self, schema: str, table: str) -> float | None:
        """Return the CPU microseconds of one row inserted with the indexes visible now.

        None: the table has no rows, or they cannot be written again.
        """
        try:
            cost = write_cost(
                self._clone, sql.Identifier(schema, table).as_string(), rows=_WRITTEN_ROWS
            )
        except EvaluatorFailed:
            return None
        return cost.insert_us if cost else None
