"""Planted copies are found for what they are, and what is no copy is left alone."""

import ast
import random
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honed.space.clones.atoms import Atom, read_atoms
from honed.space.clones.difference import parameters, sameness, statements
from honed.space.clones.groups import clones, similar

STATEMENTS = (
    "total = base + rate * 3",
    "names = sorted(rows, key=str)",
    "if base > 10:\n    rate = base - 1",
    "for row in rows:\n    base += row.size * rate",
    "while rate < base:\n    rate = rate * 2 + 1",
    "print(f'{base} of {rate}')",
    "rows = [row for row in rows if row != rate]",
    "try:\n    rows.pop()\nexcept IndexError as error:\n    print(error, base)",
    "with open(str(base)) as file:\n    rows.extend(file)",
    "base, rate = rate, base",
    "match base:\n    case [first, *rest]:\n        rate = first\n    case _:\n        rate = 0",
    "assert base != 'empty', rows",
)
RENAMED = {
    "base": "start", "rate": "tax", "rows": "lines", "total": "amount", "names": "keys",
    "row": "line", "error": "problem", "file": "handle", "first": "head", "rest": "tail",
}  # fmt: skip

bodies = st.lists(st.sampled_from(STATEMENTS), min_size=7, max_size=12, unique=True)


def function(body: list[str], name: str = "work") -> str:
    inside = textwrap.indent("\n".join([*body, "return base"]), "    ")
    return f"def {name}(base, rate, rows):\n{inside}\n"


