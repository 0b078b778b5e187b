"""Proving a claim: its steps are fixed, its trial is run away from production, and judged."""

import math
import time
from dataclasses import dataclass, field

from honed.core.canonical import Json
from honed.core.canonical import digest as digest_of
from honed.core.gate import Examination
from honed.core.trial import Trial
from honed.core.verdict import State, Verdict
from honed.errors import KindFailed, TargetUnavailable
from honed.experiments.blocks import Block, Purpose, recompute
from honed.experiments.record import add_block, finish_trial, start_trial, wanted_log_e
from honed.experiments.trial import TrialResult, run_trial
from honed.improvement.transition import Changes, Move
from honed.loop.boundary import KIND_TROUBLE, asking
from honed.loop.events import Event, GateChecked, TrialPair, TrialStarted, VerdictGiven
from honed.loop.examine import examine
from honed.loop.parts import check_switch
from honed.loop.revise import revised, take
from honed.loop.work import Work
from honed.storage.db import Connection

#: The kill switch is read no more often than this while a trial runs.
SWITCH_EVERY_S = 1.0

#: Where a verdict leads.
STATE_AFTER = {
    Verdict.IMPROVED: State.PROVEN,
    Verdict.WORSE: State.REFUTED,
    Verdict.EQUIVALENT: State.REFUTED,
    Verdict.INCONCLUSIVE: State.INCONCLUSIVE,
    # The evaluator failed, which says nothing about the claim: a later cycle tries it again.
    Verdict.ERROR: State.INCONCLUSIVE,
}


def fix_steps(work: Work) -> None:
    """Let the kind say what would be done, once and for all, and send it to its trial.

    Raises:
        Postponed: the target does not answer.
    """
    target = work.target()
    try:
        with asking(work.improvement.kind):
            steps = work.kind().apply(work.improvement.hypothesis, target)
    except KIND_TROUBLE as error:
        work.fail(str(error))
        return
    if not steps:
        work.fail("the kind names no step")
        return
    changes = Changes(steps=steps, target_fingerprint=work.fingerprint())
    work.move(Move(State.ON_TRIAL, changes, next_message=work.act()))


def run_the_trial(work: Work) -> None:
    """Run the trial of an improvement and bring it where the verdict leads.

    What a killed worker had measured is thrown away: its trial is run again from the start.

    Raises:
        Stopped: honed was told to stop; the trial is run again afterwards.
        LostJob: another worker took the job over.
        Interrupted: the worker was told to end.
    """
    improvement = work.improvement
    work.parts.tell(
        TrialStarted(improvement.improvement_id, improvement.kind, improvement.hypothesis.claim)
    )
    started = time.monotonic()
    try:
        with asking(improvement.kind):
            trial = work.kind().trial(improvement.hypothesis, work.target())
        if isinstance(trial, Examination):
            _examine(work, trial, started)
            return
        notebook = _Notebook(work, trial)
        with asking(improvement.kind):
            result = run_trial(
                trial,
                improvement.steps,
                seed=notebook.seed,
                wanted_log_e=notebook.wanted_log_e(),
                record=notebook.record,
                should_stop=_Watchman(work),
            )
    except KindFailed as error:
        work.fail(str(error), cost_s=time.monotonic() - started)
    except (*KIND_TROUBLE, TargetUnavailable) as error:
        _give_no_verdict(work, str(error), time.monotonic() - started)
    else:
        _give_verdict(work, notebook, result, time.monotonic() - started)


def _examine(work: Work, examination: Examination, started: float) -> None:
    """Let the gates look at an improvement, and bring it where their verdict leads."""
    improvement = work.improvement
    found = examine(
        improvement.kind,
        examination,
        improvement.steps,
        tell=lambda said: work.parts.tell(
            GateChecked(improvement.improvement_id, said.gate, said.reason, passed=said.passed)
        ),
        should_stop=_Watchman(work),
    )
    to = STATE_AFTER[found.verdict]
    move = Move(
        to,
        Changes(verdict=found.verdict, evidence=found.evidence, cost_s=time.monotonic() - started),
        detail={"reason": found.reason},
        next_message=work.act() if to is State.PROVEN else None,
    )
    after = work.move(move)
    work.parts.tell(
        VerdictGiven(work.improvement_id, found.verdict, found.reason, None, after.state)
    )


