"""Steps are run whole, alone, within their limits, and the target is asked what became of them."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from honed.config import Settings
from honed.core.step import Step, StepState
from honed.errors import MissingPrivilege, StepFailed, Stopped, TargetUnavailable
from honed.targets.execute import LOCK_KEY, Hand, acting
from honed.targets.postgres.archives.runner import ARCHIVE, act

HOLDER = "honed act test"

INDEX = Step(
    description="index the owner",
    do=("CREATE INDEX CONCURRENTLY IF NOT EXISTS pet_owner ON public.pet (owner)",),
    undo=("DROP INDEX CONCURRENTLY IF EXISTS public.pet_owner",),
    inspect="""
        SELECT CASE WHEN count(*) = 0 THEN 'absent'
                    WHEN bool_and(indisvalid) THEN 'done' ELSE 'partial' END
          FROM pg_index WHERE indexrelid = to_regclass('public.pet_owner')
    """,
    in_transaction=False,
)


def never() -> None:
    """Stop nothing."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, lock_timeout_s=0.05, build_timeout_s=5)


@pytest.fixture
def url(empty_database: Callable[[], str]) -> str:
    url = empty_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE pet (pet_id int PRIMARY KEY, owner int)")
        connection.execute("INSERT INTO pet SELECT i, i % 10 FROM generate_series(1, 100) i")
    return url


def ask(url: str, query: str) -> Any:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row and row[0]


def run(url: str, settings: Settings, *steps: Step) -> Hand:
    with acting(url, holder=HOLDER, settings=settings, stop_if_told=never) as hand:
        for step in steps:
            hand.run(step)
    return hand


def test_inspection_tells_absent_done_and_absent_again(url: str, settings: Settings) -> None:
    with acting(url, holder=HOLDER, settings=settings, stop_if_told=never) as hand:
        assert hand.inspect(INDEX) is StepState.ABSENT
        hand.run(INDEX)
        assert hand.inspect(INDEX) is StepState.DONE
        hand.run(INDEX.inverse())
        assert hand.inspect(INDEX) is StepState.ABSENT
        assert hand.inspect(replace(INDEX, inspect="")) is None


def test_build_that_fails_is_seen_as_partial_and_can_be_taken_back(
    url: str, settings: Settings
) -> None:
    unique = replace(
        INDEX, do=("CREATE UNIQUE INDEX CONCURRENTLY pet_owner ON public.pet (owner)",)
    )
    with acting(url, holder=HOLDER, settings=settings, stop_if_told=never) as hand:
        with pytest.raises(StepFailed, match=r"index the owner: .*unique"):
            hand.run(unique)
        assert hand.inspect(unique) is StepState.PARTIAL
        hand.run(unique.inverse())
        assert hand.inspect(unique) is StepState.ABSENT


def test_step_in_a_transaction_happens_whole_or_not_at_all(url: str, settings: Settings) -> None:
    halves = Step("two", do=("CREATE TABLE one ()", "CREATE TABLE pet ()"))
    with pytest.raises(StepFailed, match="two: relation"):
        run(url, settings, halves)
    assert ask(url, "SELECT to_regclass('one') IS NULL")


def test_step_waits_briefly_for_a_lock_and_tries_again(url: str, settings: Settings) -> None:
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE pet")
        tries = []

        def let_go() -> None:
            tries.append(1)
            other.rollback()

        with acting(url, holder=HOLDER, settings=settings, stop_if_told=let_go) as hand:
            hand.run(Step("drop", do=("ALTER TABLE public.pet ADD COLUMN name text",)))
    assert tries == [1]


def test_step_gives_up_when_a_lock_is_never_free(url: str, settings: Settings) -> None:
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE pet")
        with pytest.raises(StepFailed, match="lock timeout"):
            run(url, settings, Step("drop", do=("DROP TABLE public.pet",)))
    assert ask(url, "SELECT to_regclass('pet') IS NOT NULL")


def test_statement_over_the_build_timeout_fails(url: str, settings: Settings) -> None:
    brief = settings.model_copy(update={"build_timeout_s": 0.1})
    with pytest.raises(StepFailed, match="statement timeout"):
        run(url, brief, Step("sleep", do=("SELECT pg_sleep(60)",)))


