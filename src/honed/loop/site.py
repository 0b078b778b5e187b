"""The steps of one improvement on its target: carried out, or taken back, each at most once.

What is about to happen is recorded before it does, and what came of it afterwards. Where a worker
died in between, the target is inspected before anything is done again.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from honed.core.canonical import Json
from honed.core.step import Step, StepState
from honed.core.target import Shape
from honed.errors import EvaluatorFailed, MissingPrivilege, Postponed, StepFailed, TargetError
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
from honed.loop.events import StepEnded, StepStarted
from honed.loop.parts import check_switch
from honed.loop.work import Work
from honed.storage.db import Connection


class Hand(Protocol):
    """The right to change a target, as the act phase alone gets it."""

    def inspect(self, step: Step) -> StepState | None:
        """Return what the target says of a step; None where it may simply be run twice."""

    def run(self, step: Step) -> None:
        """Run ``step.do``; run ``step.inverse()`` to take the step back."""

    def facts(self, step: Step) -> dict[str, Json]:
        """Return what the record shall say of a step that has happened, beside that it has."""


@dataclass(frozen=True, slots=True)
class Site:
    """A target that is being changed for one improvement."""

    work: Work
    hand: Hand

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
