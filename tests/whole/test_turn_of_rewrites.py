"""Code that can be smaller and code that can be faster: a whole dry turn of the loop on one of it.

The evidence of every gate comes back from the store as it went in.
"""

from pathlib import Path
from typing import Any

import pytest
from tests.kinds.repository.test_batch_queries import ASKS_AGAIN, asking_world
from tests.kinds.repository.test_optimize_code import WASTEFUL
from tests.kinds.repository.test_refactor_code import COPIED

from honed.approval.policy import write_policy
from honed.core.verdict import State
from honed.improvement.record import Improvement, improvements
from honed.kinds.batch_queries import BatchQueries
from honed.kinds.optimize_code import OptimizeCode
from honed.kinds.refactor_code import RefactorCode
from honed.ledger.keys import Signer
from honed.loop.cycle import ENDED, Options, get_cycle, request
from honed.loop.parts import AnyKind, Parts
from honed.storage.db import Database
from honed.targets.registry import connection_url
from honed.testing.pets import pet_worker
from honed.testing.postgres import Databases
from honed.testing.repository_worlds import (
    RepositoryPlan,
    RepositoryWorld,
    make_repository_world,
    require_sandbox,
)


def turned(store: Database, folder: Path, plan: RepositoryPlan, kind: AnyKind) -> list[Improvement]:
    """Return what one dry turn of the loop makes of a repository."""
    require_sandbox()
    return turned_once(make_repository_world(plan, store, folder), store, kind)


def turned_once(world: RepositoryWorld, store: Database, kind: AnyKind) -> list[Improvement]:
    """Return what one dry turn of the loop makes of a world."""
    target, settings = world.target, world.target.settings
    settings.home.mkdir(exist_ok=True)
    parts = Parts(
        store=world.store,
        signer=Signer.load_or_create(settings.key_file),
        settings=settings,
        kinds={kind.name: kind},
        detectors={},
        target=lambda _: target,
        acting_url=lambda _: connection_url(target.record, acting=True),
        holder="honed shop",
        on_event=lambda _: None,
    )
    with store.transaction() as conn:
        write_policy(conn, settings)
        cycle_id = request(conn, "shop", Options())
    pet_worker(parts).run(until_idle=True)
    with store.transaction() as conn:
        assert get_cycle(conn, cycle_id).phase in ENDED
        return list(improvements(conn))


def gates_of(improvement: Improvement) -> dict[str, Any]:
    said: Any = improvement.evidence["gates"]
    return {each["gate"]: each for each in said}


@pytest.mark.slow
def test_what_is_simpler_is_proven(store: Database, tmp_path: Path) -> None:
    found = turned(store, tmp_path, COPIED, RefactorCode())
    proven = [each for each in found if each.state is State.DRY_RUN]
    assert proven, [each.error or each.evidence for each in found]
    for each in proven:
        gates = gates_of(each)
        assert {"same_behaviour", "test_suite", "test_coverage"} <= gates.keys()
        assert {"red_green", "faster"}.isdisjoint(gates)
        assert all(gate["passed"] for gate in gates.values())


@pytest.mark.slow
def test_what_is_faster_is_proven_with_every_block(store: Database, tmp_path: Path) -> None:
    (found,) = turned(store, tmp_path, WASTEFUL, OptimizeCode())
    assert found.state is State.DRY_RUN, found.error or found.evidence
    assert found.area == "performance"
    faster = gates_of(found)["faster"]
    assert faster["passed"]
    assert len(faster["evidence"]["blocks"]) >= 16
    effect = faster["evidence"]["judgement"]["objective"]["effect"]
    # What the first look predicted is what the trial found, as far as two looks agree.
    assert abs(effect - found.hypothesis.predicted_log_ratio) < 0.5


@pytest.mark.slow
def test_who_asks_again_and_again_asks_once(
    store: Database, databases: Databases, tmp_path: Path
) -> None:
    require_sandbox()
    world = asking_world(
        ASKS_AGAIN, lambda plan: make_repository_world(plan, store, tmp_path), databases
    )
    (found,) = turned_once(world, store, BatchQueries())
    assert found.state is State.DRY_RUN, found.error or found.evidence
    assert found.hypothesis.claim.startswith("shop/orders.py asks its database once: line 8")
    gates = gates_of(found)
    assert {"same_behaviour", "test_suite", "test_coverage", "faster"} <= gates.keys()
    assert all(gate["passed"] for gate in gates.values())
    # A connection cannot be called again: that it answers the same is left to the tests.
    assert list(gates["same_behaviour"]["evidence"]["left_to_tests"]) == ["shop/orders.py: names"]