class Renamer(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field in ("id", "arg", "name"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                setattr(node, field, self.names.get(value, value))
        return super().generic_visit(node)


class Constants(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        value = node.value + 17 if isinstance(node.value, int) else str(node.value) + "!"
        return ast.copy_location(ast.Constant(value), node)


def renamed(text: str) -> str:
    return ast.unparse(Renamer(RENAMED).visit(ast.parse(text)))


def unit(text: str, path: str = "a.py") -> Atom:
    return next(atom for atom in read_atoms(path, text) if atom.kind != "block")


@settings(deadline=None)
@given(bodies)
def test_comments_blanks_docstrings_and_the_name_leave_both_forms_equal(body: list[str]) -> None:
    one = unit(function(body))
    text = function(body, "other").replace(
        "):\n", "):\n    '''It works.'''\n\n    # so it does\n", 1
    )
    other = unit(text)
    assert (one.exact, one.shape) == (other.exact, other.shape)
    assert one.statements == other.statements


@settings(deadline=None)
@given(bodies)
def test_renaming_changes_the_exact_form_and_not_the_shape(body: list[str]) -> None:
    one, other = unit(function(body)), unit(renamed(function(body)))
    assert one.exact != other.exact
    assert one.shape == other.shape
    assert parameters([one.nodes, other.nodes]) == ()


@settings(deadline=None)
@given(bodies)
def test_other_constants_leave_the_shape_equal_and_become_parameters(body: list[str]) -> None:
    text = function(body)
    one, other = unit(text), unit(ast.unparse(Constants().visit(ast.parse(renamed(text)))))
    assert one.shape == other.shape
    found = parameters([one.nodes, other.nodes])
    assert found is not None
    constants = [each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Constant)]
    assert sum(len(each.places) for each in found) == len(constants)
    for each in found:
        assert [tuple(node.value for node in place) for place in each.places] == (
            [each.values] * len(each.places)
        )


@settings(deadline=None)
@given(bodies, st.integers(1, 3), st.randoms(use_true_random=False))
def test_a_few_statements_more_or_less_make_a_near_copy(
    body: list[str], count: int, chance: random.Random
) -> None:
    body = [*STATEMENTS[:4], *(each for each in body if each not in STATEMENTS[:4])]
    other = list(body)
    for _ in range(min(count, len(body) // 5)):
        other.insert(chance.randrange(len(other) + 1), "rows.append(rate)")
    (group,) = clones([unit(function(body)), unit(renamed(function(other)), "b.py")])
    assert group.type == 3
    assert [atom.path for atom in group.atoms] == ["a.py", "b.py"]
    assert group.parameters is None


@settings(deadline=None)
@given(bodies)
def test_one_statement_that_moves_makes_a_near_copy(body: list[str]) -> None:
    moved = [body[1], body[0], *body[2:]]
    (group,) = clones([unit(function(body)), unit(renamed(function(moved)), "b.py")])
    assert group.type == 3


@settings(deadline=None)
@given(bodies)
def test_a_unit_is_a_copy_of_itself_to_any_measure(body: list[str]) -> None:
    one = unit(function(body))
    assert np.linalg.norm(one.vector) == pytest.approx(1)
    assert sameness(statements(one), statements(one)) == 1
    assert similar(one, [one]) == []
    other = unit(renamed(function(body)), "b.py")
    ((cosine, found),) = similar(one, [one, other], 0.99)
    assert cosine == pytest.approx(1)
    assert found is other


@settings(deadline=None)
@given(st.sets(st.sampled_from(STATEMENTS), min_size=6, max_size=6))
def test_different_statements_are_no_copies(half: set[str]) -> None:
    rest = [each for each in STATEMENTS if each not in half]
    assert clones([unit(function(sorted(half))), unit(function(rest), "b.py")]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x * y + z", "z + y * x"),
        ("x > y and z", "z and y < x"),
        ("f(x) == y", "y == f(x)"),
        ("x | y & 3", "3 & y | x"),
    ],
)
def test_operands_that_may_change_places_are_sorted(one: str, other: str) -> None:
    forms = [
        f"def f(x, y, z):\n  a = {each}\n  b = x\n  c = y\n  d = z\n  return a\n"
        for each in (one, other)
    ]
    assert len({unit(form).shape for form in forms}) == 1
    assert len({unit(form).exact for form in forms}) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("'a' + x", "x + 'a'"),
        ("x - y", "y - x"),
        ("len(x)", "sum(x)"),
        ("x.a", "x.b"),
        ("x < y", "x > y"),
        ("None", "0"),
    ],
)
def test_what_does_something_else_has_another_shape(one: str, other: str) -> None:
    forms = [
        f"def f(x, y):\n  b = x\n  c = y\n  d = 1\n  e = 2\n  return {each}\n"
        for each in (one, other)
    ]
    assert len({unit(form).shape for form in forms}) == 2


def test_a_name_that_stands_for_two_is_no_renaming() -> None:
    body = "\n  b = 2\n  c = 3\n  d = 4\n  e = 5\n  return a + {}\n"
    one, other = (ast.parse(f"def f(a):{body.format(each)}").body for each in ("a", "b"))
    assert parameters([one, other]) is None
    assert parameters([one, [*other, *other]]) is None


def test_one_constant_in_many_places_is_one_parameter() -> None:
    texts = [f"def f(a):\n  b = a + {n}\n  c = b * {n}\n  return c - 1\n" for n in (7, 8)]
    (found,) = parameters([ast.parse(each).body for each in texts]) or ()
    assert found.values == (7, 8)
    assert len(found.places) == 2


def test_recursion_by_another_name_is_the_same() -> None:
    text = "def {0}(n):\n  a = 1\n  b = 2\n  c = a + b\n  d = c\n  return {0}(n - d)\n"
    assert unit(text.format("f")).exact == unit(text.format("g")).exact
    other = text.format("g").replace("return g", "return f")
    assert unit(text.format("f")).exact != unit(other).exact


def test_what_lies_inside_a_copy_is_not_named_again() -> None:
    text = f"class A:\n{textwrap.indent(function(list(STATEMENTS[:8])), '    ')}\n"
    atoms = [*read_atoms("a.py", text), *read_atoms("b.py", text)]
    assert {atom.kind for atom in atoms} == {"class", "method"}
    (group,) = clones(atoms)
    assert (group.type, {atom.kind for atom in group.atoms}) == (1, {"class"})


def test_equal_methods_of_classes_that_are_only_near_are_named() -> None:
    method = textwrap.indent(function(list(STATEMENTS[:8])), "    ")
    texts = [f"class A:\n{method}\n    {more}\n" for more in ("a = 1", "def g(self): return 1")]
    groups = clones([*read_atoms("a.py", texts[0]), *read_atoms("b.py", texts[1])])
    assert [(each.type, each.atoms[0].name) for each in groups] == [(1, "A.work"), (3, "A")]


def test_blocks_are_units_of_their_own() -> None:
    block = "for x in y:\n  a = x\n  b = a\n  c = b\n  d = c\n  y.append(d)\n"
    (atom,) = read_atoms("a.py", block)
    assert (atom.kind, atom.name, atom.line, atom.end_line, atom.statements) == (
        "block",
        "",
        2,
        6,
        5,
    )


@settings(deadline=None)
@given(st.text() | st.text("():[]{}'\"\\\n\t\f #:=f1x@", max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert isinstance(read_atoms("a.py", text), list)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        "-" * 50_000 + "1",
        "x" + ".a" * 20_000,
        "1" + "+1" * 20_000,
        "\0",
        "def f(:",
        "if x:\n" + "".join(" " * n + "if x:\n" for n in range(1, 99)),
        "\ufeffx = 1",
    ],
)
def test_hostile_text_has_no_units(text: str) -> None:
    assert read_atoms("a.py", text) == []