def test_one_writer_at_a_time(url: str, settings: Settings) -> None:
    brief = settings.model_copy(update={"build_timeout_s": 0.1})
    with (
        acting(url, holder="another honed", settings=settings, stop_if_told=never),
        pytest.raises(TargetUnavailable, match="another honed"),
        acting(url, holder=HOLDER, settings=brief, stop_if_told=never),
    ):
        pass


def test_wait_for_another_writer_ends_when_told(url: str, settings: Settings) -> None:
    def stop() -> None:
        raise Stopped

    with (
        acting(url, holder="another honed", settings=settings, stop_if_told=never),
        pytest.raises(Stopped),
        acting(url, holder=HOLDER, settings=settings, stop_if_told=stop),
    ):
        pass


def test_writer_that_lost_its_job_is_fenced_off(url: str, settings: Settings) -> None:
    with (
        acting(url, holder=HOLDER, settings=settings, stop_if_told=never) as zombie,
        acting(url, holder=HOLDER, settings=settings, stop_if_told=never) as heir,
    ):
        with pytest.raises(TargetUnavailable):
            zombie.run(INDEX)
        assert heir.inspect(INDEX) is StepState.ABSENT


def test_statement_of_a_dead_worker_is_waited_for(url: str, settings: Settings) -> None:
    waits: list[int] = []
    slow = "BEGIN; SELECT pg_sleep(0.3); CREATE INDEX pet_owner ON pet (owner); COMMIT"
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'BEGIN; SELECT pg_s%'"
    with psycopg.connect(url, application_name=HOLDER, autocommit=True) as orphan:
        orphan.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        thread = threading.Thread(target=lambda: orphan.execute(slow))
        thread.start()
        while not ask(url, running):
            pass
        with acting(
            url, holder=HOLDER, settings=settings, stop_if_told=lambda: waits.append(1)
        ) as hand:
            assert hand.inspect(INDEX) is StepState.DONE
        thread.join()
    assert waits


def test_target_that_is_gone_is_named_as_such(settings: Settings, tmp_path: Path) -> None:
    with (
        pytest.raises(TargetUnavailable),
        acting(f"host={tmp_path}", holder=HOLDER, settings=settings, stop_if_told=never),
    ):
        pass


def test_password_in_a_broken_url_is_not_repeated(settings: Settings) -> None:
    with (
        pytest.raises(TargetUnavailable) as caught,
        acting("nonsense:secret", holder=HOLDER, settings=settings, stop_if_told=never),
    ):
        pass
    assert "secret" not in str(caught.value)


def test_target_that_goes_away_leaves_the_step_unknown(url: str, settings: Settings) -> None:
    suicide = Step("die", do=("SELECT pg_terminate_backend(pg_backend_pid())",))
    with pytest.raises(TargetUnavailable, match="die: terminating"):
        run(url, settings, suicide)


def test_missing_privilege_is_named_as_such(url: str, settings: Settings) -> None:
    poor = (
        f"{url}&options=-c%20role%3Dpg_monitor"
        if "?" in url
        else f"{url} options='-c role=pg_monitor'"
    )
    with pytest.raises(MissingPrivilege, match="index the owner: must be owner"):
        run(poor, settings, INDEX)


def test_step_of_another_sort_is_refused(url: str, settings: Settings) -> None:
    with pytest.raises(StepFailed, match="git"):
        run(url, settings, replace(INDEX, runner="git"))


def test_inspection_that_says_nonsense_fails(url: str, settings: Settings) -> None:
    odd = replace(INDEX, inspect="SELECT 'maybe'")
    with (
        acting(url, holder=HOLDER, settings=settings, stop_if_told=never) as hand,
        pytest.raises(StepFailed, match="maybe"),
    ):
        hand.inspect(odd)


def test_facts_that_cannot_be_read_hold_up_no_step(url: str, settings: Settings) -> None:
    step = Step(description="archive", do=(act("export", folder="shop/pet"),), runner=ARCHIVE)
    folder = settings.archives / "shop" / "pet"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("torn")
    with acting(url, holder=HOLDER, settings=settings, stop_if_told=never) as hand:
        assert hand.facts(step) == {"facts": "unreadable"}
