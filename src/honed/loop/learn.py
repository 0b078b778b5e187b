"""The fourth phase: does a change hold up in production, and when does the next cycle begin?"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from honed.config import Settings
from honed.core.verdict import State, Verdict
from honed.experiments.judgement import Judgement
from honed.improvement.record import Improvement, get, improvements, lock
from honed.improvement.transition import Changes, Move, transition
from honed.jobs.delivery import JobContext
from honed.jobs.queue import defer
from honed.loop.cycle import Options, Phase, enter, get_cycle, schedule, work_left
from honed.loop.events import CycleEnded, Kept, WatchPair
from honed.loop.messages import Learn
from honed.loop.pacing import classify, next_delay_s
from honed.loop.parts import Parts
from honed.loop.watch import (
    MIN_PAIRS,
    PATIENCE,
    Watched,
    disturbances,
    judged,
    look,
    store_pairs,
    stored_pairs,
    window_start,
)
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
            watch(work, message)


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


def watch(work: Work, message: Learn) -> None:
    """Compare what is new in production, then keep the change, take it back, or look again later.

    It is taken back as soon as the judge says WORSE, which includes one unit beyond the guardrail,
    and at the end of the watch if it is not better at all: what brings nothing in production is a
    cost. Otherwise it is kept, with its effect.
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
    pairs = [*stored, *seen.new]
    with parts.store.transaction() as conn:
        work.context.fence.check(conn)
        if lock(conn, work.improvement_id).state is not State.WATCHING:
            return
        store_pairs(conn, work.improvement_id, seen.new)
        judgement = judged(conn, work.improvement_id, pairs, settings)
        ruling = rule(
            judgement,
            len(pairs),
            seen,
            needed=settings.watch_intervals,
            is_late=_is_late(conn, improvement, settings),
        )
        _follow(conn, work, ruling, message)
        work.context.fence.finish(conn)
    _tell(work, seen, judgement, ruling, len(pairs))


def rule(
    judgement: Judgement | None, pairs: int, seen: Watched, *, needed: int, is_late: bool = False
) -> Ruling:
    """Return what becomes of a watched change; a pure function.

    Args:
        judgement: on the pairs; None where there is none.

        pairs: comparisons of production before and after.

        seen: the stretches of production since the change, and those before it.

        needed: pairs until the watch ends; fewer where there are fewer stretches before.

        is_late: whether the watch ends now with what there is.
    """
    is_over = pairs >= min(needed, seen.bases) or seen.stretches >= PATIENCE * needed or is_late
    if judgement is None or pairs < MIN_PAIRS:
        return _rule_on_little(seen, is_over=is_over)
    if judgement.verdict is Verdict.WORSE:
        return Ruling(Course.ROLL_BACK, judgement.reason, judgement.effect)
    if not is_over:
        return Ruling(Course.GO_ON, effect=judgement.effect)
    if judgement.effect > 0:
        reason = f"it brings nothing in production: {judgement.reason}"
        return Ruling(Course.ROLL_BACK, reason, judgement.effect)
    effect = None if seen.is_disturbed else judgement.effect
    return Ruling(Course.KEEP, judgement.reason, effect)


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
        left = work_left(conn, cycle)
        if left is not None:
            if left is not cycle.phase:
                enter(conn, cycle_id, left)
            return
        effects = [
            each.production_log_ratio
            for each in improvements(conn, cycle_id=cycle_id)
            if each.production_log_ratio is not None
        ]
        delay_s = next_delay_s(effects, parts.settings.cycle_interval_s)
        enter(conn, cycle_id, Phase.FINISHED, next_delay_s=delay_s)
        schedule(conn, cycle.target_id, Options.of(parts.settings), delay_s=delay_s)
        context.fence.finish(conn)
    parts.tell(CycleEnded(cycle_id, cycle.target, delay_s))


def _follow(conn: Connection, work: Work, ruling: Ruling, message: Learn) -> None:
    """Send or write what the ruling says, in the caller's transaction."""
    if ruling.course is Course.GO_ON:
        # Not every stretch ends when it is expected; looking twice as often costs little.
        defer(conn, message, delay_s=work.parts.settings.sample_interval_s / 2)
    elif ruling.course is Course.ROLL_BACK:
        act = work.act().model_copy(update={"roll_back": True, "reason": ruling.reason[:1000]})
        defer(conn, act)
    else:
        outcome = None if ruling.effect is None else classify(ruling.effect)
        changes = Changes(outcome=outcome, production_log_ratio=ruling.effect)
        move = Move(State.KEPT, changes, detail={"reason": ruling.reason})
        follow(conn, work.improvement, State.KEPT)
        fence = work.context.fence
        transition(conn, work.parts.signer, work.improvement_id, move, fence=fence)


def _tell(
    work: Work, seen: Watched, judgement: Judgement | None, ruling: Ruling, pairs: int
) -> None:
    if seen.new and judgement is not None:
        low, high = judgement.interval
        newest = seen.new[-1]
        work.parts.tell(
            WatchPair(
                work.improvement_id,
                pairs,
                min(seen.bases, work.parts.settings.watch_intervals),
                newest.before,
                newest.after,
                judgement.effect,
                low,
                high,
            )
        )
    if ruling.course is Course.KEEP:
        outcome = None if ruling.effect is None else classify(ruling.effect)
        work.parts.tell(Kept(work.improvement_id, outcome, ruling.effect))
