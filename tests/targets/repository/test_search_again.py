"""A change is searched for again from its record: the same is found, or why not is said."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from honed.core.canonical import canonical_json
from honed.errors import ChangeRefused
from honed.kinds.fix_failing_test import FixFailingTest
from honed.storage.db import Database
from honed.targets.repository.search_again import search_again
from honed.targets.repository.source import Source
from honed.testing.given_change import FAILING, GivenChange, know_what_fails
from honed.testing.repository_worlds import (
    WRONG_SLICE,
    RepositoryWorld,
    make_repository_world,
    require_sandbox,
)


@pytest.fixture
def world(store: Database, tmp_path: Path) -> RepositoryWorld:
    files = {**WRONG_SLICE.files, "CHANGES.md": "## Unreleased\n\n- One.\n"}
    world = make_repository_world(replace(WRONG_SLICE, files=files), store, tmp_path)
    know_what_fails(world, FAILING)
    return world


def recorded(world: RepositoryWorld, kind: FixFailingTest | GivenChange) -> dict[str, Any]:
    """Return the parameters of a kind's only claim, as the ledger writes them."""
    (claim,) = kind.propose(world.findings(), world.target)
    said: dict[str, Any] = json.loads(canonical_json(claim.parameters))
    return said


@pytest.mark.slow
def test_the_same_seed_and_engine_find_the_same_patch(world: RepositoryWorld) -> None:
    require_sandbox()
    said = recorded(world, FixFailingTest())
    source = Source(world.target.record, world.target.settings)
    found = search_again(said, source)
    assert (found.is_same, found.is_judged) == (True, True), found.words
    assert "-    for price in prices[1:]:" in found.patch
    assert "+- Repair `total` in `shop/prices.py`." in found.patch
    said["search"]["engine"] = "0" * 16
    said["search"]["most_candidates"] = 0
    found = search_again(said, source)
    assert (found.is_same, found.is_judged) == (False, False)
    assert "the engine is another one since" in found.words


def test_what_was_not_searched_for_is_not_searched_again(world: RepositoryWorld) -> None:
    said = recorded(world, GivenChange())
    source = Source(world.target.record, world.target.settings)
    with pytest.raises(ChangeRefused, match="not recorded"):
        search_again(said, source)
    with pytest.raises(ChangeRefused, match="what given proposes cannot be"):
        search_again({**said, "search": {}}, source)
