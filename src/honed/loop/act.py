"""The third phase: bring one improvement on by one state; the only phase that changes a target."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from honed.approval.decisions import Choice, decisions
from honed.core.verdict import Outcome, State
from honed.errors import (
    ConfigurationError,
    KindFailed,
    MissingPrivilege,
    StepFailed,
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
from honed.loop.events import Applied, Decided, RolledBack
from honed.loop.evidence import Evidence, account, stored_evidence
from honed.loop.messages import Act, Learn
from honed.loop.pacing import classify
from honed.loop.parts import Parts, check_switch
from honed.loop.prove import fix_steps, run_the_trial
from honed.loop.site import Site
from honed.loop.work import Work, patiently
from honed.targets.execute import acting_on
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
def _site(work: Work) -> Iterator[Site]:
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
        yield Site(work, hand)
