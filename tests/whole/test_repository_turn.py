"""A repository with a failing test: a whole turn of the loop, dry and supervised, and back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from honed.approval.decisions import approve, decisions, roll_back
from honed.approval.policy import write_policy
from honed.config import Settings
from honed.core.forge import ChangeState
from honed.core.verdict import Outcome, State
from honed.improvement.record import Improvement, improvements
from honed.kinds.fix_failing_test import FixFailingTest
from honed.ledger.keys import Signer
from honed.loop.cycle import ENDED, Options, get_cycle, request
from honed.loop.following import follow_changes
from honed.loop.parts import Parts
from honed.storage.db import Database
from honed.targets.registry import connection_url
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change, Lane, Wanted
from honed.testing.pets import pet_worker
from honed.testing.repository_worlds import (
    NO_REPAIR,
    WRONG_SLICE,
    RepositoryPlan,
    RepositoryWorld,
    make_repository_world,
    require_sandbox,
)

SUPERVISED = Options(dry_run=False)


@dataclass
class Shop:
    """A repository, and the loop around it."""

    world: RepositoryWorld
    #: As its owner.
    store: Database
    parts: Parts

    def turn(self, options: Options) -> None:
        """Take one turn; what waits for a person still waits at its end."""
        with self.store.transaction() as conn:
            cycle_id = request(conn, "shop", options)
        self.work()
        with self.store.transaction() as conn:
            assert get_cycle(conn, cycle_id).phase in ENDED

    def work(self) -> None:
        """Handle every message that is due."""
        pet_worker(self.parts).run(until_idle=True)

    def improvement(self) -> Improvement:
        """Return the only improvement."""
        with self.store.transaction() as conn:
            (found,) = improvements(conn)
        return found

    def approve(self) -> None:
        """Let a person say yes, and honed do it."""
        waiting = self.improvement()
        assert waiting.state is State.AWAITING_APPROVAL, waiting.error or waiting.evidence
        assert waiting.digest
        with self.store.transaction() as conn:
            approve(conn, waiting.improvement_id, waiting.digest)
        self.work()

    def roll_back(self) -> None:
        """Let a person ask for it to be taken back, and honed do it."""
        with self.store.transaction() as conn:
            roll_back(conn, self.improvement().improvement_id, "not like this")
        self.work()

    def merge(self) -> None:
        """Let a person merge the change with git, and honed see it."""
        (change,) = self.changes()
        self.world.checkout.git("merge", "--quiet", "--no-ff", "-m", "Merge it", change.branch)
        follow_changes(self.parts, self.world.target.record)
        self.look()

    def look(self) -> None:
        """Let honed look once more at what it watches."""
        with self.store.transaction() as conn:
            conn.execute(
                "UPDATE honed.procrastinate_jobs SET scheduled_at = NULL WHERE task_name = 'learn'"
            )
        self.work()

    def changes(self) -> list[Change]:
        """Return every change, newest first."""
        with self.parts.store.transaction() as conn:
            return changes.changes(conn, Wanted("shop", tuple(ChangeState)))


MakeShop = Callable[..., Shop]


@pytest.fixture
def make_shop(store: Database, tmp_path: Path) -> MakeShop:
    """Return a maker of a loop around a repository of that plan."""
    require_sandbox()

    def make(plan: RepositoryPlan, **rules: object) -> Shop:
        world = make_repository_world(plan, store, tmp_path, **{"autonomy": "supervised", **rules})
        settings = world.target.settings
        settings.home.mkdir(exist_ok=True)
        with store.transaction() as conn:
            write_policy(conn, settings)
        return Shop(world, store, _parts(world, settings))

    return make


def _parts(world: RepositoryWorld, settings: Settings) -> Parts:
    kind = FixFailingTest()
    return Parts(
        store=world.store,
        signer=Signer.load_or_create(settings.key_file),
        settings=settings,
        kinds={kind.name: kind},
        detectors={},
        target=lambda _: world.target,
        acting_url=lambda _: connection_url(world.target.record, acting=True),
        holder="honed shop",
        on_event=lambda _: None,
    )


@pytest.mark.slow
def test_a_dry_run_proves_the_repair_and_leaves_the_repository_alone(make_shop: MakeShop) -> None:
    shop = make_shop(WRONG_SLICE)
    before = shop.world.branches()
    shop.turn(Options())
    found = shop.improvement()
    assert found.state is State.DRY_RUN, found.error or found.evidence
    assert found.area == "quality"
    assert "for price in prices" in found.steps[0].do[0]
    gates = found.evidence["gates"]
    assert isinstance(gates, list)
    assert len(gates) >= 5
    assert all(gate["passed"] for gate in gates if isinstance(gate, dict))
    assert shop.changes() == []
    assert shop.world.branches() == before == {"main"}


@pytest.mark.slow
def test_an_approved_repair_is_proposed_and_taken_back(make_shop: MakeShop) -> None:
    shop = make_shop(WRONG_SLICE)
    base = shop.world.checkout.git("rev-parse", "main")
    shop.turn(SUPERVISED)
    shop.approve()
    found = shop.improvement()
    assert found.state in {State.WATCHING, State.KEPT}, found.error
    (change,) = shop.changes()
    assert (change.state, change.checks_state) == (ChangeState.OPEN, "passed")
    assert (change.improvement_id, change.base_commit) == (found.improvement_id, base)
    assert shop.world.branches() == {"main", change.branch}
    diff = shop.world.checkout.git("diff", base, change.branch)
    assert "-    for price in prices[1:]:" in diff
    assert shop.world.checkout.git("rev-parse", "main") == base, "the branch itself stays"

    shop.roll_back()
    assert shop.improvement().state is State.ROLLED_BACK
    assert shop.world.branches() == {"main"}
    (change,) = shop.changes()
    assert (change.state, change.closed_by_person) == (ChangeState.CLOSED, False)


@pytest.mark.slow
def test_what_is_merged_and_holds_up_is_kept_and_learned_from(make_shop: MakeShop) -> None:
    shop = make_shop(WRONG_SLICE)
    shop.turn(SUPERVISED)
    shop.approve()
    shop.look()
    assert shop.improvement().state is State.WATCHING, "people have all the time they want"
    shop.merge()
    found = shop.improvement()
    assert (found.state, found.outcome) == (State.KEPT, Outcome.HIGH_SUCCESS), found.error
    with shop.parts.store.transaction() as conn:
        (said,) = conn.execute("SELECT score, facts FROM honed.aftermath")
        priors = conn.execute("SELECT prior, merged, kept FROM honed.template_prior").fetchall()
    assert said["score"] == pytest.approx(0.8)
    assert said["facts"]["tests"] == {"lost": [], "repaired": True, "error": ""}
    assert [(row["merged"], row["kept"]) for row in priors] == [(1, 1)]
    assert priors[0]["prior"] > 1.0


@pytest.mark.slow
def test_what_is_merged_and_harms_is_reverted_by_a_change_of_its_own(make_shop: MakeShop) -> None:
    shop = make_shop(WRONG_SLICE)
    with shop.store.transaction() as conn:
        conn.execute(
            "INSERT INTO honed.project (name, public_key, target_id) VALUES ('shop', %s, %s)",
            ["0" * 32, shop.world.target.target_id],
        )
    shop.turn(SUPERVISED)
    shop.approve()
    shop.merge()
    assert shop.improvement().state is State.WATCHING
    with shop.store.transaction() as conn:
        conn.execute(
            "INSERT INTO honed.signal_group (project_id, fingerprint, type, title, culprit, files,"
            " first_seen_at, last_seen_at, event_count, releases, environments, sample, latest)"
            " SELECT project_id, 'new', 'exception', 'IndexError in total', '',"
            " '{/srv/shop/prices.py}', honed.now(), honed.now(), 3, '{}', '{}', '{}', '{}'"
            " FROM honed.project"
        )
    shop.look()
    found = shop.improvement()
    assert (found.state, found.outcome) == (State.ROLLED_BACK, Outcome.REGRESSED), found.error
    revert, change = shop.changes()
    assert (change.state, revert.state) == (ChangeState.MERGED, ChangeState.OPEN)
    assert shop.world.checkout.git("diff", change.base_commit, revert.branch) == ""
    with shop.parts.store.transaction() as conn:
        (prior,) = conn.execute("SELECT prior, reverted FROM honed.template_prior")
    assert prior["reverted"] == 1
    assert prior["prior"] < 1.0


@pytest.mark.slow
def test_a_policy_that_is_free_to_proposes_and_merges_what_every_gate_lets_pass(
    make_shop: MakeShop,
) -> None:
    shop = make_shop(WRONG_SLICE, autonomy="full", require_human_approval=False)
    base = shop.world.checkout.git("rev-parse", "main")
    shop.turn(Options(dry_run=False, require_approval=False))
    (change,) = shop.changes()
    assert change.lane is Lane.AUTOMERGE
    with shop.store.transaction() as conn:
        (decision,) = decisions(conn, shop.improvement().improvement_id)
    assert decision.authority == "policy"
    # git lets nobody push to the branch that a person works on.
    shop.world.checkout.git("checkout", "--quiet", "--detach")
    follow_changes(shop.parts, shop.world.target.record)
    (change,) = shop.changes()
    assert (change.state, change.merge_asked_by) == (ChangeState.MERGED, "the policy")
    assert "prices[1:]" not in shop.world.checkout.git("show", "main:shop/prices.py")
    assert shop.world.checkout.git("rev-parse", "main^1") == base
    shop.look()
    assert shop.improvement().state is State.KEPT


@pytest.mark.slow
def test_a_risk_that_the_settings_leave_to_people_is_proposed_and_not_merged(
    make_shop: MakeShop,
) -> None:
    shop = make_shop(
        WRONG_SLICE, autonomy="full", require_human_approval=False, auto_apply_max_risk=4
    )
    shop.turn(Options(dry_run=False, require_approval=False))
    follow_changes(shop.parts, shop.world.target.record)
    (change,) = shop.changes()
    assert (change.lane, change.state) == (Lane.REVIEW, ChangeState.OPEN)


@pytest.mark.slow
def test_what_no_edit_repairs_is_found_once_and_not_claimed(make_shop: MakeShop) -> None:
    shop = make_shop(NO_REPAIR)
    (finding,) = shop.world.findings()
    assert finding.subject == "tests/test_prices.py::test_later"
    assert "not written yet" in finding.title
    (again,) = shop.world.findings()
    assert again == finding
    with shop.store.transaction() as conn:
        rows = conn.execute("SELECT passed, failing FROM honed.suite_run").fetchall()
    assert [(row["passed"], len(row["failing"])) for row in rows] == [(1, 1)]
    assert not list(FixFailingTest().propose([finding], shop.world.target))
