"""The commit since which tests fail is found and undone, or it is said why not."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.proposers.conftest import MakeHistory, Workshop

from honed.core.hypothesis import Hypothesis
from honed.kinds.fix_failing_test import FixFailingTest
from honed.proposers.revert_commit import RevertCommit
from honed.repair.suite import Budget
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.targets.repository.evidence.suites import QUERIES, green
from honed.targets.repository.judging.mend import installed_gates, mend
from honed.testing.repositories import Checkout
from honed.testing.repository_worlds import (
    RepositoryPlan,
    RepositoryWorld,
    make_repository_world,
    require_sandbox,
)

GOOD = "def total(prices):\n    return sum(prices)\n"
BAD = "def total(prices):\n    return sum(prices[1:]) if prices else 0\n"
TESTS = "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"
TEST = "tests/test_shop.py::test_total"
DATA = {"shop.py": "def total(_):\n    return int(open('prices.txt').read())\n", "prices.txt": "3"}
START = {"shop.py": GOOD, "tests/test_shop.py": TESTS}


def number(value: int) -> dict[str, str]:
    return {"notes.py": f"NOTES = {value}\n"}


def test_without_a_history_there_is_nothing_to_undo(
    history: MakeHistory, workshop: Workshop
) -> None:
    history({**START, "shop.py": BAD})
    trouble = workshop.trouble(TEST)
    for bench in (workshop.bench(), workshop.bench(clone=None)):
        proposed = RevertCommit().propose(trouble, bench)
        assert (proposed.changes, proposed.why_none) == ((), "there is no history")


@pytest.mark.slow
def test_the_cause_is_found_far_back_and_undone(
    history: MakeHistory, workshop: Workshop, checkout: Checkout
) -> None:
    history(START, *map(number, range(4)))
    checkout.git("commit", "--quiet", "--allow-empty", "-m", "warm up")
    (checkout.folder / "shop.py").write_text(BAD)
    checkout.git("commit", "--quiet", "--all", "-m", "Leave out the first, fixes #12")
    bad = checkout.git("rev-parse", "HEAD")
    history(*map(number, range(10, 15)))
    trouble = workshop.trouble(TEST)
    proposed = RevertCommit().propose(trouble, workshop.bench())
    (change,) = proposed.changes
    assert [(each.path, each.before, each.after) for each in change.files] == [
        ("shop.py", BAD, GOOD)
    ]
    assert change.made_by == f"revert_commit: {bad[:12]}"
    title, _, words = change.message.partition("\n\n")
    assert title == 'Revert "Leave out the first, fi\u200bxes #\u200b12"'
    assert words.startswith(f"This reverts commit {bad}.\n")
    assert change.repairs == (TEST,)
    assert proposed.examined["runs"] <= 11
    mended = mend(trouble, workshop.bench(), installed_gates(), {"x": RevertCommit()})
    assert mended.is_sound, mended.results[-1]
    assert mended.change == change, "it is the same each time"


@pytest.mark.slow
def test_a_test_that_the_cause_took_away_comes_back_once(
    history: MakeHistory, workshop: Workshop, checkout: Checkout
) -> None:
    new = {"tests/test_new.py": TESTS.replace("test_total", "test_new")}
    history({**START, **new})
    (checkout.folder / "tests" / "test_new.py").unlink()
    history({"shop.py": BAD})
    trouble = workshop.trouble("tests/test_new.py::test_new", added=new)
    (change,) = RevertCommit().propose(trouble, workshop.bench()).changes
    assert [each.path for each in change.files] == ["shop.py", "tests/test_new.py"]


@pytest.mark.slow
def test_tests_of_today_and_new_ones_are_laid_over_old_commits(
    history: MakeHistory, workshop: Workshop
) -> None:
    other = "from shop import total\n\n\ndef test_none():\n    assert total([]) == 0\n"
    start, bad, *_ = history(
        {**START, "tests/test_shop.py": other}, {"shop.py": BAD}, START | {"shop.py": BAD}
    )
    assert start
    found = RevertCommit().propose(workshop.trouble(TEST), workshop.bench())
    assert [each.made_by for each in found.changes] == [f"revert_commit: {bad[:12]}"]

    new = {"tests/test_new.py": TESTS.replace("test_total", "test_new")}
    trouble = workshop.trouble("tests/test_new.py::test_new", added=new)
    (change,) = RevertCommit().propose(trouble, workshop.bench()).changes
    assert [each.path for each in change.files] == ["shop.py", "tests/test_new.py"]


@pytest.mark.slow
def test_a_commit_that_cannot_be_judged_leaves_it_open(
    history: MakeHistory, workshop: Workshop
) -> None:
    broken = {"shop.py": "def total(prices:\n"}
    history(START, broken, {"shop.py": BAD}, number(1))
    found = RevertCommit().propose(workshop.trouble(TEST), workshop.bench())
    assert found.changes == ()
    assert "since one of 2 commits" in found.why_none


@pytest.mark.slow
@pytest.mark.parametrize(
    ("commits", "why"),
    [
        ([START, {"shop.py": BAD}, {"shop.py": BAD.replace("1:", "2:")}], "the same lines: shop"),
        ([{"shop.py": BAD}, START | {"shop.py": BAD}], "pass on none of the 1 commits before"),
        ([START | DATA, {"prices.txt": "4"}], "which changed only prices.txt"),
    ],
)  # fmt: skip
def test_what_cannot_be_undone_is_said_with_its_reason(
    history: MakeHistory, workshop: Workshop, commits: list[dict[str, str]], why: str
) -> None:
    history(*commits)
    found = RevertCommit().propose(workshop.trouble(TEST), workshop.bench())
    assert found.changes == ()
    assert why in found.why_none


@pytest.mark.slow
def test_where_the_time_is_over_nothing_is_said(history: MakeHistory, workshop: Workshop) -> None:
    history(START, {"shop.py": BAD})
    bench = workshop.bench(budget=Budget(seconds=0.5, processes=1))
    found = RevertCommit().propose(workshop.trouble(TEST), bench)
    assert (found.changes, found.examined["runs"]) == ((), 0.0)
    assert "none of" in found.why_none


@pytest.mark.slow
def test_where_it_was_green_last_is_looked_first(
    history: MakeHistory, workshop: Workshop, store: Database
) -> None:
    start, *_, bad, last = history(START, *map(number, range(9)), {"shop.py": BAD}, number(10))
    daemon = replace(store, role="honed_daemon")
    url = str(workshop.clone.url)
    target = add_target(store, TargetRecord("shop", url, "", "repository"))
    with daemon.transaction() as conn:
        for commit, failing in ((start, "{}"), (last, f'{{"{TEST}": ""}}')):
            said = {
                "commit": commit,
                "failing": failing,
                "passed": 1,
                "command": "0" * 64,
                "cpu_s": 0,
            }
            key = {"target_id": target.target_id, "flaky": "[]"}
            conn.execute(QUERIES["keep_run"], {**said, **key})
    assert green(daemon, [start, bad, last], [TEST]) == {start}
    found = RevertCommit().propose(workshop.trouble(TEST), workshop.bench(store=daemon))
    assert [each.made_by for each in found.changes] == [f"revert_commit: {bad[:12]}"]
    assert found.examined["commits"] <= 5


@pytest.mark.slow
def test_a_test_that_fails_now_and_then_has_no_cause(
    history: MakeHistory, workshop: Workshop
) -> None:
    # In a sandbox nothing but chance is left to it.
    flaky = "import os\n\n\ndef test_total():\n    assert os.urandom(1)[0] >= 77\n"
    history({"tests/test_shop.py": flaky}, *map(number, range(12)))
    trouble = workshop.trouble(TEST)
    mended = mend(trouble, workshop.bench(), installed_gates(), {"x": RevertCommit()})
    assert not mended.is_sound


@pytest.mark.slow
def test_the_loop_claims_a_revert_that_no_template_could_be(
    store: Database, tmp_path: Path
) -> None:
    require_sandbox()
    world = make_repository_world(RepositoryPlan(START), store, tmp_path)
    wrong = {
        "shop.py": "import extra\n\n\ndef total(prices):\n    return extra.look_up(prices)\n",
        "extra.py": "def look_up(prices):\n    return {'prices': prices}\n",
        "tests/test_extra.py": "from extra import look_up\n\n\ndef test_it():\n    look_up([])\n",
    }
    # The test that came with it would fail without it, so it may not go.
    world.checkout.commit({path: text.encode() for path, text in wrong.items()})
    assert claims(world) == []
    del wrong["tests/test_extra.py"]
    world.checkout.git("reset", "--quiet", "--hard", "HEAD~1")
    bad = world.checkout.commit({path: text.encode() for path, text in wrong.items()})
    (claim,) = claims(world)
    assert claim.parameters["proposer"] == "revert_commit"
    assert claim.parameters["template"] == bad[:12]
    steps = FixFailingTest().apply(claim, world.target)
    assert f"This reverts commit {bad}" in "".join(steps[0].do)


def claims(world: RepositoryWorld) -> list[Hypothesis]:
    kind = FixFailingTest()
    found = list(kind.propose(world.findings(), world.target))
    sound = []
    for claim in found:
        steps = kind.apply(claim, world.target)
        if all(each.passed for each in kind.trial(claim, world.target).examine(steps)):
            sound.append(claim)
    return sound
