"""Which units are copies of one another, and which resemble a given one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from honed.space.clones.atoms import Atom
from honed.space.clones.difference import Parameter, parameters, sameness, statements

#: Cosine from which two units are compared statement by statement.
LEAST_COSINE: Final = 0.8
#: Share of their statements that near copies have in common (Roy and Cordy 2008, section 4:
#: fragments of which up to 30 % differs are near misses).
LEAST_SAME: Final = 0.7
_NEAR: Final = 3
#: So many rows of the table of cosines are held at once.
_ROWS: Final = 512


@dataclass(frozen=True, slots=True)
class Group:
    """Units that are copies of one another."""

    #: 1: equal; 2: equal but for names and constants; 3: nearly equal.
    type: int
    #: By path and line.
    atoms: tuple[Atom, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...] | None:
        """What a function for all of them would have to be told; None: it cannot be said."""
        return parameters([atom.nodes for atom in self.atoms]) if self.type != _NEAR else None


def clones(
    atoms: Sequence[Atom], *, least_cosine: float = LEAST_COSINE, least_same: float = LEAST_SAME
) -> list[Group]:
    """Return the groups of copies, the closest sort first, then those with most statements.

    A unit is in at most one group of each type; a group whose units are all parts of the units of
    another group of the same or a closer type is left out. Units that overlap are no copies of
    each other. Near copies are found through each other: the first and the last of a group may
    differ by more than two neighbours do. With a ``least_same`` above 1 none are looked for.
    """
    equal = _equal(atoms, "exact", 1)
    alike = [
        group
        for group in _equal(atoms, "shape", 2)
        if len({atom.exact for atom in group.atoms}) > 1
    ]
    near = _near(_first_of_each(atoms), least_cosine, least_same) if least_same <= 1 else ()
    return _outermost([*equal, *alike, *near])


def similar(
    atom: Atom, atoms: Sequence[Atom], least: float = LEAST_COSINE
) -> list[tuple[float, Atom]]:
    """Return the units of the same sort that resemble a given one, the nearest first.

    The number is the cosine of their vectors, at least ``least``; nothing is compared in detail.
    """
    others = [each for each in atoms if _sort(each) == _sort(atom) and not each.overlaps(atom)]
    if not others:
        return []
    cosines = np.stack([each.vector for each in others]) @ atom.vector
    found = [(float(cosines[n]), others[n]) for n in np.flatnonzero(cosines >= least)]
    return sorted(found, key=lambda each: (-each[0], each[1].path, each[1].line))


def _sort(atom: Atom) -> str:
    return "function" if atom.kind == "method" else atom.kind


def _equal(atoms: Iterable[Atom], name: str, type_: int) -> list[Group]:
    found: dict[tuple[str, str], list[Atom]] = {}
    for atom in atoms:
        found.setdefault((_sort(atom), getattr(atom, name)), []).append(atom)
    return [group for each in found.values() for group in _group(type_, each)]


def _group(type_: int, atoms: Iterable[Atom]) -> Iterator[Group]:
    apart: list[Atom] = []
    for atom in sorted(atoms, key=lambda each: (each.path, each.line, -each.end_line)):
        if not any(atom.overlaps(each) for each in apart):
            apart.append(atom)
    if len(apart) > 1:
        yield Group(type_, tuple(apart))


def _first_of_each(atoms: Iterable[Atom]) -> list[Atom]:
    first: dict[tuple[str, str], Atom] = {}
    for atom in atoms:
        first.setdefault((_sort(atom), atom.shape), atom)
    return list(first.values())


def _near(atoms: Sequence[Atom], least_cosine: float, least_same: float) -> Iterator[Group]:
    for sort in ("function", "class", "block"):
        units = [atom for atom in atoms if _sort(atom) == sort]
        root = list(range(len(units)))
        written = [statements(unit) for unit in units]
        for one, other in _candidates(units, least_cosine):
            if sameness(written[one], written[other]) >= least_same:
                root[_root(root, one)] = _root(root, other)
        together: dict[int, list[Atom]] = {}
        for number, unit in enumerate(units):
            together.setdefault(_root(root, number), []).append(unit)
        for each in together.values():
            yield from _group(_NEAR, each)


def _candidates(units: Sequence[Atom], least: float) -> Iterator[tuple[int, int]]:
    if not units:
        return
    table = np.stack([unit.vector for unit in units])
    for start in range(0, len(units), _ROWS):
        cosines = table[start : start + _ROWS] @ table[start:].T
        for row, column in np.argwhere(cosines >= least):
            one, other = start + int(row), start + int(column)
            if one < other and not units[one].overlaps(units[other]):
                yield one, other


def _root(root: list[int], number: int) -> int:
    while root[number] != number:
        root[number] = root[root[number]]
        number = root[number]
    return number


def _outermost(groups: Iterable[Group]) -> list[Group]:
    ordered = sorted(groups, key=_rank)
    members: dict[str, list[tuple[Group, Atom]]] = {}
    for group in ordered:
        for atom in group.atoms:
            members.setdefault(atom.path, []).append((group, atom))
    return [group for group in ordered if not _is_part(group, members)]


def _rank(group: Group) -> tuple[int, int, str, int]:
    first = group.atoms[0]
    return group.type, -first.statements, first.path, first.line


def _is_part(group: Group, members: dict[str, list[tuple[Group, Atom]]]) -> bool:
    around = [
        {
            id(other)
            for other, each in members[atom.path]
            if other.type <= group.type and atom.is_inside(each)
        }
        for atom in group.atoms
    ]
    return bool(set.intersection(*around))
