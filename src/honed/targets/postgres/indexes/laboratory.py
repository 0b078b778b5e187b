"""A clone as a laboratory: candidates are built, planned with and timed on it."""

from collections.abc import Collection, Mapping

from honed.core.canonical import Json
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.indexes.definition import IndexDefinition
from honed.targets.postgres.metering import MeteredSession
from honed.targets.postgres.whatif import Built


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
        if not self._clone.is_sampled:
            # The planner knows nothing of an expression before its index is analyzed. The clone
            # of a sample has production's statistics, which must not be overwritten.
            new = {each.relation for each in candidates if each.has_expression}
            self._clone.run(*(f"ANALYZE {relation}" for relation in sorted(new)))
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
