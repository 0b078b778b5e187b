"""The timer begins a cycle where one is due and nowhere else; readings outlive a dead target."""

from collections.abc import Sequence
from typing import Any

import pytest

from honed.approval.decisions import decisions
from honed.config import Autonomy
from honed.core.verdict import State
from honed.ledger.checkpoint import read_checkpoints
from honed.ledger.log import read_head
from honed.loop.cycle import Cycle, Options, Phase, cycles
from honed.loop.daemon import Keeper
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import TargetRecord, add_target, remove_target
from honed.testing.pets import SHOP, PetShop


def keeper(shop: PetShop, targets: Sequence[PostgresTarget] = ()) -> Keeper:
    return Keeper(shop.parts, lambda: targets, begins_cycles=True)


def all_cycles(shop: PetShop) -> list[Cycle]:
    with shop.store.transaction() as conn:
        return cycles(conn)


def test_new_target_is_read_before_its_first_cycle(pet_shop: PetShop) -> None:
    keeper(pet_shop).begin_due()
    assert all_cycles(pet_shop) == []
    with pet_shop.store.transaction() as conn:
        conn.execute("UPDATE honed.target SET added_at = added_at - interval '1 hour'")
    keeper(pet_shop).begin_due()
    assert len(all_cycles(pet_shop)) == 1


def test_target_without_a_cycle_gets_one(pet_shop: PetShop) -> None:
    pet_shop.read(2)
    keeper(pet_shop).begin_due()
    (cycle,) = all_cycles(pet_shop)
    assert cycle.phase is Phase.WAITING
    assert cycle.options == Options.of(pet_shop.settings)


def test_target_has_one_cycle_that_waits(pet_shop: PetShop) -> None:
    pet_shop.read(2)
    keeper(pet_shop).begin_due()
    keeper(pet_shop).begin_due()
    assert len(all_cycles(pet_shop)) == 1


def test_cycle_that_a_person_asks_for_counts_too(pet_shop: PetShop) -> None:
    pet_shop.ask(Options())
    keeper(pet_shop).begin_due()
    assert len(all_cycles(pet_shop)) == 1


def test_ended_cycle_is_followed_by_one_when_its_time_has_come(pet_shop: PetShop) -> None:
    pet_shop.read(2)
    pet_shop.turn(Options())
    with pet_shop.store.transaction() as conn:
        # Somebody has removed what the last cycle had scheduled.
        conn.execute("DELETE FROM honed.procrastinate_jobs WHERE status = 'todo'")
        conn.execute("DELETE FROM honed.cycle WHERE phase = 'waiting'")
    keeper(pet_shop).begin_due()
    assert len(all_cycles(pet_shop)) == 1
    with pet_shop.store.transaction() as conn:
        conn.execute("UPDATE honed.cycle SET started_at = started_at - interval '1 hour'")
    keeper(pet_shop).begin_due()
    assert [cycle.phase for cycle in all_cycles(pet_shop)] == [Phase.WAITING, Phase.FINISHED]


def scans(shop: PetShop) -> int:
    with shop.store.transaction() as conn:
        (row,) = conn.execute("SELECT count(DISTINCT started_at) AS scans FROM honed.scan")
    return int(row["scans"])


def test_sources_of_tickets_are_asked_when_it_is_time_and_not_before(pet_shop: PetShop) -> None:
    keeper(pet_shop).scan_if_due()
    keeper(pet_shop).scan_if_due()
    assert scans(pet_shop) == 1
    with pet_shop.store.transaction() as conn:
        conn.execute("RESET ROLE")
        conn.execute("UPDATE honed.scan SET started_at = started_at - interval '2 hours'")
    keeper(pet_shop).scan_if_due()
    assert scans(pet_shop) == 2


def test_removed_target_gets_none(pet_shop: PetShop) -> None:
    remove_target(pet_shop.store, SHOP)
    keeper(pet_shop).begin_due()
    assert all_cycles(pet_shop) == []


