"""The third phase: bring one improvement on by one state; the only phase that changes a target."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from honed.approval.decisions import Choice, decisions
from honed.core.canonical import Json
from honed.core.step import Step, StepState
from honed.core.target import Shape
from honed.core.verdict import Outcome, State
from honed.errors import (
    ConfigurationError,
    EvaluatorFailed,
    KindFailed,
    MissingPrivilege,
    Postponed,
    StepFailed,
    TargetError,
    UnknownPlugin,
)
from honed.improvement.record import get
from honed.improvement.transition import Changes, Move
from honed.jobs.delivery import JobContext
from honed.loop.aftermath import account as account_of
from honed.loop.aftermath import outcome_when_undone, stored_aftermath
from honed.loop.decide import (
    begin,
    settle_decision,
    stale_reason,
    submit_proven,
    wait_for_production,
)
from honed.loop.effects import (
    REACHED,
    Direction,
    Effect,
    End,
    Intent,
    StepOutcome,
    close_effect,
    effects_of,
    open_effect,
)
from honed.loop.events import Applied, Decided, RolledBack, StepEnded, StepStarted
from honed.loop.evidence import Evidence, account, stored_evidence
from honed.loop.messages import Act, Learn
from honed.loop.pacing import classify
from honed.loop.parts import Parts, check_switch
from honed.loop.prove import fix_steps, run_the_trial
from honed.loop.work import Work, patiently
from honed.storage.db import Connection
from honed.targets.execute import AnyHand, acting_on
from honed.targets.registry import Place, get_target

#: Trying again would not help, and nothing is on the target yet.
_HOPELESS = (KindFailed, UnknownPlugin, ConfigurationError)

#: States in which something of an improvement may be on the target.
_ON_TARGET = frozenset({State.APPLYING, State.WATCHING, State.KEPT, State.FAILED})


def act(parts: Parts, context: JobContext, message: Act) -> None:
    """Bring an improvement on by one state, or take what was applied back.

    A message that comes twice, or too late, does nothing: what is to be done is in the row.

    Raises:
        Stopped: honed was told to stop.
        Postponed: the target does not answer; what was begun is inspected when it does again. Or
            production allows no change now, or the kind is not installed here yet.
        StepFailed: a step could not be taken back.
        LostJob: another worker took the job over.
    """
    with parts.store.transaction() as conn:
        context.fence.check(conn)
        improvement = get(conn, message.improvement_id)
        check_switch(conn)
    with patiently():
        _bring_on(Work(parts, context, improvement), message)


def _bring_on(work: Work, message: Act) -> None:
    state = work.improvement.state
    if message.roll_back:
        if state in _ON_TARGET:
            roll_back(work, message.reason)
        return
    if state is State.APPLYING or state in _HANDLERS:
        work.wait_for_kind()
    if state is State.APPLYING:
        apply(work)
    elif state in _HANDLERS:
        try:
            _HANDLERS[state](work)
        except _HOPELESS as error:
            work.fail(str(error))


def apply(work: Work) -> None:
    """Carry out each step that is not done yet; if one fails, take back those that are done.

    Before the first step the approval is asked once more, while nobody else can change the target
    through honed: if it counts no longer, the target is not touched. So is production, which may
    have become busy since the change was begun.

    Raises:
        Postponed: production allows no change now.
    """
    started = time.monotonic()
    with _site(work) as site:
        if site.is_untouched() and (reason := stale_reason(work)):
            _expire(work, reason)
            return
        if site.is_untouched():
            wait_for_production(work)
        try:
            site.do_all()
        except (StepFailed, MissingPrivilege) as error:
            site.take_back()
            _give_up(work, str(error), time.monotonic() - started)
            return
    changes = Changes(cost_s=time.monotonic() - started)
    watch = Learn(
        target_id=work.improvement.target_id,
        cycle_id=work.improvement.cycle_id,
        improvement_id=work.improvement_id,
    )
    move = Move(
        State.WATCHING,
        changes,
        next_message=watch,
        delay_s=work.parts.settings.sample_interval_s,
    )
    work.move(move)
    work.parts.tell(Applied(work.improvement_id, waits_for_people=work.is_for_people))


def roll_back(work: Work, reason: str) -> None:
    """Take back what was applied, for a person or because of what production says."""
    started = time.monotonic()
    with _site(work) as site:
        if work.improvement.state is State.FAILED and site.is_untouched():
            return
        site.take_back()
    with work.parts.store.transaction() as conn:
        is_asked_for = any(
            each.decision is Choice.ROLL_BACK for each in decisions(conn, work.improvement_id)
        )
        evidence = stored_evidence(conn, work.improvement_id, work.parts.settings)
        aftermath = stored_aftermath(conn, work.improvement_id)
    effect = _effect(work, evidence)
    outcome = _outcome(work, evidence, effect, is_asked_for=is_asked_for)
    if aftermath is not None:
        outcome = outcome_when_undone(aftermath)
    changes = Changes(
        outcome=outcome, production_log_ratio=effect, cost_s=time.monotonic() - started
    )
    # A person's words stay in the decision's row: the ledger never forgets.
    said = "a person asked for it" if is_asked_for else reason
    detail = {
        "reason": said,
        **account(evidence, effect, evidence.harm if evidence else ""),
        **account_of(aftermath),
    }
    work.move(Move(State.ROLLED_BACK, changes, detail=detail))
    work.parts.tell(RolledBack(work.improvement_id, reason or said, outcome))


def _effect(work: Work, evidence: Evidence | None) -> float | None:
    """Return what production says of a change that is taken back; None: nothing that counts."""
    if evidence is None:
        return None
    kind = work.parts.kinds.get(work.improvement.kind)
    if kind is not None and kind.improves_by_itself and not evidence.harm:
        return None
    return evidence.time.effect


def _outcome(
    work: Work, evidence: Evidence | None, effect: float | None, *, is_asked_for: bool
) -> Outcome | None:
    """Return what came of a change that is taken back; None: nothing was shown.

    It has regressed only where harm is shown, whoever takes it back: cost that looks higher by
    less than its noise is no harm, and neither is a kind that cannot measure.
    """
    if evidence is not None and evidence.harm:
        return Outcome.REGRESSED
    if is_asked_for:
        return classify(effect) if effect is not None and effect < 0 else None
    return None if work.improvement.applied_at is not None else Outcome.FAILED


_HANDLERS: Mapping[State, Callable[[Work], None]] = {
    State.PROPOSED: fix_steps,
    State.ON_TRIAL: run_the_trial,
    State.PROVEN: submit_proven,
    State.AWAITING_APPROVAL: settle_decision,
    State.APPROVED: begin,
}


def _give_up(work: Work, error: str, cost_s: float) -> None:
    changes = Changes(outcome=Outcome.FAILED, error=error, cost_s=cost_s)
    work.move(Move(State.ROLLED_BACK, changes, detail={"reason": error}))
    work.parts.tell(RolledBack(work.improvement_id, error, Outcome.FAILED))


def _expire(work: Work, reason: str) -> None:
    after = work.move(Move(State.EXPIRED, detail={"reason": reason}))
    work.parts.tell(Decided(work.improvement_id, after.state, after.digest, reason))


@contextmanager
def _site(work: Work) -> Iterator["_Site"]:
    """Hand out the target with the right to change it.

    Raises:
        TargetUnavailable: the target does not answer, or somebody else is changing it.
    """
    parts, target_id = work.parts, work.improvement.target_id
    with acting_on(
        Place(get_target(parts.store, target_id), parts.store, work.improvement_id, parts.signer),
        parts.acting_url(target_id),
        holder=parts.holder,
        settings=parts.settings,
        stop_if_told=work.context.stop_if_told,
    ) as hand:
        yield _Site(work, hand)


@dataclass(frozen=True, slots=True)
class _Site:
    """A target that is being changed for one improvement."""

    work: Work
    hand: AnyHand

    def is_untouched(self) -> bool:
        """Return whether no step was begun yet, not even one whose worker died."""
        return not self._effects()

    def do_all(self) -> None:
        """Carry out each step that is not done yet.

        Raises:
            StepFailed: one fails, or has failed; what it left behind is gone, the others remain.
        """
        for effect in self._effects():
            if effect.outcome is StepOutcome.FAILED:
                raise StepFailed(effect.error)
            if effect.direction is Direction.UNDO:
                msg = "it was being taken back"
                raise StepFailed(msg)
        for ordinal, step in enumerate(self.work.improvement.steps):
            self._carry_out(Intent(Direction.DO, ordinal, step), _Aim(step, StepState.DONE))

    def take_back(self) -> None:
        """Undo what honed did, the way the kind says, last first.

        Raises:
            StepFailed: something could not be undone; asked again, it goes on from there.
        """
        self._settle_open_step()
        steps = self.work.improvement.steps
        last = self._last(Direction.DO)
        done = [step for i, step in enumerate(steps) if i in last and last[i].is_to_take_back]
        for ordinal, undo in enumerate(self.work.parts.undo(self.work.improvement.kind, done)):
            undone = [_Aim(step, StepState.ABSENT) for step in done if step.inverse() == undo]
            self._carry_out(
                Intent(Direction.UNDO, ordinal, undo),
                undone[0] if undone else _Aim(undo, StepState.DONE),
            )

    def _carry_out(self, intent: Intent, aim: "_Aim") -> None:
        effect = self._last(intent.direction).get(intent.ordinal)
        if effect is not None and effect.outcome in REACHED:
            return
        self.work.context.stop_if_told()
        found = self.hand.inspect(aim.step)
        is_reached = found is aim.state or not intent.step.do
        if effect is not None and effect.outcome is None:
            if is_reached:
                self._close(effect, StepOutcome.FOUND_DONE, facts=self.hand.facts(effect.step))
                return
        elif is_reached:
            self._leave_as_it_is(intent)
            return
        else:
            effect = self._open(intent)
        self._run(effect, aim, found)

    def _run(self, effect: Effect, aim: "_Aim", found: StepState | None) -> None:
        before = self._shape()
        with self.work.parts.store.transaction() as conn:
            check_switch(conn)
        self.work.parts.tell(
            StepStarted(
                self.work.improvement_id,
                effect.direction.value,
                effect.ordinal,
                effect.step.description,
            )
        )
        started = time.monotonic()
        try:
            if effect.direction is Direction.DO and found is StepState.PARTIAL:
                self.hand.run(effect.step.inverse())
            self.hand.run(effect.step)
            self._expect(aim)
        except (StepFailed, MissingPrivilege) as error:
            duration_s = time.monotonic() - started
            if effect.direction is Direction.DO:
                self._clear_up(effect, StepOutcome.FAILED, str(error), duration_s)
            else:
                self._close(effect, StepOutcome.FAILED, str(error), duration_s)
            raise
        duration_s = time.monotonic() - started
        facts = {**self._fingerprints(effect.step, before), **self.hand.facts(effect.step)}
        self._close(effect, StepOutcome.DONE, "", duration_s, facts)

    def _shape(self) -> Shape | None:
        """Return what the target is like; None where it cannot be told: that holds up no step."""
        with suppress(Postponed, TargetError, EvaluatorFailed):
            return self.work.shape()
        return None

    def _fingerprints(self, step: Step, before: Shape | None) -> dict[str, Json]:
        """Return the target's fingerprints around a step; none where it was not alone.

        They let what was approved before the step be carried out after it: the step is honed's own
        doing, but what somebody else changed while it ran, perhaps for an hour, is not.
        """
        after = self._shape()
        if before is None or after is None or not after.is_due_to(step, before):
            return {}
        return {"fingerprint_before": before.fingerprint, "fingerprint_after": after.fingerprint}

    def _expect(self, aim: "_Aim") -> None:
        found = self.hand.inspect(aim.step)
        if found not in {None, aim.state}:
            msg = f"{aim.step.description}: afterwards the target says {found}, not {aim.state}"
            raise StepFailed(msg)

    def _clear_up(
        self, effect: Effect, outcome: StepOutcome, error: str, duration_s: float = 0.0
    ) -> None:
        """Take away what a step that did not come to its end has left behind; record its outcome.

        What cannot be taken away is recorded too: an effect that stays open would say that the
        target is being changed, for ever. ``take_back`` tries it again, as a step of its own.

        Raises:
            StepFailed: it could not be taken away.
        """
        try:
            self._clear_away(effect.step)
        except (StepFailed, MissingPrivilege) as trouble:
            error = f"{error}; what it left behind cannot be taken away: {trouble}"
            self._close(effect, StepOutcome.FAILED, error, duration_s, {"left_behind": True})
            raise StepFailed(error) from trouble
        self._close(effect, outcome, error, duration_s)

    def _clear_away(self, step: Step) -> None:
        found = self.hand.inspect(step)
        is_gone = step.in_transaction if found is None else found is StepState.ABSENT
        if not is_gone:
            self.hand.run(step.inverse())
            self._expect(_Aim(step, StepState.ABSENT))

    def _settle_open_step(self) -> None:
        """Find out what became of a step whose worker died, without doing it again."""
        for effect in self._last(Direction.DO).values():
            if effect.outcome is not None:
                continue
            found = self.hand.inspect(effect.step)
            if found is StepState.PARTIAL:
                with suppress(StepFailed):
                    self._clear_up(effect, StepOutcome.CLEANED_UP, "its worker died over it")
            elif found is StepState.ABSENT:
                self._close(effect, StepOutcome.NOT_NEEDED)
            else:
                self._close(effect, StepOutcome.FOUND_DONE, facts=self.hand.facts(effect.step))

    def _effects(self) -> list[Effect]:
        with self.work.parts.store.transaction() as conn:
            return effects_of(conn, self.work.improvement_id)

    def _last(self, direction: Direction) -> dict[int, Effect]:
        """Return the newest effect of each step that goes this way, by the step's position."""
        return {each.ordinal: each for each in self._effects() if each.direction is direction}

    def _leave_as_it_is(self, intent: Intent) -> None:
        """Record that a step is not needed.

        Intent and outcome are committed together: after an intent alone, the next worker would
        take what was there already for honed's own doing, and for honed's to take back.
        """
        with self.work.parts.store.transaction() as conn:
            effect = self._open_in(conn, intent)
            self._close_in(conn, effect, End(StepOutcome.NOT_NEEDED))
        self._tell_end(effect, StepOutcome.NOT_NEEDED)

    def _open(self, intent: Intent) -> Effect:
        with self.work.parts.store.transaction() as conn:
            return self._open_in(conn, intent)

    def _open_in(self, conn: Connection, intent: Intent) -> Effect:
        work = self.work
        return open_effect(
            conn, work.parts.signer, work.improvement, intent, fence=work.context.fence
        )

    def _close(
        self,
        effect: Effect,
        outcome: StepOutcome,
        error: str = "",
        duration_s: float = 0.0,
        facts: Mapping[str, Json] | None = None,
    ) -> None:
        end = End(outcome, error, duration_s, facts or {})
        with self.work.parts.store.transaction() as conn:
            self._close_in(conn, effect, end)
        self._tell_end(effect, outcome, duration_s)

    def _close_in(self, conn: Connection, effect: Effect, end: End) -> None:
        work = self.work
        close_effect(
            conn, work.parts.signer, work.improvement, effect, end, fence=work.context.fence
        )

    def _tell_end(self, effect: Effect, outcome: StepOutcome, duration_s: float = 0.0) -> None:
        self.work.parts.tell(
            StepEnded(
                self.work.improvement_id,
                effect.direction.value,
                effect.ordinal,
                effect.step.description,
                outcome.value,
                duration_s,
            )
        )


@dataclass(frozen=True, slots=True)
class _Aim:
    """What an inspection shall say once a step is carried out."""

    #: The step whose ``inspect`` is asked.
    step: Step
    state: StepState
