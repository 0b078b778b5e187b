"""Worlds for the tests of kinds that improve repositories: real ones of git, a real sandbox."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from honed.config import Settings
from honed.core.canonical import Json
from honed.core.finding import Finding
from honed.core.step import Step, StepState
from honed.sandbox.probe import probe
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.registry import Place, TargetRecord, add_target
from honed.targets.repository.publishing.hand import RepositoryHand, at_repository
from honed.targets.repository.target import RepositoryTarget
from honed.testing.postgres import Databases
from honed.testing.repositories import Checkout
from honed.testing.sender import sending

#: A sum that leaves out its first price; three tests see it.
PRICES = """def total(prices):
    cents = 0
    for price in prices[1:]:
        cents += price
    return cents


def cheapest(prices):
    return min(prices)
"""
_TESTS = """import pytest

from shop.prices import cheapest, total


@pytest.mark.parametrize(("prices", "cents"), [([1, 2, 3], 6), ([5], 5), ([], 0), ([4, 4], 8)])
def test_total(prices, cents):
    assert total(prices) == cents


def test_cheapest():
    assert cheapest([3, 2]) == 2
"""


@dataclass(frozen=True, slots=True)
class RepositoryPlan:
    """The files of a repository's only commit, and what services that run it raised."""

    files: Mapping[str, str]
    #: Events as the SDKs of Sentry tell them.
    raised: Sequence[Mapping[str, Any]] = ()
    #: What its row says beside where its tests, its branch and its project are.
    options: Mapping[str, Json] = field(default_factory=dict)


#: One edit repairs it.
WRONG_SLICE = RepositoryPlan(
    {"shop/__init__.py": "", "shop/prices.py": PRICES, "tests/test_prices.py": _TESTS}
)

#: A test fails that no edit of the sources repairs.
NO_REPAIR = RepositoryPlan(
    {
        "shop/__init__.py": "",
        "shop/prices.py": "def total(prices):\n    return sum(prices)\n",
        "tests/test_prices.py": (
            "from shop.prices import total\n\n\n"
            "def test_total():\n    assert total([1, 2]) == 3\n\n\n"
            "def test_later():\n    raise AssertionError('not written yet')\n"
        ),
    }
)


_CART = """def unit_price(prices, name):
    return prices.get(name, 0)


def total(prices, names, rebate=0):
    cents = 0
    for name in names:
        cents += prices[name]
    return cents - rebate
"""
_CART_TESTS = """import pytest

from shop.cart import total, unit_price


@pytest.mark.parametrize(("names", "cents"), [(["tea"], 3), (["tea", "mug"], 10), ([], 0)])
def test_total(names, cents):
    assert total({"tea": 3, "mug": 7}, names) == cents


def test_what_is_not_sold_costs_nothing():
    assert unit_price({"tea": 3}, "pen") == 0
"""


def raised(type_: str, value: str, *frames: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the event of an exception.

    Args:
        type_: its type.

        value: what it says.

        frames: outermost first, as the SDKs of Sentry tell them.
    """
    stack = [{"in_app": True, **each} for each in frames]
    exception = {"type": type_, "value": value, "stacktrace": {"frames": stack}}
    return {"exception": {"values": [exception]}}


#: A name that is not sold; the function beside it says what that costs.
UNKNOWN_NAME = RepositoryPlan(
    {"shop/__init__.py": "", "shop/cart.py": _CART, "tests/test_cart.py": _CART_TESTS},
    raised=[
        raised(
            "KeyError",
            "'pen'",
            {
                "filename": "shop/cart.py",
                "module": "shop.cart",
                "function": "total",
                "lineno": 8,
                "context_line": "        cents += prices[name]",
                "vars": {
                    "prices": {"tea": "3", "mug": "7"},
                    "names": ["'tea'", "'pen'"],
                    "rebate": "0",
                    "cents": "3",
                    "name": "'pen'",
                },
            },
        )
    ],
)

#: What is raised is nothing of the repository's code.
RAISED_ELSEWHERE = RepositoryPlan(
    {"shop/__init__.py": "", "shop/cart.py": _CART, "tests/test_cart.py": _CART_TESTS},
    raised=[
        raised(
            "TimeoutError",
            "no answer",
            {
                "filename": "/usr/lib/python3.11/socket.py",
                "module": "socket",
                "function": "create_connection",
                "lineno": 851,
                "in_app": False,
            },
        )
    ],
)


@dataclass(frozen=True, slots=True)
class RepositoryWorld:
    """A person's repository, and honed's view of it."""

    checkout: Checkout
    target: RepositoryTarget
    store: Database

    def findings(self) -> Sequence[Finding]:
        """Return what honed observes."""
        return self.target.observe(timedelta(hours=1)).findings

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Run ``steps`` for real."""
        for step in steps:
            with self.hand() as hand:
                hand.run(step)

    def inspect(self, step: Step) -> StepState:
        """Return what the repository says of ``step``, which must have an ``inspect``."""
        with self.hand() as hand:
            found = hand.inspect(step)
        assert found is not None
        return found

    @contextmanager
    def hand(self) -> Iterator[RepositoryHand]:
        """Hand out the right to change it."""
        place = Place(self.target.record, self.store)
        with at_repository(place, self.target.settings, lambda: None) as hand:
            yield hand

    def branches(self) -> set[str]:
        """Return the branches of the person's repository."""
        listed = self.checkout.git("for-each-ref", "--format=%(refname:short)", "refs/heads")
        return set(listed.split())


MakeRepositoryWorld = Callable[[RepositoryPlan], RepositoryWorld]


def require_sandbox() -> None:
    """Skip the test where no sandbox holds: no code of a repository is run outside of one."""
    found = probe()
    if not found.is_safe:
        pytest.skip(f"no sandbox: {'; '.join(found.reasons)}")


@contextmanager
def making_repository_worlds(
    server: Server, template: str, folder: Path
) -> Iterator[MakeRepositoryWorld]:
    """Hand out a maker of repositories with stores of their own, and clear those away at the end.

    Args:
        server: of the stores.

        template: the name of a migrated store there.

        folder: for repositories and homes.
    """
    kept = Databases(server, [])

    def make(plan: RepositoryPlan) -> RepositoryWorld:
        store = Database(kept.create(template))
        place = Path(mkdtemp(prefix="repository-", dir=folder))
        return make_repository_world(plan, store, place)

    try:
        yield make
    finally:
        kept.drop_all()


def make_repository_world(
    plan: RepositoryPlan, store: Database, folder: Path, **settings: object
) -> RepositoryWorld:
    """Return a repository with one commit, and a target that may be changed."""
    checkout = Checkout(folder / "person")
    checkout.commit({path: text.encode() for path, text in plan.files.items()})
    url = str(checkout.folder)
    if plan.raised:
        with sending(store) as sender:
            for event in plan.raised:
                sender.event(**event)
    options = {"tests": ["tests"], "branch": "main", "project": "shop", **plan.options}
    record = add_target(store, TargetRecord("shop", url, url, "repository", options))
    daemon = replace(store, role="honed_daemon")
    of_it = Settings.model_validate({"home": folder / "home", **settings})
    return RepositoryWorld(checkout, RepositoryTarget(record, daemon, of_it), daemon)
