"""Whatever a message or its handler does, the loop goes on and the message is not lost."""

import json
from typing import LiteralString

import pytest

from honed.errors import LostJob, StoreUnavailable
from honed.jobs.deadletters import Cause, DeadLetter, dead_letters
from honed.jobs.delivery import STRANGE_ATTEMPTS, STRANGE_DELAY_S, JobContext
from honed.storage.db import Connection
from honed.testing.desk import Desk, Probe, Single


def letters(desk: Desk) -> list[DeadLetter]:
    with desk.daemon.transaction() as conn:
        return dead_letters(conn)


def always_raise(_context: JobContext, _message: Probe) -> None:
    msg = "no luck"
    raise OSError(msg)


def test_a_message_that_raises_is_tried_again_later_each_time(desk: Desk) -> None:
    desk.on_probe = always_raise
    desk.send(Probe(number=1))
    delays = []
    for _ in range(2):
        desk.work()
        (row,) = desk.rows(
            """
            SELECT status::text, extract(epoch FROM scheduled_at - clock_timestamp()) AS delay_s
              FROM honed.procrastinate_jobs
            """
        )
        assert row["status"] == "todo"
        delays.append(float(row["delay_s"]))
        desk.make_due()
    assert 0 < delays[0] <= 2 < delays[1] <= 8
    assert letters(desk) == []
    desk.work()
    assert desk.seen == [1, 1, 1]
    (letter,) = letters(desk)
    assert (letter.cause, letter.exceptions, letter.crashes) == (Cause.EXCEPTIONS, 3, 0)
    assert letter.error == "OSError: no luck"
    assert json.loads(letter.message) == {"version": 1, "number": 1, "alone": False}
    assert desk.statuses() == ["failed"]


def test_a_handler_learns_which_try_it_is(desk: Desk) -> None:
    tries: list[int] = []

    def second_time(context: JobContext, _message: Probe) -> None:
        tries.append(context.attempt)
        if len(tries) == 1:
            raise StoreUnavailable

    desk.on_probe = second_time
    desk.send(Probe(number=1))
    desk.work()
    desk.make_due()
    desk.work()
    assert tries == [1, 2]
    assert desk.statuses() == ["succeeded"]


MALFORMED: list[LiteralString] = [
    "('analyze', 'probe', '{\"garbage\": true}', NULL)",
    "('analyze', 'probe', '{\"version\": 0, \"number\": 1}', NULL)",
    "('analyze', 'probe', '{\"version\": \"2\", \"number\": 1}', NULL)",
    "('analyze', 'probe', '[]', NULL)",
    "('analyze', 'probe', '\"text\"', NULL)",
    "('analyze', 'probe', 'null', NULL)",
    "('analyze', 'probe', '1e100000', NULL)",
    "('analyze', 'probe', '{}', '-infinity')",
]


@pytest.mark.parametrize("row", MALFORMED)
def test_a_malformed_row_is_a_dead_letter_at_once(desk: Desk, row: LiteralString) -> None:
    insert: LiteralString = (
        "INSERT INTO honed.procrastinate_jobs (queue_name, task_name, args, scheduled_at) VALUES "
    )
    (written,) = desk.rows(insert + row + " RETURNING id, args::text, queue_name, task_name")
    desk.send(Probe(number=7))
    desk.work()
    assert desk.seen == [7]
    (letter,) = letters(desk)
    assert letter.cause is Cause.CONTRACT
    assert letter.error
    assert (letter.job_id, letter.queue, letter.task, letter.message) == (
        written["id"],
        written["queue_name"],
        written["task_name"],
        written["args"],
    )
    assert desk.statuses() == ["failed", "succeeded"]


#: Of a version, or a task, that only a newer honed knows.
STRANGE: list[LiteralString] = [
    "('analyze', 'probe', '{\"version\": 2, \"number\": 1, \"more\": true}')",
    "('analyze', 'no such task', '{\"version\": 1}')",
    "('no such queue', '', '{}')",
]


