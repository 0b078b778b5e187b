from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.errors import QueryCanceled

from honed.errors import UnknownTarget
from honed.storage.db import Connection, Database
from honed.targets.postgres.statements import FULL_DAYS, QUERIES
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.workload import WorkloadStatement, WriteMix
from honed.targets.registry import remove_target

_COUNT = "SELECT count(*) FROM orders WHERE day > '2020-02-02'"
_RESET_ONE = """
SELECT pg_stat_statements_reset(0, 0, queryid) FROM pg_stat_statements WHERE query LIKE '%count(*)%'
"""
_ENDLESS = "SELECT count(*) FROM orders a, orders b, orders c WHERE a.day > b.day"


def _find(target: PostgresTarget, part: str) -> WorkloadStatement | None:
    found = [item for item in target.workload().statements if part in item.text]
    assert len(found) <= 1
    return found[0] if found else None


def _calls(target: PostgresTarget, part: str) -> float:
    found = _find(target, part)
    return found.calls if found else 0.0


def test_the_first_reading_takes_what_was_counted_already(
    production: Any, target: PostgresTarget
) -> None:
    for _ in range(3):
        production.run(_COUNT)
    target.sample()
    assert _calls(target, "count(*)") == 3
    assert target.intervals() == []
    assert target.statement_costs() == {}


def test_an_interval_counts_exactly_what_happened_in_it(
    production: Any, target: PostgresTarget
) -> None:
    production.run(_COUNT)
    target.sample()
    for _ in range(5):
        production.run(_COUNT)
    target.sample()
    statement = _find(target, "count(*)")
    assert statement is not None
    assert statement.calls == 6
    (interval,) = target.intervals()
    cost = target.during(interval).statement_costs()[statement.statement_id]
    assert cost.calls == 5
    assert cost.exec_ms_per_call > 0
    pages = production.run("SELECT relpages FROM pg_class WHERE relname = 'orders'")[0]["relpages"]
    assert cost.blocks_per_call == pages
    assert cost.reads_per_call is not None
    assert 0 <= cost.reads_per_call <= pages


def test_intervals_follow_each_other_without_a_gap(production: Any, target: PostgresTarget) -> None:
    target.sample()
    for _ in range(2):
        production.run(_COUNT)
        target.sample()
    first, second = target.intervals()
    assert first.start < first.end == second.start < second.end
    assert target.intervals(since=second.start) == [second]
    assert target.intervals(until=first.end) == [first]
    costs = [
        list(target.during(interval).statement_costs().values()) for interval in (first, second)
    ]
    assert [[cost.calls for cost in each] for each in costs] == [[1], [1]]


def test_without_an_interval_the_latest_is_read(production: Any, target: PostgresTarget) -> None:
    target.sample()
    for calls in (1, 3):
        for _ in range(calls):
            production.run(_COUNT)
        target.sample()
    assert [cost.calls for cost in target.statement_costs().values()] == [3]


def test_a_quiet_stretch_makes_no_interval(production: Any, target: PostgresTarget) -> None:
    production.run(_COUNT)
    for _ in range(3):
        target.sample()
    assert target.intervals() == []


@pytest.mark.parametrize(
    "reset",
    ["SELECT pg_stat_statements_reset()", _RESET_ONE],
)
@pytest.mark.parametrize("calls_after", [1, 2, 9])
def test_a_reset_takes_nothing_away(
    production: Any, target: PostgresTarget, reset: str, calls_after: int
) -> None:
    for _ in range(2):
        production.run(_COUNT)
    target.sample()
    production.run(reset)
    for _ in range(calls_after):
        production.run(_COUNT)
    target.sample()
    assert _calls(target, "count(*)") == 2 + calls_after
    (cost,) = (
        cost
        for cost in target.statement_costs().values()
        if cost.calls == calls_after and cost.exec_ms_per_call > 0
    )
    assert cost.blocks_per_call > 0


def test_a_statement_that_was_evicted_counts_from_zero_when_it_is_back(
    production: Any, target: PostgresTarget
) -> None:
    for _ in range(4):
        production.run(_COUNT)
    target.sample()
    production.run(_RESET_ONE)
    target.sample()
    for _ in range(6):
        production.run(_COUNT)
    target.sample()
    assert _calls(target, "count(*)") == 10


