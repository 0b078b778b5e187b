"""A kind whose claims are given and whose trials are real: what becomes of bad advice."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from honed.core.finding import SLOW_STATEMENT, Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Risk
from honed.core.step import Step
from honed.core.trial import Trial
from honed.targets.postgres.indexes.advise import choose_cut_s
from honed.targets.postgres.session_settings.scope import setting_step
from honed.targets.postgres.session_settings.trial import SettingsTrial
from honed.targets.postgres.statement_trial import statement_trial
from honed.targets.postgres.target import PostgresTarget

#: What bad advice promises: half the cost.
_PROMISED = math.log(0.5)
#: High enough for the policy to approve it by itself.
_PRIORITY = 4


@dataclass(frozen=True, slots=True)
class GivenClaim:
    """One thing that somebody advises, and that the kind claims."""

    #: What it would change, as the claim's subject.
    subject: str
    #: What it would do to the target as it is.
    steps: Callable[[PostgresTarget], list[Step]]
    #: What the steps give each new session: such a claim is tried in one session with and without.
    settings: Mapping[str, str] = field(default_factory=dict)
    #: Is in the text of each statement that is replayed; empty: the whole workload is.
    about: str = ""


def statements_claim(subject: str, *acts: tuple[str, str], about: str = "") -> GivenClaim:
    """Return the claim of statements that are each a step outside of a transaction.

    Args:
        subject: what they change.

        acts: what each step does, and what takes it back.

        about: is in the text of each statement that is replayed.
    """
    steps = [Step(do, do=(do,), undo=(undo,), in_transaction=False) for do, undo in acts]
    return GivenClaim(subject, lambda _: steps, about=about)


def setting_claim(database: str, name: str, value: str) -> GivenClaim:
    """Return the claim of one setting for all new sessions of ``database``."""
    step = setting_step(database, "", name, value, before=None)
    return GivenClaim(f"{name} = {value} for {database}", lambda _: [step], {name: value})


@dataclass
class Claimed(Kind[PostgresTarget]):
    """Claims in every cycle what it was given, and replays the workload to prove it."""

    name: ClassVar[str] = "claimed"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=2)
    wants: ClassVar[frozenset[FindingType]] = frozenset({SLOW_STATEMENT})

    claims: Sequence[GivenClaim] = ()

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield every claim that is about something that can be replayed."""
        statements = target.workload().replayable
        if not statements:
            return
        cut_s = choose_cut_s(statements)
        for claim in self.claims:
            base_s = {
                each.statement_id: min(cut_s, each.mean_ms / 1000)
                for each in statements
                if claim.about in each.text
            }
            if not base_s:
                continue
            yield Hypothesis(
                kind=self.name,
                subject=claim.subject,
                claim=f"{claim.subject}: advised by somebody, and said to halve the cost",
                priority=_PRIORITY,
                risk=self.risk.level,
                predicted_log_ratio=_PROMISED,
                parameters={"base_s": base_s, "cut_s": cut_s},
                finding_ids=tuple(each.finding_id for each in findings),
            )

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the claim's steps."""
        return self._claim(hypothesis).steps(target)

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return the replay of the statements that it is about, with and without it."""
        given: Mapping[str, Any] = hypothesis.parameters
        base_s, settings = given["base_s"], self._claim(hypothesis).settings
        replay = statement_trial(target, base_s=base_s, changed=base_s, cut_s=given["cut_s"])
        if not settings:
            return replay
        steps = tuple(self.apply(hypothesis, target))
        return SettingsTrial(replay=replay, steps=steps, given=settings, overrides={})

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return milliseconds per call by statement id, of what it is about."""
        base_s: Mapping[str, Any] = hypothesis.parameters["base_s"]  # type: ignore[assignment]  # as written above
        costs = target.statement_costs()
        return {each: costs[each].exec_ms_per_call for each in base_s if each in costs}

    def _claim(self, hypothesis: Hypothesis) -> GivenClaim:
        return next(claim for claim in self.claims if claim.subject == hypothesis.subject)
