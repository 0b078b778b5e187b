"""The second phase: kinds say what could be better; what is new becomes an improvement."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from honed.approval.decisions import renew
from honed.approval.digest import Content
from honed.core.canonical import canonical_json
from honed.core.finding import Finding
from honed.core.hypothesis import Hypothesis
from honed.core.risk import MAX_ATTEMPTED_RISK
from honed.core.target import Target
from honed.core.verdict import RESTING, Outcome, State
from honed.improvement.record import Improvement, Proposal, improvements, json_text, latest
from honed.improvement.transition import Changes, Move, propose, transition
from honed.jobs.delivery import JobContext
from honed.jobs.queue import Fence, defer
from honed.ledger.keys import Signer
from honed.ledger.statement import MAX_ENVELOPE_BYTES
from honed.loop.boundary import KIND_TROUBLE, asking
from honed.loop.cycle import Cycle, Phase, enter, get_cycle, may_change
from honed.loop.decide import as_tried
from honed.loop.events import Decided, Event, Failed, LeftOut, PluginFailed, Proposed
from honed.loop.messages import Act, Hypothesize, Learn
from honed.loop.parts import AnyKind, Parts, check_switch
from honed.loop.two_servers.adopt import Standing, make_way, record_adoption, standing
from honed.loop.undo import on_target
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")

#: Said for good, as long as nothing changes.
_SETTLED = frozenset({State.REFUTED, State.ROLLED_BACK})

#: Longest claim, in bytes of canonical JSON: the ledger's entry names the claim's words twice, and
#: an envelope is a third longer than what is in it.
MAX_CLAIM_BYTES = MAX_ENVELOPE_BYTES // 3

#: After this time a refuted claim may be tried again although nothing about the target's schema
#: changed: its data and its load have. A person's no counts so long whatever changed.
FORGET_AFTER = timedelta(days=7)
#: A claim whose steps failed is tried again after this time, then after twice as long, and so on.
RETRY_AFTER = timedelta(hours=1)


@dataclass(slots=True)
class _Claims:
    """What the kinds say in one cycle."""

    made: list[tuple[AnyKind, Hypothesis]] = field(default_factory=list)
    #: What went wrong, by kind.
    failures: dict[str, str] = field(default_factory=dict)


def hypothesize(parts: Parts, context: JobContext, message: Hypothesize) -> None:
    """Ask every kind that fits, propose what is new, and send each improvement on to ``act``.

    Raises:
        Stopped: honed was told to stop.
        TargetUnavailable: the target does not answer.
        LostJob: another worker took the job over.
    """
    with parts.store.transaction() as conn:
        cycle = get_cycle(conn, message.cycle_id)
        if cycle.phase not in {Phase.HYPOTHESIZING, Phase.FAILED}:
            return
        check_switch(conn)
        findings = _findings(conn, cycle)
    target = parts.target(message.target_id)
    fingerprint = target.fingerprint()
    if not cycle.options.dry_run:
        _renew_waiting(parts, context, cycle, target, fingerprint)
    claims = _Claims()
    target = target.within(cycle.options.limits)
    for kind in _fitting(parts, cycle, target, findings):
        context.stop_if_told()
        _ask(kind, [each for each in findings if each.type in kind.wants], target, claims)
    parts.tell(*(PluginFailed(cycle.cycle_id, *failure) for failure in claims.failures.items()))
    parts.tell(*_propose(parts, context, cycle, claims, fingerprint))


def _fitting(
    parts: Parts, cycle: Cycle, target: Target, findings: Sequence[Finding]
) -> Iterator[AnyKind]:
    types = {finding.type for finding in findings}
    area = cycle.options.target_area
    for kind in parts.kinds.values():
        if kind.sort == target.sort and area in {"", kind.area} and types & kind.wants:
            yield kind


def _ask(kind: AnyKind, findings: Sequence[Finding], target: Any, claims: _Claims) -> None:  # noqa: ANN401 - the sort of target that the kind improves
    try:
        with asking(kind.name):
            known = {finding.finding_id for finding in findings}
            made = [check_claim(kind, claim, known) for claim in kind.propose(findings, target)]
            claims.made += [(kind, claim) for claim in made]
    except KIND_TROUBLE as error:
        claims.failures[kind.name] = str(error)


def check_claim(kind: AnyKind, claim: Hypothesis, finding_ids: Collection[int]) -> Hypothesis:
    """Return ``claim`` if it can be stored and signed as it is.

    Args:
        kind: who makes it.

        claim: what is claimed.

        finding_ids: those that the kind was given.

    Raises:
        ValueError: it is another kind's, answers a finding that the kind was not given, is longer
            than ``MAX_CLAIM_BYTES``, or holds what JSON or the store has no place for: a number
            that is not finite, the character of code 0, half a surrogate pair.
        TypeError: it holds what is no JSON at all.
    """
    if claim.kind != kind.name:
        msg = f"the claim {claim.subject!r} is of the kind {claim.kind}"
        raise ValueError(msg)
    unknown = set(claim.finding_ids) - set(finding_ids)
    if unknown:
        msg = f"the claim {claim.subject!r} answers the findings {sorted(unknown)}, unknown here"
        raise ValueError(msg)
    text = json_text(claim.to_json())
    if "\\u0000" in text:
        msg = f"the claim {claim.subject!r} holds the character of code 0"
        raise ValueError(msg)
    size = len(canonical_json(claim.to_json()))
    if size > MAX_CLAIM_BYTES:
        msg = f"the claim {claim.subject[:80]!r} takes {size} bytes, more than {MAX_CLAIM_BYTES}"
        raise ValueError(msg)
    return claim


def _propose(
    parts: Parts, context: JobContext, cycle: Cycle, claims: _Claims, fingerprint: str
) -> list[Event]:
    """Store what is new, with the messages that follow from it; return what to tell."""
    errors = [f"{name}: {error}" for name, error in claims.failures.items()]
    with parts.store.transaction() as conn:
        context.fence.check(conn)
        now = get_cycle(conn, cycle.cycle_id, lock=True)
        if now.phase not in {Phase.HYPOTHESIZING, Phase.FAILED}:
            return []
        enter(conn, cycle.cycle_id, Phase.ACTING, error="; ".join(errors))
        if not cycle.options.dry_run:
            _adopt(conn, cycle)
        desk = Desk(conn, parts.signer, context.fence, cycle, fingerprint)
        weighed = [(kind, desk.weigh(kind, claim)) for kind, claim in claims.made]
        told = [desk.admit(kind, stands) for kind, stands in _best_first(weighed)]
        # It ends the cycle where nothing was proposed; where something was, it does nothing.
        defer(conn, Learn(target_id=cycle.target_id, cycle_id=cycle.cycle_id))
        context.fence.finish(conn)
    return told


def _best_first(weighed: Sequence[tuple[AnyKind, Standing]]) -> list[tuple[AnyKind, Standing]]:
    """Return the claims in the order in which they are tried: by priority, then by prediction.

    The choice is deterministic, so each has propensity 1.
    """

    def urgency(each: tuple[AnyKind, Standing]) -> tuple[int, float]:
        claim = each[1].claim
        return (-claim.priority, claim.predicted_log_ratio)

    return sorted(weighed, key=urgency)


@dataclass(frozen=True, slots=True)
class Desk:
    """Takes claims in, inside one transaction."""

    conn: Connection
    signer: Signer
    fence: Fence
    cycle: Cycle
    fingerprint: str

    def take(self, kind: AnyKind, said: Hypothesis) -> Event:
        """Make the claim an improvement if it is new; return what to tell."""
        return self.admit(kind, self.weigh(kind, said))

    def weigh(self, kind: AnyKind, said: Hypothesis) -> Standing:
        """Return the claim with what its kind and the other server's experience make of it."""
        # No claim is safer than its kind: this risk is what the policy and a person are shown.
        claim = replace(said, risk=max(said.risk, kind.risk.level))
        return standing(self.conn, self.cycle.target_id, claim)

    def admit(self, kind: AnyKind, stands: Standing) -> Event:
        """Make a claim that was weighed an improvement if it is new; return what to tell."""
        cycle_id, claim = self.cycle.cycle_id, stands.claim
        reason = stands.left_out or self._known_as(stands, is_once=kind.is_once)
        if reason:
            return LeftOut(cycle_id, claim, reason)
        proposal = self._proposal(kind, stands)
        improvement = propose(self.conn, self.signer, proposal, fence=self.fence)
        if improvement is None:
            return LeftOut(cycle_id, claim, "it is open already")
        if stands.rests_on is not None:
            record_adoption(self.conn, improvement.improvement_id, stands.rests_on)
        if claim.risk > MAX_ATTEMPTED_RISK:
            return self._never(improvement)
        improvement_id = improvement.improvement_id
        defer(self.conn, Act(target_id=self.cycle.target_id, improvement_id=improvement_id))
        return Proposed(improvement_id, cycle_id, claim)

    def _known_as(self, stands: Standing, *, is_once: bool) -> str:
        """Return why the claim is not proposed again; empty: it is new."""
        claim = stands.claim
        last = latest(
            self.conn, target_id=self.cycle.target_id, kind=claim.kind, subject=claim.subject
        )
        if last is None:
            return ""
        # What was said of the last one was said without what people have told since.
        knows_more = claim.told not in ("", last.hypothesis.told)
        if (knows_more or stands.rests_on is not None) and self._makes_way(last):
            return ""
        once = f"improvement {last.improvement_id} did it, which is done once only"
        was_done = is_once and last.applied_at is not None
        settled = "" if knows_more else self._settled_as(last)
        return self._open_as(last, claim) or (once if was_done else settled)

    def _makes_way(self, last: Improvement) -> bool:
        """Let the same claim go that waits for a person without what is known now."""
        # What a dry run proves again would wait for nobody.
        if last.state is not State.AWAITING_APPROVAL or self.cycle.options.dry_run:
            return False
        return make_way(self.conn, self.signer, last, fence=self.fence)

    def _open_as(self, last: Improvement, claim: Hypothesis) -> str:
        name = f"improvement {last.improvement_id}"
        if last.state not in RESTING or last.state is State.AWAITING_APPROVAL:
            return f"{name} makes it already and is {last.state.value}"
        if last.risk > MAX_ATTEMPTED_RISK and claim.risk > MAX_ATTEMPTED_RISK:
            return f"{name} records it already, and it is too risky to attempt"
        return ""

    def _settled_as(self, last: Improvement) -> str:
        name = f"improvement {last.improvement_id}"
        if self._is_old(last):
            return ""
        if last.state is State.REJECTED:
            return f"{name} was rejected, which counts for {FORGET_AFTER.days} days"
        if last.target_fingerprint != self.fingerprint:
            return ""
        if self._has_failed(last):
            return self._paused_as(last)
        if last.state is State.DRY_RUN:
            known = f"{name} has proven it already, and nothing may be changed now"
            return "" if may_change(self.conn, self.cycle) else known
        # What is left of a failure is in the way.
        is_stuck = last.state is State.FAILED and last.applying_at is not None
        unchanged = f"{name} was {last.state.value}, and the target has not changed since"
        return unchanged if last.state in _SETTLED or is_stuck else ""

    def _has_failed(self, last: Improvement) -> bool:
        """Return whether it was begun and never came to be, with nothing left of it."""
        if last.applying_at is None or last.applied_at is not None:
            return False
        if last.state is State.ROLLED_BACK:
            # A person who took it back half-way said no to it.
            return last.outcome is Outcome.FAILED
        left = {each.improvement_id for each in on_target(self.conn, self.cycle.target_id)}
        return last.state is State.FAILED and last.improvement_id not in left

    def _paused_as(self, last: Improvement) -> str:
        """Return until when a claim rests whose steps failed; empty: it may be tried again.

        A lock that was taken for a moment must not silence a claim that cannot wait.
        """
        tries = [
            each
            for each in improvements(
                self.conn, target_id=last.target_id, states=[State.ROLLED_BACK, State.FAILED]
            )
            if (each.kind, each.subject) == (last.kind, last.subject)
            and each.applied_at is None
            and not self._is_old(each)
        ]
        pause = RETRY_AFTER * 2 ** (len(tries) - 1)
        (row,) = self.conn.execute(_QUERIES["now"])
        if last.completed_at is None or row["now"] - last.completed_at > pause:
            return ""
        return f"improvement {last.improvement_id} failed, and is tried again {pause} later"

    def _is_old(self, last: Improvement) -> bool:
        (row,) = self.conn.execute(_QUERIES["now"])
        return last.completed_at is not None and row["now"] - last.completed_at > FORGET_AFTER

    def _proposal(self, kind: AnyKind, stands: Standing) -> Proposal:
        return Proposal(
            cycle_id=self.cycle.cycle_id,
            target_id=self.cycle.target_id,
            hypothesis=stands.claim,
            danger=kind.risk.danger,
            area=kind.area,
            propensity=1.0,
            target_fingerprint=self.fingerprint,
            detail=stands.detail,
            parents=stands.parents,
        )

    def _never(self, improvement: Improvement) -> Event:
        error = f"its risk is above {MAX_ATTEMPTED_RISK}: it is recorded, and never attempted"
        move = Move(State.FAILED, Changes(error=error))
        transition(self.conn, self.signer, improvement.improvement_id, move, fence=self.fence)
        return Failed(improvement.improvement_id, self.cycle.cycle_id, error)


