"""The hand of repositories: a change is proposed once, gone on with after a crash, taken back."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from honed.core.change import CodeChange, FileChange
from honed.core.forge import ChangeState, CheckState
from honed.core.step import Step, StepState
from honed.errors import StepFailed, TargetUnavailable
from honed.ledger.statement import Statement
from honed.storage.db import Database
from honed.targets.repository.evidence import suites
from honed.targets.repository.publishing import grounds
from honed.targets.repository.publishing.acts import Publication, change_of, publish_step
from honed.targets.repository.publishing.papers.papers import with_papers
from honed.targets.repository.replay import publication, replay
from honed.targets.repository.requests import changes, reviewing
from honed.targets.repository.requests.change import Change, Wanted
from honed.testing.repository_worlds import (
    PRICES,
    WRONG_SLICE,
    RepositoryWorld,
    make_repository_world,
)

REPAIRED = PRICES.replace("prices[1:]", "prices")


@pytest.fixture
def world(store: Database, tmp_path: Path) -> RepositoryWorld:
    return make_repository_world(WRONG_SLICE, store, tmp_path)


@pytest.fixture
def change(world: RepositoryWorld) -> CodeChange:
    """Return a change of the branch as it is."""
    base = world.target.shape().commit
    files = (FileChange("shop/prices.py", PRICES, REPAIRED), FileChange("new.py", None, "X = 1\n"))
    return CodeChange(base, files, ("tests/test_prices.py",), "Count the first price, too")


@pytest.fixture
def step(world: RepositoryWorld, change: CodeChange) -> Step:
    """Return the step that proposes it."""
    publication = Publication(change, "main", "failing test: total", "Count it, too", "Why.")
    return publish_step(world.target.clone(), publication)


def proposed(world: RepositoryWorld) -> list[Change]:
    with world.store.transaction() as conn:
        return changes.changes(conn, Wanted("shop", tuple(ChangeState)))


def test_a_step_holds_the_change_to_the_byte(
    world: RepositoryWorld, change: CodeChange, step: Step
) -> None:
    stored = Step.from_json(json.loads(json.dumps(step.to_json())))
    assert stored == step
    assert change_of(stored, world.target.clone()) == change
    assert "cheapest" not in step.do[0], "what does not change is not in it"


def test_it_is_proposed_once_and_taken_back_once(world: RepositoryWorld, step: Step) -> None:
    before = world.target.shape()
    assert world.inspect(step) is StepState.ABSENT
    for _ in range(2):
        world.carry_out([step])
        assert world.inspect(step) is StepState.DONE
        assert len(proposed(world)) == 1, "again is the same"
    (found,) = proposed(world)
    assert world.checkout.git("show", f"{found.branch}:shop/prices.py") == REPAIRED.strip()
    assert world.checkout.git("rev-parse", f"{found.branch}^") == before.commit
    assert world.target.shape() == before, "a proposal moves nothing"
    assert world.target.withheld("failing test: total") == "duplicate"
    for _ in range(2):
        world.carry_out([step.inverse()])
        assert world.inspect(step) is StepState.ABSENT
    assert world.branches() == {"main"}
    assert [each.state for each in proposed(world)] == [ChangeState.CLOSED]
    assert world.target.withheld("failing test: total") == ""


def test_it_is_found_behind_any_number_of_later_ones(
    world: RepositoryWorld, step: Step, store: Database
) -> None:
    merged(world, step)
    world.carry_out([step.inverse()])
    branch = proposed(world)[0].branch
    with store.transaction() as conn:
        conn.execute(
            "INSERT INTO honed.change_request (target_id, root_cause, patch_digest, branch,"
            " base_branch, base_commit, head_commit, title, body, lane, forge)"
            " SELECT target_id, n::text, patch_digest, 'improvement/' || n, base_branch,"
            " base_commit, repeat('f', 40), title, body, lane, forge"
            " FROM honed.change_request, generate_series(1, 1001) AS n WHERE branch = %s",
            [branch],
        )
    with world.hand() as hand:
        assert hand.facts(step)["commit"] == json.loads(step.do[0])["commit"]
        assert hand.inspect(step) is StepState.ABSENT, "its revert is proposed"
    assert world.target.is_open(branch)


def test_half_of_it_is_seen_and_gone_on_with(world: RepositoryWorld, step: Step) -> None:
    world.carry_out([step])
    (found,) = proposed(world)
    world.checkout.git("branch", "--quiet", "-D", found.branch)
    assert world.inspect(step) is StepState.PARTIAL
    world.carry_out([step])
    assert world.inspect(step) is StepState.DONE
    with world.hand() as hand:
        reviewing.withdraw(hand.desk, found.change_id, "killed half-way")
    assert world.inspect(step) is StepState.PARTIAL
    world.carry_out([step.inverse(), step])
    assert world.inspect(step) is StepState.DONE


def test_another_commit_than_the_approved_one_is_not_pushed(
    world: RepositoryWorld, step: Step
) -> None:
    act = json.loads(step.do[0])
    act["change"]["message"] = "Something else"
    with pytest.raises(StepFailed, match="was approved"):
        world.carry_out([replace(step, do=(json.dumps(act),))])
    assert world.branches() == {"main"}


def test_a_branch_that_was_set_back_is_no_merge(world: RepositoryWorld, step: Step) -> None:
    world.carry_out([step])
    (found,) = proposed(world)
    world.checkout.git("branch", "--quiet", "-f", found.branch, "main")
    with world.hand() as hand:
        now = reviewing.refresh(hand.desk, found.change_id)
    assert now.state is ChangeState.OPEN


def test_a_branch_that_somebody_moved_stays(world: RepositoryWorld, step: Step) -> None:
    world.carry_out([step])
    (found,) = proposed(world)
    world.checkout.git("checkout", "--quiet", found.branch)
    mine = world.checkout.commit({"notes.txt": b"mine"})
    world.carry_out([step.inverse()])
    assert world.inspect(step) is StepState.ABSENT
    assert world.checkout.git("rev-parse", found.branch) == mine
    with pytest.raises(StepFailed, match="not where it was"):
        world.carry_out([step])


def test_the_same_lines_are_proposed_once(
    world: RepositoryWorld, change: CodeChange, step: Step
) -> None:
    said = replace(change, message="Settle what services raised")
    other = Publication(said, "main", "exception 1", "Settle it", "Why.")
    world.carry_out([step])
    (found,) = proposed(world)
    with pytest.raises(StepFailed, match=f"request {found.change_id} proposes the same lines"):
        world.carry_out([publish_step(world.target.clone(), other)])
    assert proposed(world) == [found]


def merged(world: RepositoryWorld, step: Step) -> Change:
    """Return the change of a step after a person let it in."""
    world.carry_out([step])
    (found,) = proposed(world)
    world.checkout.git("checkout", "--quiet", "--detach")
    with world.hand() as hand:
        return reviewing.merge(hand.desk, found.change_id)


def test_what_is_merged_is_taken_back_by_a_change_that_reverts_it(
    world: RepositoryWorld, step: Step
) -> None:
    before = world.target.shape()
    merged(world, step)
    after = world.target.shape()
    assert after != before
    assert after.is_due_to(step, before), "a merge of its commit is its own doing"
    assert world.inspect(step) is StepState.DONE
    world.carry_out([step.inverse()])
    assert world.inspect(step) is StepState.ABSENT
    revert, first = proposed(world)
    assert (first.state, revert.state) == (ChangeState.MERGED, ChangeState.OPEN)
    assert world.checkout.git("diff", before.commit, revert.branch) == ""
    assert first.checks_state is CheckState.PASSED


def test_of_a_revert_no_check_is_told_and_a_person_lets_it_in(
    world: RepositoryWorld, step: Step, store: Database
) -> None:
    before = world.target.shape()
    merged(world, step)
    world.carry_out([step.inverse()])
    revert = proposed(world)[0]
    assert (revert.checks, revert.checks_state) == ((), CheckState.PENDING)
    assert "No check of honed's ran" in revert.body
    with world.hand() as hand:
        assert reviewing.carry_out(hand.desk, "shop") == {}, "nobody has asked"
        with replace(store, role="honed_approver").transaction() as conn:
            changes.ask_merge(conn, revert.change_id)
        assert reviewing.carry_out(hand.desk, "shop") == {revert.change_id: ""}
    world.checkout.git("diff", "--exit-code", before.commit, "main")


def test_a_merge_that_is_seen_meanwhile_is_not_taken_for_its_revert(
    world: RepositoryWorld, step: Step
) -> None:
    world.carry_out([step])
    (found,) = proposed(world)
    with world.hand() as hand:
        world.checkout.git("checkout", "--quiet", "main")
        world.checkout.git("merge", "--quiet", "--ff-only", found.branch)
        seen = replace(found.to_request(), state=ChangeState.MERGED, merge_commit=found.head_commit)
        hand.desk.record(found.change_id, seen)
        assert hand.inspect(step) is StepState.DONE
        hand.run(step.inverse())
        assert hand.inspect(step) is StepState.ABSENT
    assert [each.state for each in proposed(world)] == [ChangeState.OPEN, ChangeState.MERGED]


def test_what_was_changed_after_the_merge_is_not_reverted(
    world: RepositoryWorld, step: Step
) -> None:
    before = world.target.shape()
    merged(world, step)
    world.checkout.git("checkout", "--quiet", "main")
    world.checkout.commit({"shop/prices.py": b"PRICES = {}\n"})
    assert not world.target.shape().is_due_to(step, before)
    with pytest.raises(StepFailed, match="by hand"):
        world.carry_out([step.inverse()])
    assert len(proposed(world)) == 1


LOG = "# Changes\n\n## Unreleased\n\n- One.\n\n## 1.0\n\n- Zero.\n"
SAID = "- Repair `total` in `shop/prices.py`.\n"


@pytest.fixture
def told(world: RepositoryWorld) -> Step:
    """Return the step that proposes a change, and a line of the changelog with it."""
    world.checkout.commit({"CHANGES.md": LOG.encode()})
    base = world.target.shape().commit
    files = (FileChange("shop/prices.py", PRICES, REPAIRED),)
    change = with_papers(CodeChange(base, files, message="Count it"), world.target.clone())
    publication = Publication(change, "main", "failing test: total", "Count it, too", "Why.")
    return publish_step(world.target.clone(), publication)


def log_of(world: RepositoryWorld, branch: str) -> str:
    return world.checkout.git("show", f"{branch}:CHANGES.md") + "\n"


def test_a_changelog_is_approved_published_and_made_again_with_the_code(
    world: RepositoryWorld, told: Step
) -> None:
    world.carry_out([told])
    (found,) = proposed(world)
    assert log_of(world, found.branch) == LOG.replace("- One.\n", f"- One.\n{SAID}")
    assert world.inspect(told) is StepState.DONE
    detail = {"statements": list(told.do)}
    statement = Statement("step_started", datetime.now(UTC), "here", 1, {"step": "0" * 64}, detail)
    made = replay(publication(statement), world.target.clone())
    assert made.is_same
    assert f"+{SAID}" in made.patch
    assert made.commit == found.head_commit


def test_the_undo_takes_the_line_out_of_a_changelog_that_went_on(
    world: RepositoryWorld, told: Step
) -> None:
    merged(world, told)
    world.checkout.git("checkout", "--quiet", "main")
    today = LOG.replace("- One.\n", f"- One.\n{SAID}- Two.\n")
    later = REPAIRED + "\n\ndef last(prices):\n    return prices[-1]\n"
    world.checkout.commit({"CHANGES.md": today.encode(), "shop/prices.py": later.encode()})
    assert world.inspect(told) is StepState.DONE
    world.carry_out([told.inverse()])
    revert = proposed(world)[0]
    assert log_of(world, revert.branch) == today.replace(SAID, "")
    kept = later.replace("in prices:", "in prices[1:]:")
    assert world.checkout.git("show", f"{revert.branch}:shop/prices.py") + "\n" == kept
    assert world.inspect(told) is StepState.ABSENT


def test_a_changelog_that_is_no_text_any_more_is_left_alone(
    world: RepositoryWorld, told: Step
) -> None:
    merged(world, told)
    world.checkout.git("checkout", "--quiet", "main")
    today = b"## Unreleased\n\n" + SAID.encode() + b"- caf\xe9\n"
    world.checkout.commit({"CHANGES.md": today})
    world.carry_out([told.inverse()])
    revert = proposed(world)[0]
    assert world.checkout.git("diff", "--name-only", "main", revert.branch) == "shop/prices.py"


def test_what_a_person_reverted_is_taken_back_whatever_the_changelog_says(
    world: RepositoryWorld, told: Step
) -> None:
    merged(world, told)
    world.checkout.git("checkout", "--quiet", "main")
    released = LOG.replace("## Unreleased", "## 1.1").replace("- One.\n", f"- One.\n{SAID}")
    world.checkout.commit({"CHANGES.md": released.encode(), "shop/prices.py": PRICES.encode()})
    assert world.inspect(told) is StepState.ABSENT


def test_lines_that_two_changes_add_to_a_changelog_are_merged_in_honed_itself(
    world: RepositoryWorld, told: Step
) -> None:
    world.carry_out([told])
    world.checkout.commit({"CHANGES.md": LOG.replace("- One.\n", "- One.\n- Two.\n").encode()})
    world.checkout.git("checkout", "--quiet", "--detach")
    (found,) = proposed(world)
    with world.hand() as hand:
        assert reviewing.merge(hand.desk, found.change_id).state is ChangeState.MERGED
    assert sorted(log_of(world, "main").splitlines()) == sorted(f"{LOG}- Two.\n{SAID}".splitlines())


def test_a_repository_that_is_away_is_waited_for(world: RepositoryWorld, step: Step) -> None:
    world.checkout.folder.rename(world.checkout.folder.with_name("elsewhere"))
    with pytest.raises(TargetUnavailable):
        world.carry_out([step])
    with pytest.raises(TargetUnavailable):
        world.target.shape()


def test_time_passes_in_stretches(world: RepositoryWorld) -> None:
    for _ in range(3):
        world.target.sample()
    first, second = world.target.intervals()
    assert first.end == second.start
    assert world.target.intervals(since=second.start) == [second]
    assert world.target.during(first).usage() == {}


def test_people_are_not_flooded(world: RepositoryWorld, step: Step) -> None:
    assert world.target.obstacles(0) == []
    strict = world.target.within({"forge_open_limit": 1})
    world.carry_out([step])
    assert world.target.obstacles(0) == []
    (why,) = strict.obstacles(0)
    assert "as many changes" in why


def test_every_query_can_be_prepared_by_the_daemon(daemon: Database) -> None:
    for name, query in {**suites.QUERIES, **grounds.QUERIES}.items():
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", query)))
        numbered = re.sub(r"%\((\w+)\)s", lambda found, n=names: f"${n.index(found[1]) + 1}", query)  # type: ignore[misc]  # the names of this query
        with daemon.transaction() as conn:
            conn.execute(f"PREPARE p_{name} AS {numbered}".encode())