def test_wait_for_a_person_ends(pet_shop: PetShop) -> None:
    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    pet_shop.turn(Options(dry_run=False))
    keeper(pet_shop).begin_due()
    assert pet_shop.improvement().state is State.AWAITING_APPROVAL
    with pet_shop.store.transaction() as conn:
        conn.execute("UPDATE honed.improvement SET awaiting_since = now() - interval '30 days'")
    keeper(pet_shop).begin_due()
    improvement = pet_shop.improvement()
    assert improvement.state is State.EXPIRED
    with pet_shop.store.transaction() as conn:
        assert decisions(conn, improvement.improvement_id) == []


def test_signals_whose_time_is_over_are_dropped(pet_shop: PetShop) -> None:
    with pet_shop.store.transaction() as conn:
        conn.execute(
            "CREATE TABLE honed.signal_20010101 PARTITION OF honed.signal"
            " FOR VALUES FROM ('2001-01-01Z') TO ('2001-01-02Z')"
        )
    keeper(pet_shop).drop_old_signals()
    with pet_shop.store.transaction() as conn:
        (row,) = conn.execute("SELECT to_regclass('honed.signal_20010101') IS NULL AS is_gone")
    assert row["is_gone"]


def test_what_a_model_was_asked_is_forgotten_apart_from_signals(pet_shop: PetShop) -> None:
    asked = "SELECT count(*) AS count FROM honed.text_request"
    with pet_shop.store.transaction() as conn:
        conn.execute("SELECT honed.generate_text('old')")
        conn.execute(
            "UPDATE honed.text_request SET state = 'failed',"
            " ended_at = requested_at - interval '10 years'"
        )
    counts = []
    for duty in (keeper(pet_shop).drop_old_signals, keeper(pet_shop).forget_recordings):
        duty()
        with pet_shop.store.transaction() as conn:
            (row,) = conn.execute(asked)
        counts.append(row["count"])
    assert counts == [1, 0]


def test_target_that_is_away_does_not_keep_others_from_being_read(
    pet_shop: PetShop, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    record = add_target(pet_shop.store, TargetRecord("away", f"postgresql:///x?host={tmp_path}"))
    away = PostgresTarget(record, pet_shop.parts.store, pet_shop.settings)
    pet_shop.read()
    pet_shop.production.serve()
    keeper(pet_shop, [away, pet_shop.target]).read_targets()
    assert len(pet_shop.target.intervals()) == 1
    assert "target away was not read" in caplog.text


def covered(shop: PetShop) -> int:
    """Return how many entries of the record the newest checkpoint covers."""
    known = read_checkpoints(shop.settings.checkpoints, shop.parts.signer.public_key)
    return known[-1].size if known else 0


def test_keeper_signs_what_was_recorded_although_nobody_ends_it_in_order(
    pet_shop: PetShop,
) -> None:
    pet_shop.read(2)
    pet_shop.turn(Options())
    with pet_shop.store.transaction() as conn:
        recorded = read_head(conn).size
    assert recorded > 0
    with Keeper(pet_shop.parts, list, begins_cycles=False):
        while covered(pet_shop) < recorded:
            pass
    keeper(pet_shop).keep_checkpoint()
    assert covered(pet_shop) == recorded


def test_checkpoint_that_cannot_be_written_is_said(
    pet_shop: PetShop, caplog: pytest.LogCaptureFixture
) -> None:
    pet_shop.configure(checkpoint_file=pet_shop.settings.home)
    keeper(pet_shop).keep_checkpoint()
    assert "no checkpoint was written" in caplog.text
    assert "set checkpoint_file to a place" in caplog.text


def test_keeper_reads_while_it_is_open_and_ends_at_once(pet_shop: PetShop) -> None:
    with Keeper(pet_shop.parts, lambda: [pet_shop.target], begins_cycles=False):
        while not pet_shop.target.intervals():
            pet_shop.production.serve()
    assert all_cycles(pet_shop) == []
