"""The bench: a clone on which remedies are tried, each in a transaction that is rolled back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql

from honed.core.step import Step
from honed.errors import EvaluatorFailed, StatementCut
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.plan_pins.case import Case
from honed.targets.postgres.plan_pins.keeper import QUERIES, Keeper
from honed.targets.postgres.plan_pins.manner import MANNERS
from honed.targets.postgres.plan_pins.pin import Remedy
from honed.targets.postgres.plan_pins.shapes import shapes
from honed.targets.postgres.production import quoted
from honed.targets.postgres.shadow import OWNER

_EXPLAIN = sql.SQL("EXPLAIN (FORMAT JSON, VERBOSE) {}")
_ADVISE = sql.SQL("EXPLAIN (FORMAT JSON, VERBOSE, PLAN_ADVICE) {}")


class Bench:
    """Plans statements on a clone as production would under a remedy.

    Args:
        clone: with production's schema and statistics. Only ``keep`` changes it.

        keepers: what production's extensions keep for single statements, by mechanism.
    """

    def __init__(self, clone: Clone, keepers: Mapping[str, Keeper] | None = None) -> None:
        self.clone = clone
        self.keepers = dict(keepers or {})

    def plans(
        self,
        examples: Sequence[str],
        *,
        steps: Sequence[Step] = (),
        settings: Mapping[str, str] | None = None,
        with_advice: bool = False,
    ) -> list[Mapping[str, Any]]:
        """Return the plan of each example after ``steps``, in a session with ``settings``.

        Both are taken back at the end. With advice where sessions have loaded pg_plan_advice.

        Raises:
            EvaluatorFailed: a step or a setting is refused, or an example cannot be planned.
            StatementCut: it took too long.
        """
        session = self.clone.session(OWNER)
        given = {"settings": json.dumps(dict(settings or {}))}
        explain = _ADVISE if with_advice else _EXPLAIN
        with (
            self.clone.shadow.errors("trying to bring a plan back"),
            session.transaction(force_rollback=True),
        ):
            session.execute(QUERIES["plan_with"], given)
            for step in steps:
                for statement in step.do:
                    session.execute(quoted(statement))
            rows = [session.execute(explain.format(quoted(each))).fetchall() for each in examples]
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
        if remedy is None:
            return self.plans(examples, settings=case.overrides)
        if remedy.guidance:
            manner = MANNERS[remedy.mechanism]
            return self.plans(
                [manner.text(each, remedy.guidance) for each in examples],
                settings={**case.overrides, **manner.settings(remedy.guidance)},
            )
        # The role that a setting is for is not on the clone: its session has the setting instead.
        settings = {**case.overrides, **remedy.session}
        steps = remedy.steps if remedy.acts_on_tables else ()
        return self.plans(examples, steps=steps, settings=settings)

    def bad_plans(self, case: Case, *, with_advice: bool = False) -> list[Mapping[str, Any]]:
        """Return the plans that the examples of ``case`` have as it is; none: they have none."""
        examples, settings = case.statement.examples, case.overrides
        try:
            return self.plans(examples, settings=settings, with_advice=with_advice)
        except (EvaluatorFailed, StatementCut):
            return []

    def obstacle(self, case: Case, mechanism: str) -> str:
        """Return why a mechanism keeps nothing for the statement of ``case``; empty: it may."""
        keeper = self.keepers[mechanism].of(case.roles) if mechanism in self.keepers else None
        manner = MANNERS[mechanism]
        is_told = manner.is_in(case.statement.examples)
        if is_told or (keeper is not None and case.statement_id in keeper.words):
            return f"somebody has given {manner.noun} already to statement {case.statement_id}"
        return keeper.obstacle if keeper else ""

    def keep(self, remedy: Remedy) -> None:
        """Let later cases be tried on top of ``remedy``, where it acts on tables."""
        if remedy.acts_on_tables:
            self.clone.carry_out(remedy.steps)
