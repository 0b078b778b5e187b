"""Index what a query filters by, says the folklore. A kind that believes it.

What it does
    Claims that an index on ``orders (o_orderstatus)`` makes the statement that filters by it
    cheaper, without asking the planner. It exists in the demonstration alone.

Why it helps
    It does not: half of all rows have the asked value, so reading the table is cheaper. It shows
    what becomes of a claim that is only plausible.

Risk and rollback
    As with any index: built CONCURRENTLY, dropped again. It never comes so far.

How it is measured
    By replaying the statement, as with any other claim.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from honed.core.finding import SLOW_STATEMENT, Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Risk
from honed.core.step import Step
from honed.core.trial import Trial
from honed.targets.postgres.indexes.definition import IndexDefinition, Key
from honed.targets.postgres.statement_trial import statement_trial
from honed.targets.postgres.target import PostgresTarget

_INDEX = IndexDefinition(schema="public", table="orders", keys=(Key("o_orderstatus"),))
#: CPU seconds after which the statement is cut.
_CUT_S = 1.0
#: What folklore promises.
_PROMISED = math.log(0.5)


class Folklore(Kind[PostgresTarget]):
    """See the module's docstring."""

    name: ClassVar[str] = "folklore"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=2)
    wants: ClassVar[frozenset[FindingType]] = frozenset({SLOW_STATEMENT})

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield the claim, if a statement filters by the column."""
        base_s = {
            each.statement_id: min(_CUT_S, each.mean_ms / 1000)
            for each in target.workload().replayable
            if "o_orderstatus =" in each.text
        }
        if base_s:
            yield Hypothesis(
                kind=self.name,
                subject=_INDEX.name,
                claim=f"an index on {_INDEX.summary}, as it is filtered by, halves the cost",
                priority=3,
                risk=self.risk.level,
                predicted_log_ratio=_PROMISED,
                parameters={"base_s": base_s},
                finding_ids=tuple(each.finding_id for each in findings if each.subject in base_s),
            )

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the one step."""
        return [_INDEX.step()]

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the replay of the statements that filter by the column."""
        base_s: Mapping[str, Any] = hypothesis.parameters["base_s"]  # type: ignore[assignment]  # as written above
        return statement_trial(target, base_s=base_s, changed=base_s, cut_s=_CUT_S)

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds per call of the statements that filter by the column."""
        costs = target.statement_costs()
        base_s: Mapping[str, Any] = hypothesis.parameters["base_s"]  # type: ignore[assignment]  # as written above
        return {each: costs[each].exec_ms_per_call for each in base_s if each in costs}
