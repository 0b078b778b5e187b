"""The fourth phase: does a change hold up in production, and when does the next cycle begin?"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from honed.config import Settings
from honed.core.verdict import Outcome, State
from honed.experiments.record import load_last_trial
from honed.improvement.record import Improvement, get, improvements, lock
from honed.improvement.transition import Changes, Move, transition
from honed.jobs.delivery import JobContext
from honed.jobs.queue import defer
from honed.loop.aftermath import ask, settle
from honed.loop.cycle import Options, Phase, enter, get_cycle, schedule, work_left
from honed.loop.events import CycleEnded, Kept, WatchPair
from honed.loop.evidence import (
    MIN_PAIRS,
    Evidence,
    account,
    store_pairs,
    stored_evidence,
    stored_pairs,
)
from honed.loop.messages import Learn
from honed.loop.pacing import classify, next_delay_s
from honed.loop.parts import Parts
from honed.loop.watch import PATIENCE, Watched, disturbances, look, window_start
from honed.loop.work import Work, follow, patiently
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")

#: A watch ends after this time, unless the stretches that it may wait for take longer: production
#: that asks nothing has no stretches, and other changes wait for the end of a watch. Time in which
#: honed did not run counts too.
LONGEST_WATCH = timedelta(days=1)


def learn(parts: Parts, context: JobContext, message: Learn) -> None:
    """Look once at a change in production, or end a cycle in which nothing is left to do.

    Raises:
        KindFailed: the kind cannot measure; the change is taken back if it stays so.
        Postponed: the target does not answer, or the kind is not installed here yet.
        LostJob: another worker took the job over.
    """
    if message.improvement_id is None:
        if message.cycle_id:
            end_cycle_if_done(parts, context, message.cycle_id)
        return
    with parts.store.transaction() as conn:
        context.fence.check(conn)
        improvement = get(conn, message.improvement_id)
    if improvement.state is State.WATCHING:
        work = Work(parts, context, improvement)
        work.wait_for_kind()
        with patiently():
            said = ask(work)
            if said is None:
                watch(work, message)
            else:
                settle(work, said, message)


class Course(Enum):
    """What a watch does next."""

    GO_ON = "go on"
    KEEP = "keep"
    ROLL_BACK = "roll back"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of a watched change, and why."""

    course: Course
    reason: str = ""
    #: Natural logarithm of cost after / before in production; None: not known.
    effect: float | None = None
    #: What decided: time, pages, or both; empty: nothing yet, or nothing could.
    decided_by: str = ""


def watch(work: Work, message: Learn) -> None:
    """Compare what is new in production, then keep the change, take it back, or look again later.

    It is taken back as soon as harm is shown, which includes one unit beyond the guardrail, and at
    the end of the watch if it brings nothing, or if it costs something to keep and no gain is
    shown. Otherwise it is kept, with its effect.
    """
    parts, improvement, settings = work.parts, work.improvement, work.parts.settings
    with parts.store.transaction() as conn:
        stored = stored_pairs(conn, work.improvement_id)
        since = window_start(improvement, settings)
        disturbed = disturbances(conn, improvement.target_id, since)
    seen = look(
        work.kind(),
        work.target(),
        improvement,
        stored=stored,
        disturbed=disturbed,
        settings=settings,
    )
    with parts.store.transaction() as conn:
        work.context.fence.check(conn)
        if lock(conn, work.improvement_id).state is not State.WATCHING:
            return
        store_pairs(conn, work.improvement_id, seen.new)
        evidence = stored_evidence(conn, work.improvement_id, settings)
        ruling = rule(
            evidence,
            len(stored) + len(seen.new),
            seen,
            needed=settings.watch_intervals,
            is_late=_is_late(conn, improvement, settings),
            costs_to_keep=work.kind().costs_to_keep,
            improves_by_itself=work.kind().improves_by_itself,
            tolerated=_tolerated(conn, work.improvement_id),
        )
        _follow(conn, work, ruling, evidence, message)
        work.context.fence.finish(conn)
    _tell(work, seen, evidence, ruling)


def rule(  # noqa: PLR0913 - a ruling rests on that many things, all but three by name
    evidence: Evidence | None,
    pairs: int,
    seen: Watched,
    *,
    needed: int,
    is_late: bool = False,
    costs_to_keep: bool = True,
    improves_by_itself: bool = False,
    tolerated: float = 0.0,
) -> Ruling:
    """Return what becomes of a watched change; a pure function.

    Pages come first, because they have hardly any noise, and time where it is shown to differ:
    time is what users wait for. So more pages take a change back only while time is not better,
    and fewer pages keep one unless time is shown to be worse.

    Args:
        evidence: what the pairs say; None where there is nothing.

        pairs: comparisons of production before and after.

        seen: the stretches of production since the change, and those before it.

        needed: pairs until the watch ends; fewer where there are fewer stretches before.

        is_late: whether the watch ends now with what there is.

        costs_to_keep: whether it must show a gain; else only harm takes it back.

        improves_by_itself: whether production would be better without it too, so that no gain is
            its doing.

        tolerated: share by which production may be dearer in the end; above 0 no gain is asked for.
    """
    is_over = pairs >= min(needed, seen.bases) or seen.stretches >= PATIENCE * needed or is_late
    if evidence is None or pairs < MIN_PAIRS:
        return _rule_on_little(seen, is_over=is_over)
    time = evidence.time
    if evidence.harm:
        more = f"calls touch {math.expm1(evidence.pages.effect):+.1%} pages, and are not faster: "
        reason = f"{more * (evidence.harm == 'pages')}{time.reason}"
        return Ruling(Course.ROLL_BACK, reason, time.effect, evidence.harm)
    if not is_over:
        return Ruling(Course.GO_ON, effect=time.effect)
    if improves_by_itself:
        return Ruling(Course.KEEP, "no harm is shown, and what improves by itself shows no gain")
    must_gain = costs_to_keep and not tolerated
    most = math.log1p(tolerated) if costs_to_keep else math.inf
    return _rule_at_the_end(evidence, seen, must_gain=must_gain, most=most)


