"""Every edit that a template makes is small, parses or is refused, and is the same each time."""

import ast
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import honed.repair
from honed.repair.candidates import Candidate, changed_part, drafted, joined, ordered, priors
from honed.repair.localise import Spectrum
from honed.repair.source import Source, applied, do_overlap
from honed.repair.suite import Edit
from honed.repair.templates import TEMPLATES

SOURCE = '''\
"""A module."""
import math

LIMIT = 10  # of everything


class Basket:
    def __init__(self, items=None):
        self.items = items or []
        self.total = 0

    def add(self, item, count):
        if item and count > 0 or not item:
            self.items.append((item, count))  # kept
            self.total += count
        return self.total


def search(values, wanted, table):
    # Grüße: more bytes than characters
    low, high = 0, len(values) - 1
    found = None
    while low <= high:
        middle = (low + high) // 2
        if values[middle] == wanted:
            found = middle
            break
        elif values[middle] < wanted:
            low = middle + 1
        else:
            high = middle - 1
    names = [name.lower() for name in table if name]
    for row in table:
        total = math.floor(table[row][low] * 2 ** high)
        print(max(total, low), sorted(values[1:high]), "a" if low else "B")
    def inner():
        yield found
    return found if found is not None and names else -1
'''
#: The same types everywhere: what is proposed is more than at a real run.
TYPES = {
    "values": {"list"},
    "wanted": {"int"},
    "table": {"dict"},
    "low": {"int"},
    "high": {"int"},
    "middle": {"int"},
    "found": {"int", "NoneType"},
    "names": {"list"},
    "row": {"str"},
    "total": {"int"},
    "item": {"str"},
    "count": {"int"},
    "self": {"Basket"},
    "items": {"list", "NoneType"},
}


def candidates(text: str = SOURCE) -> tuple[Source, list[Candidate]]:
    source = Source("/code/module.py", text.encode())
    lines = range(1, text.count("\n") + 1)
    types = {name: frozenset(seen) for name, seen in TYPES.items()}
    spectrum = Spectrum(types={source.path: dict.fromkeys(lines, types)})
    scores = {(source.path, line): 1.0 for line in lines}
    return source, drafted(source, spectrum, scores)


def test_every_template_has_a_prior_and_no_other_name_has_one() -> None:
    synthesis = {"condition_synthesis", "guard_synthesis"}
    assert {template.name for template in TEMPLATES} | synthesis == set(priors())
    assert all(0 < prior <= 1 for prior in priors().values())
    text = (Path(honed.repair.__file__).parent / "priors.json").read_text(encoding="utf-8")
    assert json.loads(text) == dict(priors())


def test_most_templates_have_something_to_say_of_ordinary_code() -> None:
    _, found = candidates()
    silent = {template.name for template in TEMPLATES} - {each.template for each in found}
    assert len(TEMPLATES) >= 45
    assert silent <= {
        "case_pair",
        "leave_block",
        "assigned_element",
        "method_to_function",
        "drop_return",
        "return_claim",
        # What is missing (see test_missing_values) is not missing here.
        "copy_argument",
        "default_value",
        "first_assignment",
        "handled_exception",
        "known_key",
        "whole_quotients",
    }


@pytest.mark.slow
def test_what_is_tried_parses_differs_and_is_new() -> None:
    source, found = candidates()
    tried = list(ordered(found, {source.path: source}))
    assert len(tried) > 1000
    meanings = [ast.dump(ast.parse(applied(source.text, each.edits))) for each in tried]
    assert len(set(meanings)) == len(meanings)
    assert ast.dump(source.tree) not in meanings


@pytest.mark.slow
def test_edits_leave_every_other_byte_alone() -> None:
    source, found = candidates()
    for each in list(ordered(found, {source.path: source}))[::7]:
        after = applied(source.text, each.edits)
        assert not do_overlap(each.edits)
        first = min(edit.start for edit in each.edits)
        last = max(edit.end for edit in each.edits)
        assert after.startswith(source.text[:first])
        assert after.endswith(source.text[last:])
        begin, end, part = changed_part(source, each.edits)
        assert source.text[:begin] + part + source.text[end:] == after


@pytest.mark.slow
def test_the_same_candidates_come_in_the_same_order() -> None:
    (source, found), (_, again) = candidates(), candidates()
    assert found == again
    shuffled = found[::-1]
    some = slice(0, 300)
    first, second = (ordered(each, {source.path: source}) for each in (found, shuffled))
    assert list(first)[some] == list(second)[some]


@pytest.mark.slow
def test_a_weight_makes_a_template_come_earlier_within_bounds() -> None:
    source, plain = candidates()
    lines = {(source.path, line): 1.0 for line in range(1, SOURCE.count("\n") + 1)}

    def promises(weights: dict[str, float]) -> list[tuple[str, float]]:
        types = {name: frozenset(seen) for name, seen in TYPES.items()}
        spectrum = Spectrum(types={source.path: dict.fromkeys([line for _, line in lines], types)})
        return [(each.template, each.promise) for each in drafted(source, spectrum, lines, weights)]

    known = [(each.template, each.promise) for each in plain]
    assert promises({}) == promises({"negate": 1.0}) == known
    for weight, factor in ((1.5, 1.5), (2.0, 2.0), (99.0, 2.0), (0.5, 0.5), (0.0, 0.5), (-3, 0.5)):
        for (name, promise), (_, before) in zip(promises({"negate": weight}), known, strict=True):
            wanted = math.log(factor) if name == "negate" else 0.0
            assert promise - before == pytest.approx(wanted, abs=1e-9)


