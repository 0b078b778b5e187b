"""A person's repository, and honed's clone of it."""

from pathlib import Path

import pytest

from honed.targets.repository.git.clone import Clone, open_clone
from honed.testing.repositories import Checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "person")


@pytest.fixture
def clone(checkout: Checkout, tmp_path: Path) -> Clone:
    """Return a clone that is empty until it fetches."""
    return open_clone(str(checkout.folder), tmp_path / "home" / "clone")
