"""Inputs are of the sort that the calls were, and patches are judged by what people would write."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honed.repair.inputs import mutated
from honed.repair.preconditions import preconditions
from honed.repair.rank import distance, silliness, unused

plain = st.one_of(
    st.integers(-50, 50),
    st.text("abc ", max_size=5),
    st.lists(st.integers(0, 9), max_size=5),
    st.dictionaries(st.text("xy", max_size=2), st.integers(), max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.lists(st.integers(1, 9), max_size=6)), min_size=1))
def test_every_mutation_holds_what_all_calls_hold(calls: list[tuple[int, list[int]]]) -> None:
    texts = [[repr(each) for each in call] for call in calls]
    rules = preconditions([list(call) for call in calls])
    for found in mutated(texts, 40, seed=7):
        call = [ast.literal_eval(text) for text in found]
        assert all(rule(call) for rule in rules)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(plain, plain), min_size=1, max_size=5), st.integers(0, 99))
def test_mutations_are_the_same_for_a_seed_and_never_twice(
    calls: list[tuple[object, object]], seed: int
) -> None:
    texts = [[repr(each) for each in call] for call in calls]
    found = mutated(texts, 30, seed)
    assert found == mutated(texts, 30, seed)
    assert len({tuple(each) for each in found}) == len(found)


def test_order_signs_and_proportions_are_kept() -> None:
    calls = [["[1, 3, 8]", "3"], ["[0, 2, 5, 9]", "9"], ["[4, 6, 7, 11, 12]", "4"]]
    for values, wanted in mutated(calls, 100, seed=1):
        known = ast.literal_eval(values)
        assert known == sorted(known)
        assert ast.literal_eval(wanted) in known


@pytest.mark.parametrize(
    "text",
    ["x * 1", "x + 0", "not not x", "x == x", "x - x", "n ** -1", "n + 1 - 1", "1 + 2",
     "abs(abs(x))", "max(x, x)", "x and True", "1 if True else 2"],
)  # fmt: skip
def test_what_nobody_would_write_is_silly(text: str) -> None:
    assert silliness(ast.parse(text)) >= 1


@pytest.mark.parametrize(
    "text",
    ["x * 2", "x - 1", "-x", "x == y", "n ** 2", "abs(x - y)", "max(x, 0)", "not x", "'a' + x"],
)
def test_what_people_write_is_not(text: str) -> None:
    assert silliness(ast.parse(text)) == 0


def test_names_that_nothing_reads_are_found() -> None:
    tree = ast.parse("def f(a, b, _c):\n    d = a\n    e = 1\n    return e")
    assert unused(tree) == {"b", "d"}


def test_distance_counts_tokens_and_not_layout() -> None:
    assert distance(b"a = b  # why\n", b"a   =   b\n") == 0
    assert distance(b"a = b\n", b"a = c\n") == 2
