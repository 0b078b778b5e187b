"""A dead letter is kept whole: shown, replayed once the cause is gone, or discarded."""

from dataclasses import replace

import pytest

from honed.errors import NotAllowed, UnknownDeadLetter, WrongState
from honed.jobs.deadletters import DeadLetter, dead_letter, dead_letters, discard, replay
from honed.jobs.delivery import JobContext
from honed.testing.desk import Desk, Probe, Single


def bury_one(desk: Desk) -> DeadLetter:
    """Return the dead letter of a message whose handler raised three times."""

    def fail(_context: JobContext, _message: Probe) -> None:
        raise OSError

    desk.on_probe = fail
    desk.send(Probe(number=1))
    for _ in range(3):
        desk.work()
        desk.make_due()
    with desk.daemon.transaction() as conn:
        return dead_letters(conn)[0]


def test_a_replay_works_once_the_cause_is_gone(desk: Desk) -> None:
    letter = bury_one(desk)
    with replace(desk.store, role="honed_operator").transaction() as conn:
        job_id = replay(conn, letter.dead_letter_id)
    desk.on_probe = lambda _context, _message: None
    desk.work()
    assert desk.statuses() == ["failed", "succeeded"]
    with desk.daemon.transaction() as conn:
        kept = dead_letter(conn, letter.dead_letter_id)
        assert (kept.resolution, kept.replay_job_id) == ("replayed", job_id)
        assert dead_letters(conn) == []
        assert dead_letters(conn, resolved=True) == [kept]


def test_a_replay_while_the_cause_is_there_makes_a_new_dead_letter(desk: Desk) -> None:
    letter = bury_one(desk)
    with desk.store.transaction() as conn:
        replay(conn, letter.dead_letter_id)
    for _ in range(3):
        desk.work()
        desk.make_due()
    with desk.daemon.transaction() as conn:
        (again,) = dead_letters(conn)
    assert again.dead_letter_id != letter.dead_letter_id
    assert again.message == letter.message
    assert again.exceptions == 3


def test_a_discarded_letter_is_kept(desk: Desk) -> None:
    letter = bury_one(desk)
    with desk.store.transaction() as conn:
        discard(conn, letter.dead_letter_id)
    with desk.daemon.transaction() as conn:
        kept = dead_letter(conn, letter.dead_letter_id)
        assert kept.resolution == "discarded"
        assert kept.resolved_at is not None
        assert kept.message == letter.message
        assert dead_letters(conn) == []


def test_what_is_decided_is_not_decided_again(desk: Desk) -> None:
    letter = bury_one(desk)
    with desk.store.transaction() as conn:
        discard(conn, letter.dead_letter_id)
    for decide in (replay, discard):
        with pytest.raises(WrongState), desk.store.transaction() as conn:
            decide(conn, letter.dead_letter_id)


def test_an_unknown_letter_is_named(desk: Desk) -> None:
    for ask in (dead_letter, replay, discard):
        with pytest.raises(UnknownDeadLetter, match="4711"), desk.store.transaction() as conn:
            ask(conn, 4711)


def test_a_replay_waits_for_an_equal_message(desk: Desk) -> None:
    def fail(_context: JobContext, _message: Single) -> None:
        raise OSError

    desk.on_single = fail
    desk.send(Single())
    for _ in range(3):
        desk.work()
        desk.make_due()
    desk.send(Single())
    with desk.daemon.transaction() as conn:
        (letter,) = dead_letters(conn)
    with pytest.raises(WrongState, match="waits already"), desk.store.transaction() as conn:
        replay(conn, letter.dead_letter_id)


@pytest.mark.parametrize("role", ["honed_viewer", "honed_daemon"])
def test_only_operators_decide(desk: Desk, role: str) -> None:
    letter = bury_one(desk)
    stranger = replace(desk.store, role=role)
    for decide in (replay, discard):
        with pytest.raises(NotAllowed), stranger.transaction() as conn:
            decide(conn, letter.dead_letter_id)