def test_what_no_failing_test_ran_is_left_alone() -> None:
    source = Source("/code/module.py", SOURCE.encode())
    line = SOURCE[: SOURCE.index("self.total += count")].count("\n") + 1
    found = drafted(source, Spectrum(), {(source.path, line): 1.0})
    touched = {source.text[: edit.start].count(b"\n") + 1 for each in found for edit in each.edits}
    assert touched <= set(range(line - 2, line + 2))


@pytest.mark.parametrize(
    ("before", "after", "template"),
    [
        ("return a < b", "return a <= b", "comparison_operator"),
        ("return a - b * c", "return (a - b) * c", "regroup"),
        ("return (-1) ** 2 * b", "return (-1) ** b", "drop_operand"),
        ("return a and b and c", "return a and c", "drop_clause"),
        ("return a < b", "return abs(a) < abs(b)", "wrap_both"),
        ("return range(a)", "return range(a + 1)", "off_by_one"),
        ("return max(a, b)", "return min(a, b)", "sibling"),
        ("return f(a, b)", "return f(b, a)", "swap_arguments"),
        ("return a[b:c]", "return a[b:]", "slice_bounds"),
        ("return ['a', 'b', 'c', 'd']", "return ['a', 'b']", "drop_elements"),
        ("return 'yes' if a else 'no'", "return 'Yes' if a else 'No'", "case_pair"),
        ("return b.sort()", "return sorted(b)", "method_to_function"),
        ("return not a", "return a", "drop_sign"),
        ("return []", "return [b]", "fill_list"),
        ("return []", "return [[]]", "fill_list"),
        ("a[b] = c[b]", "c[b] = c[b]", "assigned_element"),
        ("return (yield a)", "return (yield b)", "variable"),
        ("return bb.upper()", "return b.upper()", "variable"),
    ],
)
def test_a_template_makes_the_edit_that_it_is_for(before: str, after: str, template: str) -> None:
    head = "def f(a, b, c):\n    "
    source = Source("/code/module.py", f"{head}{before}\n".encode())
    types = dict.fromkeys("abc", frozenset({"int"}))
    spectrum = Spectrum(types={source.path: {2: types}})
    found = drafted(source, spectrum, {(source.path, 2): 1.0})
    texts = {(applied(source.text, each.edits).decode(), each.template) for each in found}
    assert (f"{head}{after}\n", template) in texts


def test_only_a_name_that_nothing_binds_is_unbound() -> None:
    text = """\
import os.path as path
import collections.abc
from math import floor

LIMIT = 1


def f(a, *b, c=LIMIT, **d):
    with open(a) as file:
        lines = [line for line in file]
    try:
        (walrus := len(b))
    except OSError as error:
        print(error, floor(c), path, collections, walrus, lines, f, d, __file__)
    match a:
        case [first, *others] | {"first": first, **others}:
            return first, others
        case whole:
            return whole, misspelt
"""
    assert Source("m.py", text.encode()).unbound == {"misspelt"}
    assert not Source("m.py", b"from math import *\n" + text.encode()).unbound


expressions = st.recursive(
    st.sampled_from(["a", "b", "c", "1", "'x'", "a[0]", "f(a)", "[a, b]", "a.size"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "**", "<", "==", "and", "or"]), inner).map(
            lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
        ),
        inner.map(lambda text: f"-{text}"),
        st.tuples(inner, inner).map(lambda parts: f"f({parts[0]}, {parts[1]})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
    ),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None)
@given(expressions)
def test_expressions_are_replaced_as_wholes(text: str) -> None:
    source = Source("/code/module.py", f"def f(a, b, c):\n    return {text}\n".encode())
    names = ("a", "b", "c")
    spectrum = Spectrum(types={source.path: {2: dict.fromkeys(names, frozenset({"int"}))}})
    found = drafted(source, spectrum, {(source.path, 2): 1.0})
    broken = 0
    for each in found:
        try:
            ast.parse(applied(source.text, each.edits))
        except SyntaxError:
            broken += 1
    assert broken <= len(found) // 50


def test_edits_of_one_place_are_not_joined() -> None:
    one = Candidate("m.py", (Edit(3, 5, "x"),), "a", -1.0)
    assert joined(one, Candidate("m.py", (Edit(4, 6, "y"),), "b", -1.0)) is None
    assert joined(one, Candidate("n.py", (Edit(7, 9, "y"),), "b", -1.0)) is None
    pair = joined(one, Candidate("m.py", (Edit(7, 9, "y"),), "b", -1.0))
    assert pair is not None
    assert (pair.template, pair.promise) == ("a+b", -2.0)
