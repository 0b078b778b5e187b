"""An undo that locks out gives up after a while, though what it takes back is no transaction."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from honed.config import Settings
from honed.core.step import Step
from honed.errors import StepFailed
from honed.targets.execute import acting

DETACH = Step(
    "detach the first of May",
    do=("ALTER TABLE public.event DETACH PARTITION public.event_1 CONCURRENTLY",),
    undo=("ALTER TABLE public.event ATTACH PARTITION public.event_1 FOR VALUES IN (1)",),
    in_transaction=False,
    undo_in_transaction=True,
)


def test_it_waits_for_its_locks_as_long_as_any_transaction(
    empty_database: Callable[[], str], tmp_path: Path
) -> None:
    url = empty_database()
    settings = Settings(home=tmp_path, lock_timeout_s=0.05, build_timeout_s=5)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE event (day int) PARTITION BY LIST (day)")
        connection.execute("CREATE TABLE event_1 PARTITION OF event FOR VALUES IN (1)")
    with acting(url, holder="test", settings=settings, stop_if_told=lambda: None) as hand:
        hand.run(DETACH)
        with psycopg.connect(url) as writer:
            writer.execute("INSERT INTO event_1 VALUES (1)")
            with pytest.raises(StepFailed, match="lock timeout"):
                hand.run(DETACH.inverse())
        hand.run(DETACH.inverse())
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT FROM event").rowcount == 1


def test_it_is_stored_and_goes_both_ways() -> None:
    assert Step.from_json(DETACH.to_json()) == DETACH
    assert DETACH.inverse().in_transaction
    assert not DETACH.inverse().inverse().in_transaction


def test_a_step_that_says_nothing_of_it_keeps_the_digest_of_its_approval() -> None:
    assert set(Step("drop", do=("DROP TABLE event",)).to_json()) == {
        "description", "runner", "do", "undo", "inspect", "in_transaction",
    }  # fmt: skip
