"""The units of a file of Python that may have been written more than once."""

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from honed.space.clones.forms import (
    ExactForm,
    Function,
    ShapeForm,
    digest,
    own_names,
    without_docstring,
)
from honed.space.clones.vector import Vector, vector

#: Units with fewer statements are alike without being copies.
LEAST_STATEMENTS: Final = 5
_BLOCKS: Final = ("body", "orelse", "finalbody")


@dataclass(frozen=True, slots=True, eq=False)
class Atom:
    """One unit: a function, a method, a class, or the body of a statement such as ``for``."""

    path: str
    #: ``function``, ``method``, ``class`` or ``block``.
    kind: str
    #: Qualified: ``Basket.add``; of a block that of what it stands in, empty for a module.
    name: str
    #: First line, decorators included, and last line; from 1.
    line: int
    end_line: int
    #: How many there are in it, at all depths, without docstrings.
    statements: int
    #: Equal for units that differ in comments, blanks, docstrings and their own names alone.
    exact: str
    #: Equal for units that differ also in names that they bind, in constants, in annotations and
    #: in the order of operands that may change places.
    shape: str
    #: Of length 1; near for units that are nearly the same.
    vector: Vector = field(repr=False)
    #: The definition, or the statements of a block; not to be changed.
    nodes: tuple[ast.stmt, ...] = field(repr=False)
    #: Names that it binds, or that the function around a block does.
    own: frozenset[str] = field(repr=False)

    def overlaps(self, other: "Atom") -> bool:
        """Whether both have a line in common."""
        return (
            self.path == other.path and self.line <= other.end_line and other.line <= self.end_line
        )

    def is_inside(self, other: "Atom") -> bool:
        """Whether it is a part of another atom."""
        if self.path != other.path or self.line < other.line or self.end_line > other.end_line:
            return False
        # Both may stand on the same lines.
        has_same_lines = (self.line, self.end_line) == (other.line, other.end_line)
        return not has_same_lines or self.statements < other.statements


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    prefix: str = ""
    is_class: bool = False
    own: frozenset[str] = frozenset()


def read_atoms(path: str, text: str) -> list[Atom]:
    """Return the units of a file with at least 5 statements, in the order of the text.

    What is no Python of this version, or nested too deep to be read, has none.
    """
    try:
        with warnings.catch_warnings():
            # What Python warns of in somebody's code is not ours to say.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        return list(_atoms(tree, _Place(path)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _atoms(node: ast.AST, place: _Place) -> Iterator[Atom]:
    for name in (*_BLOCKS, "handlers", "cases"):
        children = getattr(node, name, None)
        if not isinstance(children, list):
            continue
        is_block = not isinstance(node, ast.Module | ast.ClassDef | Function)
        if is_block and name in _BLOCKS:
            yield from _atom("block", children, place)
        for child in children:
            yield from _below(child, place)


def _below(child: ast.AST, place: _Place) -> Iterator[Atom]:
    if not isinstance(child, Function | ast.ClassDef):
        yield from _atoms(child, place)
        return
    inside = f"{place.prefix}.{child.name}".lstrip(".")
    is_class = isinstance(child, ast.ClassDef)
    own = frozenset() if is_class else frozenset(_own_of([child])) | place.own
    here = _Place(place.path, inside, is_class, own)
    kind = "class" if is_class else "method" if place.is_class else "function"
    yield from _atom(kind, [child], here)
    yield from _atoms(child, here)


def _own_of(nodes: Sequence[ast.stmt]) -> set[str]:
    """Return the names that units and the functions within them bind."""
    names: set[str] = set()
    for node in nodes:
        for each in ast.walk(node):
            if isinstance(each, Function):
                names |= own_names(ast.iter_child_nodes(each))
    return names


def _atom(kind: str, nodes: Sequence[ast.stmt], place: _Place) -> Iterator[Atom]:
    statements = _count(nodes) - (kind != "block")
    if statements < LEAST_STATEMENTS:
        return
    own_name = "" if kind == "block" else place.prefix.rpartition(".")[2]
    own = _own_of(nodes) | place.own
    if kind == "block":
        own |= own_names(nodes)
    own -= {own_name}
    first = nodes[0]
    decorators = getattr(first, "decorator_list", [])
    yield Atom(
        path=place.path,
        kind=kind,
        name=place.prefix,
        line=min([first.lineno, *(each.lineno for each in decorators)]),
        end_line=nodes[-1].end_lineno or nodes[-1].lineno,
        statements=statements,
        exact=digest(ExactForm(own_name).of(nodes)),
        shape=digest(ShapeForm(own, own_name).of(nodes)),
        vector=vector(nodes, own),
        nodes=tuple(nodes),
        own=frozenset(own),
    )


def _count(nodes: Sequence[ast.stmt]) -> int:
    count = 0
    for node in nodes:
        for each in ast.walk(node):
            count += isinstance(each, ast.stmt)
            if isinstance(each, Function | ast.ClassDef):
                count -= len(each.body) - len(without_docstring(each.body))
    return count
