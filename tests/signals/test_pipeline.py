"""What was told to be stored is stored, grouped and counted, whatever happens to the store."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, cast

import psycopg
import pytest
from tests.signals.conftest import NOON, OpenPipeline, a_fault, a_signal

from honed.core.intake import Taken
from honed.core.signal import Signal, SignalType
from honed.errors import HonedError, NotAllowed, RowsRefused, StoreUnavailable
from honed.signals.partitions import Retention, drop_partitions, make_partitions
from honed.signals.pipeline import Pipeline
from honed.signals.projects import Project, add_project, enable_project
from honed.storage.db import Database
from honed.storage.store import DAEMON, INTAKE

Ask = Callable[[str], list[dict[str, Any]]]


class Waiter:
    """Waits to be told what became of what it put."""

    def __init__(self) -> None:
        self.was_told = threading.Event()
        self.error: HonedError | None = None

    def __call__(self, error: HonedError | None) -> None:
        self.error = error
        self.was_told.set()


def put(pipeline: Pipeline, project: Project, *signals: Signal) -> None:
    pipeline.store_now(project, "test", Taken(signals))


def counts(ask: Ask) -> dict[tuple[str, str], int]:
    query = "SELECT outcome, reason, sum(count)::int AS count FROM honed.intake_count GROUP BY 1, 2"
    found = ask(query)
    return {(row["outcome"], row["reason"]): row["count"] for row in found}


def groups(ask: Ask) -> dict[str, dict[str, Any]]:
    return {row["fingerprint"]: row for row in ask("SELECT * FROM honed.signal_group")}


def test_what_is_stored_can_be_read_and_was_counted(
    pipeline: Pipeline, project: Project, ask: Ask
) -> None:
    put(pipeline, project, a_signal(), a_signal(at=NOON + timedelta(days=1)))
    rows = ask("SELECT subject, at, received_at, body FROM honed.signal")
    assert [row["body"] for row in rows] == [{"message": "hello"}] * 2
    assert {row["at"] for row in rows} | {row["received_at"] for row in rows} == {NOON}
    assert counts(ask) == {("accepted", ""): 2, ("adjusted", "clock_ahead"): 1}
    (status,) = ask("SELECT * FROM honed.intake_status")
    assert (status["source"], status["accepted_today"]) == ("test", 2)
    assert (status["adjusted_today"], status["last_accepted_at"]) == ({"clock_ahead": 1}, NOON)


def test_nobody_is_told_before_the_commit(
    pipeline: Pipeline, project: Project, noon_store: Database, ask: Ask
) -> None:
    waiter = Waiter()
    with psycopg.connect(noon_store.url) as held:
        held.execute("LOCK TABLE honed.intake_count IN ACCESS EXCLUSIVE MODE")
        pipeline.put(pipeline.prepare(project, "test", Taken((a_signal(),))), waiter)
        assert not waiter.was_told.wait(0.3)
        assert ask("SELECT FROM honed.signal") == []
        held.rollback()
    assert waiter.was_told.wait(30.0)
    assert waiter.error is None
    assert len(ask("SELECT FROM honed.signal")) == 1


def test_many_requests_are_stored_together(
    pipeline: Pipeline, project: Project, noon_store: Database, ask: Ask
) -> None:
    waiters = [Waiter() for _ in range(50)]
    with psycopg.connect(noon_store.url) as held:
        held.execute("LOCK TABLE honed.intake_count IN ACCESS EXCLUSIVE MODE")
        for waiter in waiters:
            pipeline.put(pipeline.prepare(project, "test", Taken((a_signal(),))), waiter)
        held.rollback()
    assert all(waiter.was_told.wait(30.0) for waiter in waiters)
    (row,) = ask("SELECT count(*), count(DISTINCT xmin::text) AS commits FROM honed.signal")
    assert row["count"] == 50
    assert row["commits"] <= 3


def test_signals_of_one_fault_are_one_group(pipeline: Pipeline, project: Project, ask: Ask) -> None:
    first = a_fault("ab" * 8, at=NOON - timedelta(hours=2), release="1.0")
    late = a_fault("ab" * 8, release="1.1", environment="production", body={"title": "other"})
    put(pipeline, project, first, a_fault("ab" * 8), a_fault("cd" * 8))
    put(pipeline, project, late)
    group = groups(ask)["ab" * 8]
    assert (group["event_count"], group["title"]) == (3, f"fault {'ab' * 8}")
    assert (group["culprit"], group["files"]) == ("total", ["shop/cart.py"])
    assert (group["first_seen_at"], group["last_seen_at"]) == (NOON - timedelta(hours=2), NOON)
    assert (group["releases"], group["environments"]) == (["1.0", "1.1"], ["production"])
    assert group["sample"] == first.body
    assert (group["resolved_at"], group["regressed_count"]) == (None, 0)
    assert len(groups(ask)) == 2
    assert len(ask("SELECT FROM honed.signal WHERE fingerprint = repeat('ab', 8)")) == 3


def test_the_newest_releases_of_a_group_are_kept(
    pipeline: Pipeline, project: Project, ask: Ask
) -> None:
    for number in range(25):
        put(pipeline, project, a_fault("ab" * 8, release=f"1.{number}"))
    put(pipeline, project, a_fault("ab" * 8, release="1.7"))
    assert groups(ask)["ab" * 8]["releases"] == [f"1.{number}" for number in range(5, 25)]


def test_a_settled_group_that_comes_back_is_open_again(
    pipeline: Pipeline, project: Project, ask: Ask
) -> None:
    settle = "UPDATE honed.signal_group SET resolved_at = '{}' RETURNING group_id"
    put(pipeline, project, a_fault("ab" * 8, at=NOON - timedelta(hours=3)))
    ask(settle.format(NOON - timedelta(hours=1)))
    # What happened before it was settled, and came late, is no return.
    put(pipeline, project, a_fault("ab" * 8, at=NOON - timedelta(hours=2)))
    group = groups(ask)["ab" * 8]
    assert (group["resolved_at"], group["regressed_count"]) == (NOON - timedelta(hours=1), 0)
    put(pipeline, project, a_fault("ab" * 8))
    group = groups(ask)["ab" * 8]
    assert (group["resolved_at"], group["regressed_at"]) == (None, NOON)
    assert (group["regressed_count"], group["event_count"]) == (1, 3)


def test_more_groups_than_a_day_may_have_are_counted_in_one(
    open_pipeline: OpenPipeline, project: Project, ask: Ask
) -> None:
    with open_pipeline(intake_groups_per_day=10) as pipeline:
        put(pipeline, project, a_fault("ab" * 8))
        faults = [a_fault(f"{number:08x}") for number in range(2_000)]
        put(pipeline, project, *faults)
        put(pipeline, project, a_fault("ab" * 8), *faults[:100])
    found = groups(ask)
    assert len(found) == 11
    assert found["ab" * 8]["event_count"] == 2
    kept = sum(row["event_count"] for key, row in found.items() if key != "overflow")
    assert found["overflow"]["event_count"] + kept == 2_102
    assert len(ask("SELECT FROM honed.signal")) == 2_102
    with open_pipeline(intake_groups_per_day=10, now=NOON + timedelta(days=1)) as pipeline:
        put(pipeline, project, a_fault("ef" * 8, at=NOON + timedelta(days=1)))
    assert "ef" * 8 in groups(ask)


def test_one_project_does_not_use_up_the_groups_of_another(
    open_pipeline: OpenPipeline, project: Project, noon_store: Database, ask: Ask
) -> None:
    with noon_store.transaction() as conn:
        other = add_project(conn, "other")
    with open_pipeline(intake_groups_per_day=2) as pipeline:
        put(pipeline, project, *[a_fault(f"{number:08x}") for number in range(9)])
        put(pipeline, other, a_fault("ab" * 8))
    assert "ab" * 8 in groups(ask)


def test_what_the_store_refuses_takes_nothing_else_with_it(
    pipeline: Pipeline, project: Project, noon_store: Database, ask: Ask
) -> None:
    odd = a_signal(type=cast("SignalType", "no type"))
    waiters = [Waiter() for _ in range(9)]
    with psycopg.connect(noon_store.url) as held:
        held.execute("LOCK TABLE honed.intake_count IN ACCESS EXCLUSIVE MODE")
        for number, waiter in enumerate(waiters):
            signal = odd if number == 4 else a_signal()
            pipeline.put(pipeline.prepare(project, "test", Taken((signal,))), waiter)
        held.rollback()
    assert all(waiter.was_told.wait(30.0) for waiter in waiters)
    assert isinstance(waiters[4].error, RowsRefused)
    assert {waiter.error for waiter in waiters[:4] + waiters[5:]} == {None}
    assert len(ask("SELECT FROM honed.signal")) == 8
    pipeline.store_counts()
    assert counts(ask) == {("accepted", ""): 8, ("refused", "unstorable"): 1}


def test_a_store_that_is_away_is_said_and_waited_for(
    pipeline: Pipeline, project: Project, noon_store: Database, postgres_server: Any, ask: Ask
) -> None:
    put(pipeline, project, a_signal())
    name = noon_store.url.partition("?")[0].rpartition("/")[2]
    closed = f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS '
    with psycopg.connect(postgres_server.url(), autocommit=True) as server:
        server.execute((closed + "false").encode())
        server.execute(
            "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = %s",
            (name,),
        )
        with pytest.raises(StoreUnavailable):
            put(pipeline, project, a_signal())
        with pytest.raises(StoreUnavailable):
            pipeline.queue.check()
        server.execute((closed + "true").encode())
    waits_until(lambda: is_open(pipeline))
    put(pipeline, project, a_signal())
    assert len(ask("SELECT FROM honed.signal")) == 2


def is_open(pipeline: Pipeline) -> bool:
    try:
        pipeline.queue.check()
    except StoreUnavailable:
        return False
    return True


def waits_until(is_so: Callable[[], bool]) -> None:
    """Return as soon as something is so."""
    patience = threading.Event()
    for _ in range(600):
        if is_so():
            return
        patience.wait(0.05)
    pytest.fail("it did not come to be so")


def test_what_waits_at_the_end_is_stored(
    open_pipeline: OpenPipeline, project: Project, ask: Ask
) -> None:
    waiters = [Waiter() for _ in range(20)]
    with open_pipeline() as pipeline:
        for waiter in waiters:
            pipeline.put(pipeline.prepare(project, "test", Taken((a_signal(),))), waiter)
        pipeline.refused(project.project_id, "test", "late")
    assert {waiter.error for waiter in waiters} == {None}
    assert len(ask("SELECT FROM honed.signal")) == 20
    assert counts(ask)[("refused", "late")] == 1


def test_days_are_kept_apart_and_dropped_when_their_time_is_over(
    open_pipeline: OpenPipeline, project: Project, noon_store: Database, ask: Ask
) -> None:
    partitions = "SELECT inhrelid::regclass::text AS name FROM pg_inherits JOIN pg_class AS c"
    partitions += " ON c.oid = inhparent WHERE c.relname = 'signal' ORDER BY 1"
    for days in (0, 1, 9):
        now = NOON + timedelta(days=days)
        with open_pipeline(now=now, signal_retention_days=8) as pipeline:
            put(pipeline, project, a_signal(at=now))
        Retention(replace(noon_store, role=DAEMON, fake_now=now), 8).drop()
    names = [row["name"] for row in ask(partitions)]
    assert "signal_20270304" not in names
    assert {"signal_20270305", "signal_20270313", "signal_20270316"} <= set(names)
    assert len(ask("SELECT FROM honed.signal")) == 2
    assert {row["day"] for row in ask("SELECT day FROM honed.intake_count")} == {
        date(2027, 3, 5), date(2027, 3, 13),
    }  # fmt: skip


def test_a_clock_that_jumps_makes_its_partition(
    pipeline: Pipeline, project: Project, noon_store: Database, ask: Ask
) -> None:
    with noon_store.transaction() as conn:
        conn.execute("DROP TABLE honed.signal_20270304")
    put(pipeline, project, a_signal())
    assert len(ask("SELECT FROM honed.signal_20270304")) == 1


def test_a_day_that_cannot_be_made_now_is_no_fault_of_the_rows(
    pipeline: Pipeline, project: Project, noon_store: Database, ask: Ask
) -> None:
    with noon_store.transaction() as conn:
        conn.execute("DROP TABLE honed.signal_20270304")
    with psycopg.connect(noon_store.url) as held:
        # As VACUUM of all signals holds it: no partition can be attached meanwhile.
        held.execute("LOCK TABLE honed.signal IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailable):
            put(pipeline, project, a_signal())
        held.rollback()
    # Who sends it again is heard, as soon as the writer has begun anew.
    while True:
        try:
            put(pipeline, project, a_signal())
            break
        except StoreUnavailable:
            continue
    assert len(ask("SELECT FROM honed.signal")) == 1
    pipeline.store_counts()
    assert ("refused", "unstorable") not in counts(ask)


def test_a_lock_of_somebody_holds_up_no_sender(
    open_pipeline: OpenPipeline, project: Project, noon_store: Database, ask: Ask
) -> None:
    with open_pipeline():
        pass
    tomorrow = NOON + timedelta(days=1)
    with psycopg.connect(noon_store.url) as held:
        # As ANALYZE of all signals holds it.
        held.execute("LOCK TABLE honed.signal IN SHARE UPDATE EXCLUSIVE MODE")
        with open_pipeline(now=tomorrow) as pipeline:
            put(pipeline, project, a_signal(at=tomorrow))
        held.rollback()
    assert len(ask("SELECT FROM honed.signal")) == 1
    with replace(noon_store, fake_now=tomorrow).transaction() as conn:
        assert make_partitions(conn) == 1


def test_partitions_are_made_once(noon_store: Database) -> None:
    with noon_store.transaction() as conn:
        assert make_partitions(conn) > 0
        assert make_partitions(conn) == 0


def test_the_intake_cannot_say_how_long_signals_are_kept(
    open_pipeline: OpenPipeline, project: Project, noon_store: Database, ask: Ask
) -> None:
    with open_pipeline() as pipeline:
        put(pipeline, project, a_signal())
    # Whoever has its login may set the clock of his session.
    later = replace(noon_store, role=INTAKE, fake_now=NOON + timedelta(days=1000))
    with later.transaction() as conn:
        make_partitions(conn)
    with pytest.raises(NotAllowed) as caught, later.transaction() as conn:
        drop_partitions(conn, 1)
    assert "honed_daemon" in caught.value.hint
    assert len(ask("SELECT FROM honed.signal")) == 1


def test_retention_drops_while_it_is_open(noon_store: Database, ask: Ask) -> None:
    with replace(noon_store, fake_now=NOON - timedelta(days=99)).transaction() as conn:
        make_partitions(conn)
    with Retention(replace(noon_store, role=DAEMON), 30) as retention:
        pass
    # Its thread has begun, and looks once at least.
    retention.drop()
    assert ask("SELECT to_regclass('honed.signal_20261125') IS NULL AS is_gone")[0]["is_gone"]


def test_what_cannot_be_dropped_now_is_said(
    noon_store: Database, caplog: pytest.LogCaptureFixture
) -> None:
    Retention(replace(noon_store, role=INTAKE), 30).drop()
    assert "old signals were not dropped" in caplog.text


@pytest.mark.parametrize(
    "query",
    [
        "SELECT body FROM honed.signal",
        "SELECT sample FROM honed.signal_group",
        "SELECT * FROM honed.user_feedback",
        "DELETE FROM honed.signal",
        "UPDATE honed.signal_group SET resolved_at = NULL",
        "INSERT INTO honed.project (name, public_key) VALUES ('x', repeat('a', 32))",
        "SELECT * FROM honed.improvement",
    ],
)
def test_the_intake_may_store_and_not_read(noon_store: Database, query: str) -> None:
    intake = replace(noon_store, role=INTAKE)
    with pytest.raises(NotAllowed), intake.transaction() as conn:
        conn.execute(query.encode())


@pytest.mark.slow
def test_a_project_that_was_disabled_is_known_soon(
    pipeline: Pipeline, project: Project, noon_store: Database
) -> None:
    with noon_store.transaction() as conn:
        enable_project(conn, "shop", enabled=False)
    waits_until(lambda: pipeline.registry.find(project.public_key) != project)
    found = pipeline.registry.find(project.public_key)
    assert found is not None
    assert found.disabled_at == NOON
