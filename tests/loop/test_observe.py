"""What a look at a target finds, and how long a finding stays open."""

from typing import Any

import pytest
from psycopg import sql

from honed.core.finding import Finding, FindingType
from honed.loop.cycle import Options, Phase
from honed.loop.events import FindingSeen, Parked, PluginFailed
from honed.storage.db import Connection
from honed.testing.pets import PetShop


def findings(shop: PetShop) -> list[dict[str, Any]]:
    with shop.store.transaction() as conn:
        return conn.execute(
            "SELECT subject, times_seen, closed_at IS NULL AS is_open FROM honed.finding"
            " WHERE type = 'slow_statement' ORDER BY weight DESC, finding_id"
        ).fetchall()


@pytest.mark.slow
def test_fact_that_is_seen_again_is_one_finding_and_one_that_is_gone_is_closed(
    pet_shop: PetShop,
) -> None:
    pet_shop.kind.claims = ()
    pet_shop.turn(Options())
    pet_shop.turn(Options())
    seen = findings(pet_shop)
    assert (seen[0]["times_seen"], seen[0]["is_open"]) == (2, True)
    with pet_shop.store.transaction() as conn:
        conn.execute("DELETE FROM honed.reading")
    pet_shop.ask(Options())
    pet_shop.work()
    assert not any(finding["is_open"] for finding in findings(pet_shop))


def test_findings_are_told_as_they_are_stored(pet_shop: PetShop) -> None:
    pet_shop.turn(Options())
    told = [event.finding for event in pet_shop.events if isinstance(event, FindingSeen)]
    assert told
    assert all(finding.finding_id > 0 for finding in told)


def test_what_a_kind_finds_by_itself_is_stored_with_the_rest(pet_shop: PetShop) -> None:
    pet_shop.kind.facts = [Finding(FindingType("odd_pet"), "rex", "rex is odd", weight=0.5)]
    pet_shop.turn(Options())
    told = [event.finding for event in pet_shop.events if isinstance(event, FindingSeen)]
    assert [each.subject for each in told if each.type == "odd_pet" and each.finding_id] == ["rex"]


def test_a_kind_that_cannot_look_costs_only_itself(pet_shop: PetShop) -> None:
    pet_shop.kind.facts = None
    pet_shop.turn(Options())
    assert [e.error for e in pet_shop.events if isinstance(e, PluginFailed)] == [
        "pets raised ValueError: it cannot see"
    ]
    assert findings(pet_shop)


def test_a_detector_that_is_not_installed_is_told_and_missed(pet_shop: PetShop) -> None:
    pet_shop.configure(detectors_on="no_such")
    pet_shop.turn(Options())
    assert [e.error for e in pet_shop.events if isinstance(e, PluginFailed)] == [
        "no detector no_such is installed"
    ]
    assert findings(pet_shop)


def test_target_is_not_looked_at_while_another_cycle_is_at_work(pet_shop: PetShop) -> None:
    pet_shop.read(3)
    with pet_shop.store.transaction() as conn:
        conn.execute(
            "INSERT INTO honed.cycle (target_id, phase)"
            " SELECT target_id, 'acting' FROM honed.target"
        )
    cycle_id = pet_shop.ask(Options())
    pet_shop.work()
    assert pet_shop.cycle(cycle_id).phase is Phase.WAITING
    assert [event.reason for event in pet_shop.events if isinstance(event, Parked)]
    with pet_shop.store.transaction() as conn:
        conn.execute("UPDATE honed.cycle SET phase = 'learning' WHERE phase = 'acting'")
    pet_shop.work_until(lambda: pet_shop.cycle(cycle_id).phase is Phase.FINISHED)


def everything_a_viewer_reads(conn: Connection) -> dict[str, str]:
    """Return the rows of every table and view that the role of viewers may read, as text."""
    names = conn.execute(
        "SELECT format('%I.%I', schemaname, relname) AS name FROM ("
        " SELECT schemaname, tablename FROM pg_tables UNION ALL"
        " SELECT schemaname, viewname FROM pg_views) AS r (schemaname, relname)"
        " WHERE schemaname = 'honed'"
        " AND has_table_privilege('honed_viewer', format('%I.%I', schemaname, relname), 'SELECT')"
    ).fetchall()
    conn.execute("SET LOCAL ROLE honed_viewer")
    read = sql.SQL("SELECT t::text FROM {} AS t")
    return {
        row["name"]: str(conn.execute(read.format(sql.SQL(row["name"]))).fetchall())
        for row in names
    }


def test_no_value_of_production_is_readable_by_viewers(pet_shop: PetShop) -> None:
    client = pet_shop.production.client
    client.execute("CREATE ROLE geheim_user PASSWORD 'geheim'")
    client.execute("DROP ROLE geheim_user")
    client.execute("SELECT pet_id FROM pet WHERE name < 'geheim' AND owner <> 471147 /* geheim */")
    pet_shop.turn()
    with pet_shop.store.transaction() as conn:
        row = conn.execute("SELECT count(*) AS n FROM honed.statement_example").fetchone()
        read = everything_a_viewer_reads(conn)
    assert row is not None
    assert row["n"] > 0
    assert "honed.statement_example" not in read
    assert "pet" in read["honed.statement_plan"]
    assert "$1" in read["honed.finding"]
    leaks = [name for name, rows in read.items() if "geheim" in rows or "471147" in rows]
    assert leaks == []
