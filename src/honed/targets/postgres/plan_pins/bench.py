"""The bench: a clone on which remedies are tried, each in a transaction that is rolled back."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from psycopg import sql

from honed.core.step import Step
from honed.errors import EvaluatorFailed, StatementCut
from honed.storage.queries import load_queries
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.plan_pins.case import Case
from honed.targets.postgres.plan_pins.hints import MARK, hinted
from honed.targets.postgres.plan_pins.pin import Remedy
from honed.targets.postgres.plan_pins.shapes import shapes
from honed.targets.postgres.production import quoted
from honed.targets.postgres.shadow import OWNER

QUERIES = load_queries(__package__, "pins.sql")

_EXPLAIN = sql.SQL("EXPLAIN (FORMAT JSON, VERBOSE) {}")


class Bench:
    """Plans statements on a clone as production would under a remedy.

    Args:
        clone: with production's schema and statistics. Only ``keep`` changes it.

        hinted: statements that somebody has given hints in production.
    """

    def __init__(self, clone: Clone, hinted: Collection[str] = ()) -> None:
        self.clone = clone
        self.hinted = frozenset(hinted)

    def plans(
        self,
        examples: Sequence[str],
        *,
        steps: Sequence[Step] = (),
        settings: Mapping[str, str] | None = None,
    ) -> list[Mapping[str, Any]]:
        """Return the plan of each example after ``steps``, in a session with ``settings``.

        Both are taken back at the end.

        Raises:
            EvaluatorFailed: a step or a setting is refused, or an example cannot be planned.
            StatementCut: it took too long.
        """
        session = self.clone.session(OWNER)
        given = {"settings": json.dumps(dict(settings or {}))}
        with (
            self.clone.shadow.errors("trying to bring a plan back"),
            session.transaction(force_rollback=True),
        ):
            session.execute(QUERIES["plan_with"], given)
            for step in steps:
                for statement in step.do:
                    session.execute(quoted(statement))
            rows = [session.execute(_EXPLAIN.format(quoted(each))).fetchall() for each in examples]
        return [row[0]["QUERY PLAN"][0] for row in rows]

    def is_good(self, case: Case, remedy: Remedy | None = None) -> bool:
        """Return whether each example of ``case`` has a good plan, with ``remedy`` or as it is.

        What cannot be tried does not bring it back.
        """
        try:
            plans = self.plans_with(case.statement.examples, case, remedy)
        except (EvaluatorFailed, StatementCut):
            return False
        good = case.good_shapes
        return all(shapes(plan) <= good for plan in plans)

    def plans_with(
        self, examples: Sequence[str], case: Case, remedy: Remedy | None = None
    ) -> list[Mapping[str, Any]]:
        """Return the plan of each example in a session of ``case``, with ``remedy`` or as it is.

        Raises:
            EvaluatorFailed: the remedy is refused, or an example cannot be planned.
            StatementCut: it took too long.
        """
        settings = {**case.overrides, **(remedy.session if remedy else {})}
        # The role that a setting is for is not on the clone: its session has the setting instead.
        # A hint is before the statement instead of in a table.
        steps = remedy.steps if remedy and remedy.acts_on_tables else ()
        if remedy:
            examples = [hinted(each, remedy.hints) for each in examples]
        return self.plans(examples, steps=steps, settings=settings)

    def bad_plans(self, case: Case) -> list[Mapping[str, Any]]:
        """Return the plans that the examples of ``case`` have as it is; none: they have none."""
        try:
            return self.plans(case.statement.examples, settings=case.overrides)
        except (EvaluatorFailed, StatementCut):
            return []

    def has_hints(self, case: Case) -> bool:
        """Return whether somebody has given the statement hints, in production or in its text."""
        return case.statement_id in self.hinted or any(
            MARK in each for each in case.statement.examples
        )

    def keep(self, remedy: Remedy) -> None:
        """Let later cases be tried on top of ``remedy``, where it acts on tables."""
        if remedy.acts_on_tables:
            self.clone.carry_out(remedy.steps)
