"""A person's repository with a history, honed's clone of it, and what proposers work with."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from honed.config import Settings
from honed.repair.suite import Budget
from honed.sandbox.box import Limits
from honed.targets.repository.git.clone import Clone, open_clone
from honed.targets.repository.git.worktree import worktree
from honed.targets.repository.judging.judge import Court
from honed.targets.repository.judging.proposer import Bench, Trouble
from honed.testing.repositories import Checkout
from honed.testing.repository_worlds import require_sandbox


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "person")


@pytest.fixture
def clone(checkout: Checkout, tmp_path: Path) -> Clone:
    """Return a clone that is empty until it fetches."""
    return open_clone(str(checkout.folder), tmp_path / "home" / "clone")


@dataclass
class Workshop:
    """Makes troubles of the newest commit, and benches."""

    clone: Clone
    home: Path
    stack: ExitStack

    def trouble(self, *failing: str, **more: Any) -> Trouble:
        self.clone.fetch()
        tree = self.stack.enter_context(worktree(self.clone, "main", self.home / "worktrees"))
        return Trouble(tree.root, tree.commit, failing, **more)

    def bench(self, **more: Any) -> Bench:
        court = Court(Path(sys.executable), Limits(cpu_s=30, wall_s=60), tests=("tests",))
        usual: dict[str, Any] = {
            "budget": Budget(seconds=60, processes=1, seed=7),
            "settings": Settings(home=self.home),
            "clone": self.clone,
        }
        return Bench(court, **{**usual, **more})


@pytest.fixture
def workshop(clone: Clone, tmp_path: Path) -> Iterator[Workshop]:
    require_sandbox()
    with ExitStack() as stack:
        yield Workshop(clone, tmp_path / "home", stack)


MakeHistory = Callable[..., list[str]]


@pytest.fixture
def history(checkout: Checkout) -> MakeHistory:
    """Return what commits texts by path, one mapping a commit."""

    def make(*commits: dict[str, str]) -> list[str]:
        return [
            checkout.commit({path: text.encode() for path, text in files.items()})
            for files in commits
        ]

    return make