def test_two_users_of_one_statement_are_added(
    production: Any, target: PostgresTarget, connected: Callable[..., Connection]
) -> None:
    other = connected()
    other.execute("CREATE ROLE second_user SUPERUSER")
    try:
        other.execute("SET ROLE second_user")
        target.sample()
        production.run(_COUNT)
        other.execute(_COUNT)
        target.sample()
        production.run(_COUNT)
        target.sample()
        assert _calls(target, "count(*)") == 3
    finally:
        other.execute("RESET ROLE")
        other.execute("DROP ROLE second_user")


def test_commands_and_honeds_own_readings_are_no_workload(
    production: Any, target: PostgresTarget
) -> None:
    target.sample()
    production.run("CREATE INDEX ON orders (day)")
    production.run("SET work_mem = '5MB'")
    production.run("SELECT set_config('work_mem', '6MB', false)")
    production.run("SELECT relname FROM pg_class WHERE relname = 'orders'")
    target.catalog()
    target.fingerprint()
    target.query("SELECT count(*) FROM orders")
    target.explain(_COUNT)
    target.sample()
    assert [item.text for item in target.workload().statements if "INSERT" not in item.text] == []


def test_statements_of_other_databases_are_no_workload(
    make_production: Callable[..., Any], target: PostgresTarget
) -> None:
    target.sample()
    make_production().run(_COUNT)
    target.sample()
    assert _calls(target, "count(*)") == 0


def test_rows_written_are_counted_by_table(production: Any, target: PostgresTarget) -> None:
    production.run("SELECT 1")
    target.sample()
    before = target.workload().writes["public.orders"]
    production.run("INSERT INTO orders SELECT 9000 + n, 1, now(), '' FROM generate_series(1, 7) n")
    production.run("UPDATE orders SET state = 'lost' WHERE order_id > 9004")
    production.run("DELETE FROM orders WHERE order_id = 9001")
    target.sample()
    after = target.workload().writes["public.orders"]
    assert before == WriteMix(inserted=5000)
    assert (after.inserted, after.updated, after.deleted) == (5007, 3, 1)
    assert 0 <= after.hot_updated <= 3


def test_two_samplers_at_once_count_nothing_twice(production: Any, target: PostgresTarget) -> None:
    target.sample()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(6):
            production.run(_COUNT)
            for done in [pool.submit(target.sample) for _ in range(4)]:
                done.result()
    assert _calls(target, "count(*)") == 6


def test_only_statements_whose_counters_moved_are_stored(
    production: Any, target: PostgresTarget, store: Database
) -> None:
    for statement in (_COUNT, "SELECT day FROM orders LIMIT 1", "SELECT max(state) FROM orders"):
        production.run(statement)
    target.sample()
    production.run("SELECT day FROM orders LIMIT 1")
    target.sample()
    with store.transaction() as connection:
        rows = connection.execute(
            "SELECT count(*) AS stored FROM honed.statement_interval"
            " WHERE reading_id = (SELECT max(reading_id) FROM honed.reading)"
        ).fetchone()
    assert rows == {"stored": 1}


@contextmanager
def _running(client: Connection, watcher: Any, statement: str) -> Iterator[None]:
    """Run a statement in the background; it is cancelled at the end."""

    def run() -> None:
        with pytest.raises(QueryCanceled):
            client.execute(statement)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(run)
        active = "SELECT 1 FROM pg_stat_activity WHERE pid = %(pid)s AND state = 'active'"
        while not watcher.run(active, {"pid": client.info.backend_pid}):
            assert not done.done()
        try:
            yield
        finally:
            client.cancel_safe()
            done.result()


def test_a_statement_that_never_ends_is_seen_running(
    production: Any, target: PostgresTarget, connected: Callable[..., Connection]
) -> None:
    target.sample()
    with _running(connected(), production, _ENDLESS):
        target.sample()
        target.sample()
    target.sample()
    statement = _find(target, "orders c")
    assert statement is not None
    assert statement.is_unfinished
    assert statement.calls == 1
    assert statement.total_ms > 0
    assert statement.examples == (_ENDLESS,)
    assert target.statement_costs() == {}


