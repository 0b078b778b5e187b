"""A message is in its queue exactly when the transaction that sent it was committed."""

from typing import ClassVar, LiteralString

import pytest

from honed.errors import InvalidMessage, LostJob
from honed.jobs.delivery import JobContext
from honed.jobs.fetcher import Only
from honed.jobs.messages import Message
from honed.jobs.queue import Fence, defer
from honed.jobs.worker import Worker
from honed.testing.desk import Desk, Probe, Single


class About(Message):
    """A message about a target."""

    queue: ClassVar[LiteralString] = "analyze"
    task: ClassVar[LiteralString] = "about"

    target_id: int


def test_a_message_is_delivered_after_the_commit(desk: Desk) -> None:
    with desk.daemon.transaction() as conn:
        defer(conn, Probe(number=1))
        desk.work()
        assert desk.seen == []
    desk.work()
    assert desk.seen == [1]
    assert desk.statuses() == ["succeeded"]


def test_a_message_of_a_rolled_back_transaction_never_was(desk: Desk) -> None:
    with desk.daemon.transaction() as conn:
        defer(conn, Probe(number=1))
        conn.rollback()
    desk.work()
    assert desk.seen == []
    assert desk.statuses() == []


def test_a_message_is_checked_when_it_is_sent(desk: Desk) -> None:
    broken = Probe.model_construct(number="many")  # type: ignore[arg-type]  # that is the point
    with (
        pytest.warns(UserWarning, match="Expected `int`"),
        pytest.raises(InvalidMessage, match="number"),
    ):
        desk.send(broken)
    assert desk.statuses() == []


def test_one_message_with_a_queueing_lock_waits_at_a_time(desk: Desk) -> None:
    first, second = desk.send(Single(), Single())
    assert first is not None
    assert second is None
    desk.work()
    assert desk.send(Single()) != [None]


def test_a_delayed_message_waits_for_its_time(desk: Desk) -> None:
    desk.send(Probe(number=1), delay_s=60)
    desk.work()
    assert desk.seen == []
    desk.make_due()
    desk.work()
    assert desk.seen == [1]


def test_a_higher_priority_goes_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.send(Probe(number=1))
    monkeypatch.setattr(Probe, "priority", 5)
    desk.send(Probe(number=2))
    desk.work()
    assert desk.seen == [2, 1]


def test_a_worker_of_one_target_leaves_other_messages_where_they_are(desk: Desk) -> None:
    desk.send(Probe(number=1), *(About(target_id=target_id) for target_id in (7, 77, 7)))
    seen: list[int] = []

    def see(_context: JobContext, message: About) -> None:
        seen.append(message.target_id)

    Worker(desk.daemon, {About: see}, desk.settings, only=Only(target_id=7)).run(until_idle=True)
    assert seen == [7, 7]
    assert desk.statuses() == ["todo", "succeeded", "todo", "succeeded"]


def test_the_fence_lets_only_the_owner_of_the_job_commit(desk: Desk) -> None:
    (job_id,) = desk.send(Probe(number=1))
    assert job_id is not None
    rows = desk.rows(
        """
        WITH worker AS (INSERT INTO honed.procrastinate_workers DEFAULT VALUES RETURNING id)
        UPDATE honed.procrastinate_jobs SET status = 'doing', worker_id = worker.id, attempts = 2
          FROM worker RETURNING worker.id
        """
    )
    worker_id = rows[0]["id"]
    with desk.daemon.transaction() as conn:
        Fence(job_id, worker_id, 2).check(conn)
        for stranger in (
            Fence(job_id, worker_id + 1, 2),
            Fence(job_id, worker_id, 1),
            Fence(job_id + 1, worker_id, 2),
        ):
            with pytest.raises(LostJob):
                stranger.check(conn)
        Fence(job_id, worker_id, 2).finish(conn)
        with pytest.raises(LostJob):
            Fence(job_id, worker_id, 2).check(conn)


def test_two_handlers_of_one_message_are_refused(desk: Desk) -> None:
    class Other(Probe):
        pass

    with pytest.raises(ValueError, match="probe"):
        type(desk.worker())(
            desk.daemon, {Probe: desk.on_probe, Other: desk.on_probe}, desk.settings
        )