def _findings(conn: Connection, cycle: Cycle) -> list[Finding]:
    rows = conn.execute(_QUERIES["list_cycle_findings"], {"cycle_id": cycle.cycle_id})
    return [Finding(**row) for row in rows]


def _adopt(conn: Connection, cycle: Cycle) -> None:
    """Let this cycle carry out what was approved in earlier ones and went beyond their limit."""
    whose = {"target_id": cycle.target_id, "cycle_id": cycle.cycle_id}
    for row in conn.execute(_QUERIES["adopt_approved"], whose).fetchall():
        message = Act(target_id=cycle.target_id, improvement_id=row["improvement_id"])
        defer(conn, message)


def _renew_waiting(
    parts: Parts, context: JobContext, cycle: Cycle, target: Target, fingerprint: str
) -> None:
    """Keep what waits for a person true to the target as it is now, but for honed's own changes.

    Where a kind cannot say how its steps are taken back, its improvement waits as it is.
    """
    with parts.store.transaction() as conn:
        waiting = improvements(
            conn, target_id=target.target_id, states=[State.AWAITING_APPROVAL], limit=1000
        )
    for each in waiting:
        try:
            undo = parts.undo(each.kind, each.steps)
        except KIND_TROUBLE as error:
            parts.tell(PluginFailed(cycle.cycle_id, each.kind, str(error)))
            continue
        with parts.store.transaction() as conn:
            content = Content(undo, as_tried(conn, each, fingerprint))
            renewed = renew(
                conn, parts.signer, each.improvement_id, content=content, fence=context.fence
            )
        if renewed.state is State.EXPIRED:
            reason = "the target has changed since the trial"
            parts.tell(Decided(each.improvement_id, renewed.state, renewed.digest, reason))