def _texts(store: Database) -> str:
    with store.transaction() as connection:
        rows = connection.execute("SELECT text FROM honed.statement").fetchall()
    return "\n".join(row["text"] for row in rows)


def test_a_text_seen_running_is_stored_without_its_constants(
    production: Any,
    target: PostgresTarget,
    store: Database,
    connected: Callable[..., Connection],
) -> None:
    target.sample()
    secret = f"{_ENDLESS} AND a.state <> 'geheim' AND b.customer <> 4711"
    with _running(connected(), production, secret):
        target.sample()
    assert "a.state <> $1 AND b.customer <> $2" in _texts(store)
    statement = _find(target, "orders c")
    assert statement is not None
    assert statement.examples == (secret,)


def test_a_command_is_stored_without_its_text(
    production: Any, target: PostgresTarget, store: Database
) -> None:
    target.sample()
    production.run("CREATE ROLE geheim_user PASSWORD 'geheim'")
    try:
        production.run("ALTER ROLE geheim_user PASSWORD 'geheimer'")
        target.sample()
    finally:
        production.run("DROP ROLE geheim_user")
    assert "geheim" not in _texts(store)


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ('invalid input syntax for type date: "geheim"', "invalid input syntax for type date: …"),
        (
            'value "4711" is out of range for type smallint',
            "value … is out of range for type smallint",
        ),
        ('column "state" does not exist', 'column "state" does not exist'),
        ("", ""),
    ],
)
def test_why_there_is_no_example_quotes_no_value(
    production: Any, target: PostgresTarget, store: Database, said: str, stored: str
) -> None:
    production.run(_COUNT)
    target.sample()
    statement = _find(target, "count(*)")
    assert statement is not None
    key = {"target_id": target.target_id, "statement_id": statement.statement_id}
    with store.transaction() as connection:
        connection.execute(QUERIES["save_skipped"], {**key, "skipped": said})
        rows = connection.execute(
            "SELECT skipped FROM honed.statement WHERE statement_id = %(statement_id)s", key
        ).fetchall()
    assert rows == [{"skipped": stored}]


def test_a_cut_text_that_is_another_statement_is_not_taken_for_it(
    production: Any, target: PostgresTarget, connected: Callable[..., Connection]
) -> None:
    # The server shows 1,023 bytes: what remains is a statement too, but another one.
    text = _ENDLESS.ljust(1023) + " AND a.customer > b.customer"
    with _running(connected(), production, text):
        target.sample()
    workload = target.workload()
    assert workload.replayable == ()
    assert list(workload.skipped.values()) == ["the text seen is another statement's"]


def test_history_is_bounded(
    production: Any,
    target: PostgresTarget,
    store: Database,
    at: Callable[..., PostgresTarget],
) -> None:
    target.sample()
    production.run(_COUNT)
    target.sample()
    production.run("SELECT pg_stat_statements_reset()")
    (interval,) = target.intervals()
    later = at(target, interval.end + timedelta(days=40))
    later.sample()
    later.sample()
    with store.transaction() as connection:
        rows = connection.execute("SELECT text FROM honed.statement").fetchall()
    assert target.intervals() == []
    assert [row for row in rows if "count(*)" in row["text"]] == []


def test_of_what_is_some_days_old_a_quarter_of_an_hour_is_one_stretch(
    production: Any, target: PostgresTarget, at: Callable[..., PostgresTarget]
) -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    at(target, noon).sample()
    for minute in (1, 2, 14, 16):
        production.run(_COUNT)
        now = at(target, noon + timedelta(minutes=minute))
        now.sample()
    before = [(each.start, each.end) for each in now.intervals()]
    assert len(before) == 4
    later = at(target, noon + timedelta(days=FULL_DAYS, hours=1))
    later.sample()
    later.sample()
    first, second, *rest = later.intervals()
    assert (first.start, first.end) == (before[0][0], before[2][1])
    assert (second.start, second.end) == before[3]
    assert len(rest) <= 1  # what the later readings themselves have seen
    (costs,) = (each for each in later.during(first).statement_costs().values() if each.calls == 3)
    assert costs.exec_ms_per_call > 0


def test_a_removed_target_is_no_longer_read(target: PostgresTarget, store: Database) -> None:
    remove_target(store, target.name)
    with pytest.raises(UnknownTarget):
        target.sample()
