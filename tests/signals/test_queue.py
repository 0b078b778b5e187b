"""What waits is bounded, handed out in batches, and everybody is told once."""

import threading

import pytest

from honed.errors import HonedError, Overloaded, StoreUnavailable
from honed.signals import queue as module
from honed.signals.queue import Queue
from honed.signals.rows import Prepared

MB = 2**20


class Told:
    """Remembers what was told to whom."""

    def __init__(self) -> None:
        self.said: list[HonedError | None] = []

    def __call__(self, error: HonedError | None) -> None:
        self.said.append(error)


def rows(size_bytes: int = 100) -> Prepared:
    return Prepared(b"x" * size_bytes, 1)


def test_what_is_put_is_taken_in_order() -> None:
    queue, told = Queue(MB), Told()
    for size in (1, 2, 3):
        queue.put(rows(size), told)
    batch = queue.take(0.0)
    assert [len(each.prepared.rows) for each in batch] == [1, 2, 3]
    assert (told.said, queue.take(0.0)) == ([], [])
    queue.done(batch)
    assert (told.said, queue.used_bytes) == ([None] * 3, 0)


def test_more_bytes_than_there_is_room_for_are_turned_away() -> None:
    queue, told = Queue(MB), Told()
    while queue.used_bytes < MB:
        queue.put(rows(10_000), told)
    with pytest.raises(Overloaded) as refused:
        queue.put(rows(10_000), told)
    assert refused.value.retry_after_s >= 1
    assert queue.used_bytes < MB + 20_000
    queue.done(queue.take(0.0))
    queue.put(rows(), told)


def test_more_requests_than_there_is_room_for_are_turned_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    queue, told = Queue(MB), Told()
    for _ in range(3):
        queue.put(rows(), told)
    with pytest.raises(Overloaded):
        queue.put(rows(), told)


def test_bodies_that_are_being_read_take_room() -> None:
    queue = Queue(MB)
    queue.reserve(MB - 10)
    with pytest.raises(Overloaded):
        queue.reserve(11)
    queue.reserve(10)
    with pytest.raises(Overloaded):
        queue.check()
    queue.release(MB)
    queue.check()


def test_a_batch_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH_ROWS", 4)
    queue, told = Queue(MB), Told()
    for _ in range(10):
        queue.put(rows(), told)
    assert [len(queue.take(0.0)) for _ in range(3)] == [4, 4, 2]


def test_nobody_is_told_twice() -> None:
    queue, told = Queue(MB), Told()
    queue.put(rows(), told)
    batch = queue.take(0.0)
    queue.done(batch)
    queue.done(batch, StoreUnavailable())
    assert (told.said, queue.used_bytes) == ([None], 0)


def test_trouble_is_told_to_all_who_wait_and_come() -> None:
    queue, told = Queue(MB), Told()
    queue.put(rows(), told)
    queue.close_for("it is away")
    (error,) = told.said
    assert isinstance(error, StoreUnavailable)
    with pytest.raises(StoreUnavailable, match="it is away"):
        queue.put(rows(), told)
    with pytest.raises(StoreUnavailable, match="it is away"):
        queue.check()
    queue.open()
    queue.put(rows(), told)
    assert queue.used_bytes > 0


def test_the_end_lets_what_waits_be_written() -> None:
    queue, told = Queue(MB), Told()
    queue.put(rows(), told)
    queue.end()
    queue.open()
    with pytest.raises(StoreUnavailable, match="about to end"):
        queue.put(rows(), told)
    assert not queue.is_over
    queue.done(queue.take(10.0))
    assert queue.is_over


def test_who_waits_for_something_is_woken() -> None:
    queue, told = Queue(MB), Told()
    found: list[int] = []
    taker = threading.Thread(target=lambda: found.append(len(queue.take(60.0))))
    taker.start()
    queue.put(rows(), told)
    taker.join(10.0)
    assert found == [1]
