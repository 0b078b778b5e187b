"""A worker is killed at each point of an improvement's life: the next one ends it as it should."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from honed.approval.decisions import approve, decisions
from honed.config import Autonomy
from honed.core.verdict import State
from honed.ledger.log import read_entries
from honed.ledger.statement import unseal
from honed.ledger.verify import verify_log
from honed.loop.cycle import ENDED, Options
from honed.loop.effects import StepOutcome, effects_of
from honed.testing.pets import BETTER, WORSE, Claim, PetShop

PROGRAM = Path(__file__).with_name("loop_process.py")
DEADLINE_S = 60.0
READ_EVERY_S = 0.1
FREE = Options(dry_run=False, require_approval=False)

BEFORE = ["proposed", "trial_started", "measured", "approved", "started"]
STEP = ["step_started", "step_done"]
#: What the ledger says if nobody is killed.
#: States in which an improvement ends here.
RESTED = frozenset({State.KEPT, State.ROLLED_BACK})
KEPT = [*BEFORE, *STEP, *STEP, "applied", "kept"]
TAKEN_BACK = [*BEFORE, *STEP, "applied", "undo_started", "undo_done", "rolled_back"]

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(pet_shop: PetShop) -> Iterator[Start]:
    """Return what starts a worker that dies at a point."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(kill_at: str, claim: Claim = BETTER) -> "subprocess.Popen[bytes]":
        settings = pet_shop.settings.model_dump_json()
        process = subprocess.Popen(
            [sys.executable, PROGRAM, pet_shop.store.url, settings, claim.subject],
            env={**os.environ, "KILL_AT": kill_at},
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.wait()


def live_until_killed(
    shop: PetShop, start: Start, kill_at: str, claim: Claim = BETTER
) -> "subprocess.Popen[bytes]":
    """Let a worker turn the loop until it kills itself at a point."""
    shop.kind.claims = (claim,)
    shop.read(10)
    shop.ask(FREE)
    process = start(kill_at, claim)
    deadline = time.monotonic() + DEADLINE_S
    while not has_ended(process):
        assert time.monotonic() < deadline, "it never came to that point"
        approve_what_waits(shop)
        shop.read()
    assert process.returncode == -signal.SIGKILL
    return process


def has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Return whether a process has ended, after leaving it the machine for a moment."""
    try:
        process.wait(READ_EVERY_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def approve_what_waits(shop: PetShop) -> None:
    for each in shop.improvements():
        if each.state is State.AWAITING_APPROVAL:
            with shop.store.transaction() as conn:
                if not decisions(conn, each.improvement_id):
                    approve(conn, each.improvement_id, each.digest)


def end_the_cycle(shop: PetShop) -> None:
    """Let another worker take over, until nothing is left to do."""
    shop.work_until(lambda: shop.cycle(1).phase in ENDED and shop.improvement().state in RESTED)


def ledger(shop: PetShop) -> list[str]:
    """Return the events of the verified ledger; a step that was found done counts as done."""
    key = shop.parts.signer.public_key
    with shop.store.transaction() as conn:
        entries = read_entries(conn, 0, verify_log(conn, key, ()).size)
    said = [unseal(entry.envelope.encode(), key).event for entry in entries]
    return [event.replace("found_done", "done") for event in said]


def builds(shop: PetShop, statement: str) -> int:
    """Return how often production ran statements that begin like this."""
    rows = shop.production.client.execute(
        "SELECT coalesce(sum(calls), 0)::int AS calls FROM pg_stat_statements"
        " WHERE query LIKE %(pattern)s AND dbid = (SELECT oid FROM pg_database"
        "                                           WHERE datname = current_database())",
        {"pattern": f"{statement}%"},
    )
    (row,) = rows
    calls: int = row["calls"]
    return calls


def slow(place: str) -> Any:
    """Return a place to kill at that is tried where there is time."""
    return pytest.param(place, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "kill_at",
    [
        slow("handling:analyze"),
        slow("handling:hypothesize"),
        slow("handling:proposed"),
        "handling:on_trial",
        slow("pairs:3"),
        slow("handling:proven"),
        slow("handling:approved"),
        slow("handling:applying"),
        slow("intent:do:0"),
        slow("happened:do:0"),
        slow("intent:do:1"),
        slow("happened:do:1"),
        slow("committed:applying"),
        slow("handling:watch"),
        slow("handling:learn"),
    ],
)
def test_worker_killed_on_the_way_to_kept(pet_shop: PetShop, start: Start, kill_at: str) -> None:
    before = pet_shop.production.objects()
    live_until_killed(pet_shop, start, kill_at)
    end_the_cycle(pet_shop)
    assert pet_shop.improvement().state is State.KEPT
    assert pet_shop.production.objects() - before == {"honed_pet_owner", "honed_pet"}
    assert pet_shop.production.invalid_indexes() == 0
    assert builds(pet_shop, "CREATE INDEX CONCURRENTLY") == 1
    assert ledger(pet_shop) == KEPT


@pytest.mark.slow
def test_worker_killed_before_it_settles_an_approval(pet_shop: PetShop, start: Start) -> None:
    pet_shop.configure(autonomy=Autonomy.SUPERVISED)
    live_until_killed(pet_shop, start, "handling:awaiting_approval")
    assert pet_shop.improvement().state is State.AWAITING_APPROVAL
    end_the_cycle(pet_shop)
    assert pet_shop.improvement().state is State.KEPT
    assert ledger(pet_shop) == [*KEPT[:3], "awaiting_approval", *KEPT[3:]]


@pytest.mark.parametrize(
    "kill_at", [slow("handling:roll_back"), "intent:undo:0", slow("happened:undo:0")]
)
def test_worker_killed_on_the_way_back(pet_shop: PetShop, start: Start, kill_at: str) -> None:
    before = pet_shop.production.objects()
    live_until_killed(pet_shop, start, kill_at, WORSE)
    end_the_cycle(pet_shop)
    assert pet_shop.improvement().state is State.ROLLED_BACK
    assert pet_shop.production.objects() == before
    assert pet_shop.production.invalid_indexes() == 0
    assert builds(pet_shop, "CREATE INDEX CONCURRENTLY") == 1
    assert ledger(pet_shop) == TAKEN_BACK


@pytest.fixture
def building(pet_shop: PetShop, start: Start) -> Iterator["psycopg.Connection[tuple[int]]"]:
    """Return a session that holds up a build whose worker was killed in the middle of it."""
    pet_shop.read(10)
    pet_shop.ask(FREE)
    with psycopg.connect(pet_shop.production.url) as reader:
        # Its snapshot is older than the index, so the build waits for it at its end.
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM pet")
        process = start("never")
        deadline = time.monotonic() + DEADLINE_S
        while not has_ended(process) and not pet_shop.production.invalid_indexes():
            assert time.monotonic() < deadline, "it never began to build"
        process.kill()
        assert process.wait() == -signal.SIGKILL
        yield reader


def test_build_that_outlives_its_worker_is_waited_for(
    pet_shop: PetShop, building: "psycopg.Connection[tuple[int]]"
) -> None:
    building.rollback()
    end_the_cycle(pet_shop)
    assert outcomes(pet_shop) == [StepOutcome.FOUND_DONE, StepOutcome.DONE]
    assert pet_shop.production.invalid_indexes() == 0
    assert builds(pet_shop, "CREATE INDEX CONCURRENTLY") == 1
    assert ledger(pet_shop) == KEPT


def test_half_built_index_is_taken_away_and_built_again(
    pet_shop: PetShop, building: "psycopg.Connection[tuple[int]]"
) -> None:
    pet_shop.production.client.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE query LIKE 'CREATE INDEX CONCURRENTLY%'"
    )
    building.rollback()
    end_the_cycle(pet_shop)
    assert pet_shop.improvement().state is State.KEPT
    assert outcomes(pet_shop) == [StepOutcome.DONE, StepOutcome.DONE]
    assert "honed_pet_owner" in pet_shop.production.objects()
    assert pet_shop.production.invalid_indexes() == 0
    assert ledger(pet_shop) == KEPT


def outcomes(shop: PetShop) -> list[StepOutcome | None]:
    with shop.store.transaction() as conn:
        return [each.outcome for each in effects_of(conn, shop.improvement().improvement_id)]
