"""Hints: the extension pg_hint_plan keeps hints for one statement in a table."""

from collections.abc import Iterator

from honed.errors import EvaluatorFailed
from honed.targets.postgres.plan_pins.bench import Bench
from honed.targets.postgres.plan_pins.case import Case
from honed.targets.postgres.plan_pins.hint_rows import EXTENSION, MECHANISM, hint_step
from honed.targets.postgres.plan_pins.hint_trial import obey_hints
from honed.targets.postgres.plan_pins.hints import choices, hints_of
from honed.targets.postgres.plan_pins.pin import Remedy
from honed.targets.postgres.plan_pins.provider import Server


class HintTable:
    """Hints for one statement, whoever runs it, and for no other.

    They are made of the good plan, the fewest that bring it back. Where the lab's server cannot
    load the extension nothing is proposed: a hint that was not tried is a guess. A statement that
    has hints already, in the table or in its text, keeps them.
    """

    name = MECHANISM

    def why_not(self, server: Server) -> str:
        """Return why it cannot be used; see ``Provider``."""
        if not server.extensions.get(EXTENSION, False) or server.hint_rows is None:
            return f"{EXTENSION} is not installed in the database"
        if EXTENSION not in server.in_lab:
            return (
                f"{EXTENSION} is installed, but the lab's server does not have it: no trial"
                " (postgres_bin may name programs that have it)"
            )
        return server.hint_rows.obstacle

    def remedies(self, case: Case, bench: Bench) -> Iterator[Remedy]:
        """Yield hints: of scans, of joins, of their order, and of all."""
        if bench.has_hints(case):
            return
        try:
            obey_hints(bench.clone)
        except EvaluatorFailed:
            return
        bad = [each for plan in bench.bad_plans(case) for each in hints_of(plan)]
        for good in hints_of(case.good.plan):
            for hints in choices(good, bad):
                yield Remedy(
                    mechanism=self.name,
                    label=f"the hint {hints} for statement {case.statement_id}",
                    scope=f"statement {case.statement_id} in every session",
                    steps=(hint_step(case.statement_id, hints),),
                    hints=hints,
                )
