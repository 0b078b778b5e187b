"""From the envelope of an unmodified SDK to a branch that people review, and to none."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from honed.approval.policy import write_policy
from honed.config import Autonomy, Settings
from honed.core.forge import ChangeState
from honed.storage.db import Database
from honed.testing.hire.faults import FAULTS
from honed.testing.hire.plant import furnish, plant
from honed.testing.hire.stage import Stage, staged
from honed.testing.repository_worlds import require_sandbox
from honed.wiring import open_app

BY_NAME = {fault.name: fault for fault in FAULTS}


@pytest.fixture
def stage(store: Database, honed_home: Path, empty_database: Callable[[], str]) -> Iterator[Stage]:
    """Return honed around the service, with a production that fails when it is told to."""
    require_sandbox()
    settings = Settings(
        home=honed_home, store_url=store.url, autonomy=Autonomy.SUPERVISED, max_changes_per_run=5
    )
    with store.transaction() as conn:
        write_policy(conn, settings)
    production = empty_database()
    furnish(production)
    planted = plant(honed_home / "planted").folder
    with open_app(settings) as app, staged(app, planted, production, honed_home) as made:
        yield made


@pytest.mark.slow
def test_an_exception_of_production_becomes_a_branch_that_repairs_it(stage: Stage) -> None:
    fault = BY_NAME["still out"]
    played = stage.play(fault).turns[0]
    change = played.change
    assert change is not None, played.why_not
    assert (change.state, change.checks_state) == (ChangeState.OPEN, "passed")
    assert played.is_right, played.diff
    with stage.app.parts.store.transaction() as conn:
        (finding,) = conn.execute(
            "SELECT type, subject, evidence FROM honed.finding WHERE type = 'exception'"
        ).fetchall()
        (group,) = conn.execute("SELECT fingerprint, title FROM honed.signal_group").fetchall()
    assert finding["subject"] == group["fingerprint"]
    assert group["title"].startswith("TypeError")
    assert change.improvement_id is not None
    improvement = stage.app.improvement(change.improvement_id)
    assert improvement.kind == "fix_exception"
    gates = improvement.evidence["gates"]
    assert isinstance(gates, list)
    assert all(gate["passed"] for gate in gates if isinstance(gate, dict))

    person = stage.folder / "still-out"
    target = stage.app.target("still-out")
    test = f"tests/test_honed_{group['fingerprint']}.py"
    said = target.clone().git.text("diff", "--name-only", change.base_commit, change.head_commit)  # type: ignore[union-attr]  # it is a repository
    assert sorted(said.split()) == [fault.path, test]
    assert (person / ".git" / "refs" / "heads" / change.branch).is_file()


@pytest.mark.slow
def test_what_no_change_settles_is_left_to_people(stage: Stage) -> None:
    every = stage.play(BY_NAME["ends before it begins"])
    assert every.answers == (), "nobody knows one"
    played = every.last
    assert played.change is None, played.diff
    assert played.why_not
    branches = (stage.folder / "ends-before-it-begins" / ".git" / "refs" / "heads").iterdir()
    assert [each.name for each in branches] == ["main"]