@dataclass(slots=True)
class _Watchman:
    """Ends a trial when the job is lost, the worker is told to end, or honed is told to stop."""

    work: Work
    _asked_at: float = float("-inf")

    def __call__(self) -> None:
        self.work.context.stop_if_told()
        if time.monotonic() - self._asked_at < SWITCH_EVERY_S:
            return
        self._asked_at = time.monotonic()
        with self.work.parts.store.transaction() as conn:
            check_switch(conn)


@dataclass(slots=True)
class _Notebook:
    """Writes down what a trial measures, block by block, and tells how it stands."""

    work: Work
    trial: Trial
    blocks: list[Block] = field(default_factory=list)
    #: The stored trial; 0 before the first block, because only then its design is final.
    trial_id: int = 0

    @property
    def seed(self) -> int:
        """Of the trial's random choices: the same for each attempt, another for each trial."""
        seeds = [self.work.parts.settings.seed, self.work.improvement_id]
        return int(digest_of(seeds)[:8], 16)

    def wanted_log_e(self) -> float:
        """Return the evidence that the policy asks of it, by how much was tried before."""
        alpha = self.trial.design.alpha
        with self.work.parts.store.transaction() as conn:
            return wanted_log_e(conn, self.work.improvement_id, alpha=alpha)

    def record(self, block: Block) -> None:
        """Store one block."""
        self.blocks.append(block)
        with self.work.parts.store.transaction() as conn:
            self.open(conn)
            add_block(conn, self.trial_id, block)
        if block.position == 1 and block.purpose is not Purpose.CONTROL:
            self._tell()

    def open(self, conn: Connection) -> None:
        """Store the trial itself, unless it is."""
        if not self.trial_id:
            self.trial_id = start_trial(
                conn,
                improvement_id=self.work.improvement_id,
                design=self.trial.design,
                seed=self.seed,
            )

    def _tell(self) -> None:
        judgement = recompute(self.blocks, self.trial.design)
        low, high = judgement.interval
        self.work.parts.tell(
            TrialPair(
                self.work.improvement_id,
                judgement.pairs,
                judgement.effect,
                low,
                high,
                judgement.verdict,
            )
        )


def _give_verdict(work: Work, notebook: _Notebook, result: TrialResult, cost_s: float) -> None:
    with work.parts.store.transaction() as conn:
        notebook.open(conn)
    judgement = result.judgement
    is_error = result.verdict is Verdict.ERROR
    effect = None if is_error or not math.isfinite(judgement.effect) else judgement.effect
    evidence: dict[str, Json] = {
        "trial_id": notebook.trial_id,
        "metric": notebook.trial.design.metric,
        "seed": result.seed,
        "ending": result.ending.value,
        "judgement": judgement.to_json(),
        "facts": result.facts,
    }
    changes = Changes(
        verdict=result.verdict,
        evidence=evidence,
        measured_log_ratio=effect,
        error=judgement.reason if is_error else None,
        cost_s=cost_s,
    )
    to = STATE_AFTER[result.verdict]
    move = Move(
        to,
        changes,
        detail={"reason": judgement.reason, "trial_id": notebook.trial_id},
        next_message=work.act() if to is State.PROVEN else None,
    )
    instead = None if is_error else revised(work, judgement, notebook.trial.design)
    told: list[Event] = []

    def finish(conn: Connection) -> None:
        finish_trial(conn, notebook.trial_id, result)
        if instead is not None:
            told.append(take(conn, work, instead))

    after = work.move(move, also=finish)
    work.parts.tell(
        VerdictGiven(work.improvement_id, result.verdict, judgement.reason, effect, after.state),
        *told,
    )


def _give_no_verdict(work: Work, error: str, cost_s: float) -> None:
    """Record that the trial could not be run; a later cycle tries again."""
    changes = Changes(verdict=Verdict.ERROR, error=error, cost_s=cost_s)
    move = Move(State.INCONCLUSIVE, changes, detail={"reason": error})
    after = work.move(move)
    work.parts.tell(VerdictGiven(work.improvement_id, Verdict.ERROR, error, None, after.state))
