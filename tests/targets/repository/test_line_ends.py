"""A file keeps its ends of lines, whatever is changed of it, and its changelog with it."""

from dataclasses import replace
from pathlib import Path

import pytest

from honed.kinds.fix_failing_test import FixFailingTest
from honed.kinds.refactor_code import RefactorCode
from honed.storage.db import Database
from honed.targets.repository.judging.judge import Checkout
from honed.targets.repository.requests import changes
from honed.testing.repository_worlds import (
    PRICES,
    WRONG_SLICE,
    RepositoryPlan,
    RepositoryWorld,
    make_repository_world,
    require_sandbox,
)

LOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A basket.\n"
SAID = "\n### Fixed\n\n- Repair `total` in `shop/prices.py`.\n"


def of_windows(plan: RepositoryPlan) -> RepositoryPlan:
    return replace(
        plan, files={path: text.replace("\n", "\r\n") for path, text in plan.files.items()}
    )


@pytest.fixture
def world(store: Database, tmp_path: Path) -> RepositoryWorld:
    plan = replace(WRONG_SLICE, files={**WRONG_SLICE.files, "CHANGELOG.md": LOG})
    return make_repository_world(of_windows(plan), store, tmp_path)


def shown(world: RepositoryWorld, branch: str, path: str) -> bytes:
    found = world.target.clone().read(branch, path)
    assert found is not None
    return found


@pytest.mark.slow
def test_a_repair_changes_one_line_and_no_end_of_one(world: RepositoryWorld) -> None:
    require_sandbox()
    kind = FixFailingTest()
    (claim,) = kind.propose(world.findings(), world.target)
    steps = kind.apply(claim, world.target)
    results = list(kind.trial(claim, world.target).examine(steps))
    assert all(each.passed for each in results), results[-1]
    assert results[0].evidence["files"] == ["shop/prices.py", "CHANGELOG.md"]
    world.carry_out(steps)
    with world.store.transaction() as conn:
        (found,) = changes.changes(conn)
    world.target.shape()
    code = shown(world, found.branch, "shop/prices.py")
    assert code.count(b"\r\n") == code.count(b"\n") == PRICES.count("\n")
    log = shown(world, found.branch, "CHANGELOG.md")
    assert log == f"{LOG}{SAID}".replace("\n", "\r\n").encode()
    stat = world.checkout.git("diff", "--numstat", "main", found.branch)
    assert stat.split() == ["4", "0", "CHANGELOG.md", "1", "1", "shop/prices.py"]


@pytest.mark.slow
def test_a_refactor_keeps_them_too(store: Database, tmp_path: Path) -> None:
    require_sandbox()
    text = "import os\nimport sys\n\n\ndef total(prices):\n    return sum(prices), sys.path\n"
    plan = RepositoryPlan({"shop/__init__.py": "", "shop/prices.py": text})
    world = make_repository_world(of_windows(plan), store, tmp_path)
    diffs = [str(each.evidence["diff"]) for each in RefactorCode().look(world.target)]
    changed = [line for line in diffs[0].split("\n") if line[:1] in {"+", "-"}]
    assert changed == ["--- a/shop/prices.py", "+++ b/shop/prices.py", "-import os\r"]


def test_a_side_reads_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"a = 1\r\nb = 2\n")
    court = None
    assert Checkout(tmp_path, {}, court).read("a.py") == "a = 1\r\nb = 2\n"  # type: ignore[arg-type]  # nothing is run
