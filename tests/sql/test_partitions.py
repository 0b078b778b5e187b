"""Days of signals: the intake adds those around now, whatever clock its login says that it has."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from honed.signals.partitions import make_partitions
from honed.storage.db import Database

LATER = datetime.now(UTC) + timedelta(days=1000)


def days(store: Database) -> set[str]:
    with store.transaction() as conn:
        found = conn.execute(
            "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
            " WHERE inhparent = 'honed.signal'::regclass"
        )
        return {row["name"] for row in found}


def test_the_intake_cannot_turn_the_clock(
    store: Database, log_in: Callable[[str], Database]
) -> None:
    with log_in("honed_intake").transaction() as conn:
        make_partitions(conn)
    before = days(store)
    with replace(log_in("honed_intake"), fake_now=LATER).transaction() as conn:
        assert make_partitions(conn) == 0
    assert days(store) == before


def test_who_may_drop_days_may_turn_it(store: Database) -> None:
    before = days(store)
    with replace(store, role="honed_intake", fake_now=LATER).transaction() as conn:
        assert make_partitions(conn) == 5
    assert len(days(store) - before) == 5
