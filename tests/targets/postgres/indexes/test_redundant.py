from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from honed.targets.postgres.catalog import Catalog, Index
from honed.targets.postgres.indexes.redundant import Reason, find_redundant


def index(name: str, *keys: str, **more: Any) -> Index:
    plain: dict[str, Any] = {
        "schema": "public",
        "name": name,
        "qualified_name": name,
        "table": "public.t",
        "definition": "",
        "method": "btree",
        "keys": keys,
        "included": (),
        "orderings": ("1 0 0",) * len(keys),
        "predicate": "",
        "is_unique": False,
        "is_primary": False,
        "is_valid": True,
        "constraint": "",
        "is_chosen": False,
        "size_bytes": 8192,
        "scans": 3,
    }
    return Index(**{**plain, **more})


def found(
    *indexes: Index, unused: Sequence[str] = (), **more: Any
) -> dict[str, tuple[Reason, str]]:
    catalog = Catalog({}, indexes, (), {}, 0, 180000)
    redundancies = find_redundant(catalog, referencing=more, is_unused=unused)
    return {each.index.name: (each.reason, each.instead) for each in redundancies}


@pytest.mark.parametrize(
    "keeper",
    [
        index("k", "a", is_unique=True),
        index("k", "a", constraint="c", is_unique=True),
        index("k", "a", is_chosen=True),
        index("k", "a", scans=9),
    ],
)
def test_of_two_equal_ones_the_worthier_stays(keeper: Index) -> None:
    assert found(keeper, index("x", "a")) == {"x": (Reason.DUPLICATE, "k")}


@pytest.mark.parametrize(
    "other",
    [
        index("k", "b", "a"),
        index("k", "a", "b", predicate="b > 0"),
        index("k", "a", "b", orderings=("1 0 3", "1 0 0")),
        index("k", "a", "b", orderings=("2 0 0", "1 0 0")),
        index("k", "a", "b", is_valid=False),
        index("k", "a", "b", method="gist"),
    ],
)
def test_what_cannot_stand_in_saves_nobody(other: Index) -> None:
    assert "x" not in found(index("x", "a"), other)


def test_included_columns_must_be_there_too() -> None:
    narrow = index("x", "a", included=("c",))
    assert found(narrow, index("k", "a", "b")) == {}
    assert found(narrow, index("k", "a", "c")) == {"x": (Reason.PREFIX, "k")}


def test_a_beginning_stands_in_for_no_other_than_btree() -> None:
    assert found(index("x", "a", method="gin"), index("k", "a", "b", method="gin")) == {}


def test_something_always_stays_for_what_goes() -> None:
    indexes = [index("x", "a"), index("y", "a"), index("z", "a", "b"), index("w", "a", "b")]
    for order in permutations(indexes):
        gone = found(*order)
        assert set(gone) in ({"x", "y", "z"}, {"x", "y", "w"})
        assert all(instead not in gone for _, instead in gone.values())


def test_an_unused_one_goes_unless_a_foreign_key_needs_it() -> None:
    indexes = (index("x", "a", "b"), index("y", "c"))
    assert found(*indexes, unused=["x", "y"], **{"public.t": [("b", "a")]}) == {
        "y": (Reason.UNUSED, "")
    }


def test_a_half_built_one_goes_unless_it_is_being_built() -> None:
    half = index("x", "a", is_valid=False, is_unique=True)
    assert found(half) == {"x": (Reason.INVALID, "")}
    catalog = Catalog({}, (half,), (), {}, 0, 180000)
    assert find_redundant(catalog, referencing={}, is_unused=(), in_progress=["x"]) == []
