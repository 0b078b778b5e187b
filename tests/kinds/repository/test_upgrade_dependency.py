"""A release is proposed that the tests pass with, and one that they do not is refuted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import pytest

from honed.core.change import Purpose
from honed.kinds.upgrade_dependency import UpgradeDependency
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.repository.publishing.acts import change_of
from honed.testing.contract import KindContract, wanted
from honed.testing.postgres import Databases
from honed.testing.repository_worlds import (
    RepositoryPlan,
    RepositoryWorld,
    make_repository_world,
    require_sandbox,
)
from honed.testing.wheels import make_python, make_wheel

_FILES = {
    "shop/__init__.py": "",
    "shop/prices.py": (
        "import tinymoney\n\n\ndef total(prices):\n    return tinymoney.add(*prices)\n"
    ),
    "tests/test_prices.py": (
        "from shop.prices import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"
    ),
    "pyproject.toml": (
        '[project]\nname = "shop"\nversion = "1"\n'
        "dependencies = [\n    'tinymoney >= 1.0',  # sums\n]\n"
    ),
    "requirements.txt": "# what runs\ntinymoney==1.0  # sums\n",
}
_ADD = {"tinymoney.py": "def add(*numbers):\n    return sum(numbers)\n"}
_WRONG = {"tinymoney.py": "def add(one, two):\n    return one - two\n"}


@dataclass(frozen=True, slots=True)
class Plan:
    """A repository, and the releases of its one dependency beside 1.0."""

    releases: dict[str, dict[str, str]]
    files: dict[str, str] = field(default_factory=dict)
    says: tuple[str, ...] = ("License-Expression: MIT",)


ILL = Plan({"1.0.1": _ADD, "1.2": _ADD, "2.0": _WRONG, "1.3rc1": _WRONG})
WELL = Plan({"0.9": _ADD, "1.1.dev3": _ADD})

MakeWorld = Callable[[Plan], RepositoryWorld]


@pytest.fixture(scope="class")
def make_world(
    postgres_server: Server, migrated_template: str, session_folder: Path
) -> Iterator[MakeWorld]:
    """Return a maker of repositories whose tests have a Python of their own."""
    require_sandbox()
    kept = Databases(postgres_server, [])

    def make(plan: Plan) -> RepositoryWorld:
        store = Database(kept.create(migrated_template))
        folder = Path(mkdtemp(prefix="upgrade-", dir=session_folder))
        wheels = folder / "wheels"
        first = make_wheel(wheels, "tinymoney", "1.0", _ADD, ["License-Expression: MIT"])
        for version, modules in plan.releases.items():
            make_wheel(wheels, "tinymoney", version, modules, plan.says)
        files = RepositoryPlan({**_FILES, **plan.files})
        world = make_repository_world(files, store, folder, package_wheels=wheels)
        make_python(world.checkout.folder / ".venv", [first])
        return world

    try:
        yield make
    finally:
        kept.drop_all()


@pytest.mark.slow
class TestUpgradeDependency(KindContract):
    kind = UpgradeDependency()
    ill = ILL
    well = WELL


@pytest.mark.slow
class TestReleases:
    """What is proposed of which releases."""

    def test_the_pin_is_raised_within_the_major_version(self, make_world: MakeWorld) -> None:
        target = make_world(ILL).target
        kind = UpgradeDependency()
        [finding] = kind.look(target)
        [claim] = kind.propose([finding], target)
        assert claim.claim == "the tests pass with tinymoney 1.2 (minor) instead of 1.0"
        change = change_of(kind.apply(claim, target)[0], target.clone())
        assert change.purpose is Purpose.UPGRADE
        assert [(each.path, each.after) for each in change.files] == [
            ("requirements.txt", "# what runs\ntinymoney==1.2  # sums\n")
        ]

    def test_it_is_told_where_nothing_imports_it(self, make_world: MakeWorld) -> None:
        prices = {"shop/prices.py": "def total(prices):\n    return sum(prices)\n"}
        target = make_world(Plan({"1.2": _ADD}, prices)).target
        kind = UpgradeDependency()
        [claim] = kind.propose(list(kind.look(target)), target)
        assert "Nothing in the repository imports it" in claim.claim

    def test_a_release_that_breaks_the_tests_is_refuted(self, make_world: MakeWorld) -> None:
        world = make_world(Plan({"2.0": _WRONG}, says=("License-Expression: AGPL-3.0-only",)))
        kind = UpgradeDependency()
        [claim] = kind.propose(wanted(kind, world), world.target)
        assert "(major)" in claim.claim
        assert "Its licence changes from MIT to AGPL-3.0-only" in claim.claim
        trial = kind.trial(claim, world.target)
        *passed, last = trial.examine(kind.apply(claim, world.target))
        assert all(each.passed for each in passed)
        assert (last.gate, last.passed) == ("test_suite", False)
        assert "test_total" in last.reason

    @pytest.mark.parametrize(
        ("plan", "why"),
        [
            (Plan({"1.2": _ADD}, {"uv.lock": 'name = "tinymoney"\n'}), "uv.lock pins it"),
            (
                Plan(
                    {"1.2": _ADD}, says=("License-Expression: MIT", "Requires-Dist: elsewhere>=2")
                ),
                "it needs elsewhere>=2",
            ),
            (
                Plan({"1.2": _ADD}, {"requirements-dev.txt": "tinymoney==1.0\n"}),
                "2 places pin it",
            ),
            (
                Plan({"1.2": _ADD}, {"requirements.txt": "# autogenerated by x\ntinymoney==1.0\n"}),
                "written by a tool",
            ),
            (Plan({"1.2": _ADD}, {"requirements.txt": "tinymoney==1.1\n"}), "is declared"),
            (Plan({"2.0": _ADD}, {"requirements.txt": "tinymoney<2\n"}), "does not allow it"),
        ],
    )
    def test_what_one_line_does_not_settle_is_a_finding_alone(
        self, plan: Plan, why: str, make_world: MakeWorld
    ) -> None:
        target = make_world(plan).target
        kind = UpgradeDependency()
        [finding] = kind.look(target)
        assert why in finding.title
        assert list(kind.propose([finding], target)) == []