def _tolerated(conn: Connection, improvement_id: int) -> float:
    trial = load_last_trial(conn, improvement_id)
    return trial.design.tolerated if trial else 0.0


def _rule_at_the_end(evidence: Evidence, seen: Watched, *, must_gain: bool, most: float) -> Ruling:
    """Return what becomes of a change that was shown to do no harm, and costs no more than this."""
    time = evidence.time
    shown = {"pages": evidence.gains_pages, "time": evidence.gains_time}
    decided_by = " and ".join(name for name, is_shown in shown.items() if is_shown)
    if not decided_by and time.effect > most:
        reason = f"it brings nothing in production: {time.reason}"
        return Ruling(Course.ROLL_BACK, reason, time.effect)
    if seen.is_disturbed:
        return Ruling(Course.KEEP, time.reason)
    if not decided_by and must_gain:
        reason = f"no gain is shown in production, and it costs something: {time.reason}"
        return Ruling(Course.ROLL_BACK, reason, time.effect)
    # Where pages alone say that it is better, they are the effect, too.
    is_told_by_pages = decided_by == "pages" and time.effect > 0
    effect = evidence.pages.effect if is_told_by_pages else time.effect
    return Ruling(Course.KEEP, time.reason, effect, decided_by)


def _is_late(conn: Connection, improvement: Improvement, settings: Settings) -> bool:
    """Return whether a watch has lasted too long by the clock, whatever was seen meanwhile."""
    assert improvement.applied_at is not None  # noqa: S101 - it was applied
    expected = timedelta(seconds=settings.sample_interval_s) * settings.watch_intervals
    (row,) = conn.execute(_QUERIES["now"])
    now: datetime = row["now"]
    return now - improvement.applied_at > max(LONGEST_WATCH, PATIENCE * expected)


def _rule_on_little(seen: Watched, *, is_over: bool) -> Ruling:
    if seen.bases < MIN_PAIRS:
        return Ruling(Course.KEEP, seen.no_baseline)
    if is_over:
        return Ruling(Course.KEEP, "production did not exercise it enough to tell")
    return Ruling(Course.GO_ON)


def end_cycle_if_done(parts: Parts, context: JobContext, cycle_id: int) -> None:
    """End a cycle in which nothing is left to do without a person, and set the next one's timer."""
    with parts.store.transaction() as conn:
        context.fence.check(conn)
        cycle = get_cycle(conn, cycle_id, lock=True)
        if cycle.phase not in {Phase.ACTING, Phase.LEARNING}:
            return
        left = work_left(conn, cycle, parts.waiting_for_people)
        if left is not None:
            if left is not cycle.phase:
                enter(conn, cycle_id, left)
            return
        effects = [
            each.production_log_ratio
            for each in improvements(conn, cycle_id=cycle_id)
            # Without an outcome nothing was shown, and a point in the noise is no regression.
            if each.outcome is not None and each.production_log_ratio is not None
        ]
        delay_s = next_delay_s(effects, parts.settings.cycle_interval_s)
        enter(conn, cycle_id, Phase.FINISHED, next_delay_s=delay_s)
        schedule(conn, cycle.target_id, Options.of(parts.settings), delay_s=delay_s)
        context.fence.finish(conn)
    parts.tell(CycleEnded(cycle_id, cycle.target, delay_s))


def _follow(
    conn: Connection, work: Work, ruling: Ruling, evidence: Evidence | None, message: Learn
) -> None:
    """Send or write what the ruling says, in the caller's transaction."""
    if ruling.course is Course.GO_ON:
        # Not every stretch ends when it is expected; looking twice as often costs little.
        defer(conn, message, delay_s=work.parts.settings.sample_interval_s / 2)
    elif ruling.course is Course.ROLL_BACK:
        act = work.act().model_copy(update={"roll_back": True, "reason": ruling.reason[:1000]})
        defer(conn, act)
    else:
        outcome = _outcome(ruling)
        changes = Changes(outcome=outcome, production_log_ratio=ruling.effect)
        detail = {"reason": ruling.reason, **account(evidence, ruling.effect, ruling.decided_by)}
        move = Move(State.KEPT, changes, detail=detail)
        follow(conn, work.improvement, State.KEPT)
        fence = work.context.fence
        transition(conn, work.parts.signer, work.improvement_id, move, fence=fence)


def _tell(work: Work, seen: Watched, evidence: Evidence | None, ruling: Ruling) -> None:
    if seen.new and evidence is not None:
        low, high = evidence.time.interval
        newest = seen.new[-1]
        work.parts.tell(
            WatchPair(
                work.improvement_id,
                newest.ordinal + 1,
                min(seen.bases, work.parts.settings.watch_intervals),
                newest.before,
                newest.after,
                evidence.time.effect,
                low,
                high,
            )
        )
    if ruling.course is Course.KEEP:
        work.parts.tell(Kept(work.improvement_id, _outcome(ruling), ruling.effect))


def _outcome(ruling: Ruling) -> Outcome | None:
    """Return what came of a change that is kept; None: nothing was shown, or it is tolerated."""
    return classify(ruling.effect) if ruling.effect is not None and ruling.effect < 0 else None