@pytest.mark.parametrize("row", STRANGE)
def test_a_message_of_a_newer_honed_is_left_to_another_worker_first(
    desk: Desk, row: LiteralString
) -> None:
    insert: LiteralString = (
        "INSERT INTO honed.procrastinate_jobs (queue_name, task_name, args) VALUES "
    )
    desk.rows(insert + row + " RETURNING id")
    for _ in range(STRANGE_ATTEMPTS - 1):
        desk.work()
        assert desk.statuses() == ["todo"]
        (waits,) = desk.rows(
            "SELECT extract(epoch FROM scheduled_at - clock_timestamp())::float AS s"
            "  FROM honed.procrastinate_jobs"
        )
        assert 0 < waits["s"] <= STRANGE_DELAY_S
        desk.make_due()
    assert letters(desk) == []
    desk.work()
    (letter,) = letters(desk)
    assert letter.cause is Cause.CONTRACT
    assert desk.statuses() == ["failed"]


def test_what_waits_for_a_message_learns_of_its_death(desk: Desk) -> None:
    told: list[int] = []

    def tell(conn: Connection, letter: DeadLetter) -> None:
        (row,) = conn.execute("SELECT count(*) AS kept FROM honed.dead_letter")
        assert row["kept"] == 1
        told.append(letter.dead_letter_id)

    desk.on_burial = tell
    desk.rows(
        "INSERT INTO honed.procrastinate_jobs (queue_name, task_name) VALUES ('act', 'probe')"
        " RETURNING id"
    )
    desk.work()
    assert told == [letters(desk)[0].dead_letter_id]


def test_a_message_is_buried_even_if_nobody_can_be_told(desk: Desk) -> None:
    def fail(conn: Connection, _letter: DeadLetter) -> None:
        conn.execute("SELECT 1/0")

    desk.on_burial = fail
    desk.rows(
        "INSERT INTO honed.procrastinate_jobs (queue_name, task_name) VALUES ('act', 'probe')"
        " RETURNING id"
    )
    desk.work()
    assert len(letters(desk)) == 1


def test_a_handler_that_ends_the_process_politely_is_an_exception(desk: Desk) -> None:
    def leave(_context: JobContext, _message: Probe) -> None:
        raise SystemExit(3)

    desk.on_probe = leave
    desk.send(Probe(number=1), Single())
    desk.work()
    assert desk.statuses() == ["todo", "succeeded"]


def test_a_result_can_end_the_job_in_its_own_transaction(desk: Desk) -> None:
    def finish_then_die(context: JobContext, _message: Probe) -> None:
        with desk.daemon.transaction() as conn:
            context.fence.finish(conn)
        msg = "after the commit"
        raise OSError(msg)

    desk.on_probe = finish_then_die
    desk.send(Probe(number=1))
    desk.work()
    assert desk.statuses() == ["succeeded"]


def test_a_message_taken_over_meanwhile_is_left_to_its_new_owner(desk: Desk) -> None:
    def taken_over(context: JobContext, _message: Probe) -> None:
        desk.rows(
            "UPDATE honed.procrastinate_jobs SET attempts = attempts + 1, status = 'todo',"
            " worker_id = NULL, scheduled_at = 'infinity' RETURNING id"
        )
        with pytest.raises(LostJob), desk.daemon.transaction() as conn:
            context.fence.check(conn)

    desk.on_probe = taken_over
    desk.send(Probe(number=1))
    desk.work()
    assert desk.statuses() == ["todo"]
    assert letters(desk) == []


def test_a_retry_does_not_collide_with_a_message_that_waits_in_its_place(desk: Desk) -> None:
    sent: list[int | None] = []

    def send_next_then_fail(_context: JobContext, _message: Single) -> None:
        if not sent:
            sent.extend(desk.send(Single()))
            raise OSError

    desk.on_single = send_next_then_fail
    desk.send(Single())
    desk.work()
    desk.make_due()
    desk.work()
    assert sent != [None]
    assert desk.statuses() == ["succeeded", "succeeded"]
    assert desk.rows("SELECT exceptions, crashes FROM honed.job_trouble") == [
        {"exceptions": 1, "crashes": 0}
    ]


def test_messages_with_one_lock_keep_their_order_through_a_retry(desk: Desk) -> None:
    def fail_once(context: JobContext, message: Probe) -> None:
        if message.number == 1 and context.attempt == 1:
            raise OSError

    desk.on_probe = fail_once
    desk.send(Probe(number=1, alone=True), Probe(number=2, alone=True), Probe(number=3))
    desk.work()
    desk.make_due()
    desk.work()
    assert desk.seen == [1, 3, 1, 2]
