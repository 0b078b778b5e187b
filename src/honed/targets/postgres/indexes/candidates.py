"""Candidates: the indexes that could serve what statements ask of their tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from honed.targets.postgres.indexes.access import Access
from honed.targets.postgres.indexes.conditions import Comparison, Predicate
from honed.targets.postgres.indexes.definition import IndexDefinition, Key

#: A sequential scan of a smaller table costs less than any index can save.
MIN_ROWS = 500
#: Keys of one candidate; more seldom find fewer rows and always cost bytes.
_MAX_KEYS = 4
#: Included columns and their mean bytes a row: beyond, reading the table is about as cheap.
_MAX_INCLUDED = 6
_MAX_INCLUDED_BYTES = 80
#: Fewer distinct values leave so many rows that the table is read anyway.
_MIN_DISTINCT = 20
#: A column with so many distinct values a row finds one row by itself.
_UNIQUE = 0.9


@dataclass(frozen=True, slots=True)
class ColumnShape:
    """What the statistics say of one column."""

    #: Distinct values.
    distinct: float
    #: Mean bytes of a value.
    width_bytes: float


@dataclass(frozen=True, slots=True)
class TableShape:
    """What is known of one table before an index is thought of."""

    rows: float
    columns: Mapping[str, ColumnShape]
    #: Indexes that it has already; partial and invalid ones are left out.
    existing: tuple[IndexDefinition, ...] = ()

    def distinct(self, key: Key) -> float:
        """Return the distinct values of ``key``; of an expression, a guess: a tenth of the rows."""
        column = self.columns.get(key.text)
        return column.distinct if column else self.rows / 10

    def width(self, columns: Sequence[str]) -> float:
        """Return the mean bytes of ``columns`` in one row."""
        return sum(self.columns[name].width_bytes for name in columns if name in self.columns)


Shapes = Mapping[tuple[str, str], TableShape]


def narrow_candidates(access: Access, shapes: Shapes) -> list[IndexDefinition]:
    """Return indexes of few keys for ``access``, most useful first; none that exists already."""
    shape = shapes.get((access.schema, access.table))
    if shape is None or shape.rows < MIN_ROWS:
        return []
    keys = dict.fromkeys(keys[:_MAX_KEYS] for keys in _key_lists(access, shape) if keys)
    found = [IndexDefinition(access.schema, access.table, each) for each in keys]
    found += [
        IndexDefinition(access.schema, access.table, (p.key,), method="gin")
        for p in access.local
        if p.comparison is Comparison.INSIDE
    ]
    return [definition for definition in found if not exists(definition, shape)]


def base_candidates(access: Access, shapes: Shapes) -> list[IndexDefinition]:
    """Return the indexes that are worth being made covering or partial for ``access``."""
    shape = shapes.get((access.schema, access.table))
    if shape is None:
        return []
    equal, ranges = _local(access, shape)
    lists = [(*equal, *ranges[:1]), *((Key(column),) for column, _ in access.joins)]
    lists += access.orders[:1]
    keys = dict.fromkeys(keys[:_MAX_KEYS] for keys in lists if keys)
    return [IndexDefinition(access.schema, access.table, each) for each in keys]


def wide_candidates(
    access: Access, bases: Sequence[IndexDefinition], shapes: Shapes
) -> list[IndexDefinition]:
    """Return partial and covering forms of ``bases`` for ``access``; none that exists already.

    A covering index holds every column that the statement reads of the table; a partial one only
    the rows for which a condition without parameters holds.
    """
    shape = shapes.get((access.schema, access.table))
    if shape is None or shape.rows < MIN_ROWS:
        return []
    found: dict[IndexDefinition, None] = {}
    for base in bases:
        if (base.schema, base.table) != (access.schema, access.table) or base.method != "btree":
            continue
        forms = [base] + [replace(base, where=" AND ".join(access.fixed))] * bool(access.fixed)
        for form in forms:
            covering = _covering(form, access, shape)
            found.update(
                {each: None for each in (form, covering) if each is not None and each != base}
            )
    return [definition for definition in found if not exists(definition, shape)]


def merged(promises: Mapping[IndexDefinition, float]) -> dict[IndexDefinition, float]:
    """Return ``promises`` with each covering index joined into one that includes all that it does.

    One index that serves two statements costs writers once; that it is a little wider than
    either needs costs less.
    """
    found: dict[IndexDefinition, float] = {}
    for candidate in sorted(promises, key=lambda each: (-len(each.include), each)):
        wider = next(
            (each for each in found if candidate.include and _holds(each, candidate)), candidate
        )
        found[wider] = found.get(wider, 0.0) + promises[candidate]
    return found


def _holds(wider: IndexDefinition, candidate: IndexDefinition) -> bool:
    return replace(wider, include=()) == replace(candidate, include=()) and set(
        candidate.include
    ) <= set(wider.include)


def exists(candidate: IndexDefinition, shape: TableShape) -> bool:
    """Return whether an index that the table has already does all that ``candidate`` would.

    It does where the candidate's keys are its leading keys and it holds every included column.
    """
    return any(serves(index, candidate) for index in shape.existing)


def serves(index: IndexDefinition, candidate: IndexDefinition) -> bool:
    """Return whether ``index`` makes ``candidate`` needless: a longer or equal one, same rows."""
    size = len(candidate.keys)
    if index.method != candidate.method or index.where not in {"", candidate.where}:
        return False
    return index.keys[:size] == candidate.keys and set(candidate.include) <= set(index.columns)


def _key_lists(access: Access, shape: TableShape) -> Iterator[tuple[Key, ...]]:
    """Yield lists of keys: equal ones first, then one range or one order, as a b-tree wants it."""
    equal, ranges = _local(access, shape)
    for one in _none_or_each(ranges):
        yield (*equal, *one)
    joins = sorted(access.joins, key=lambda join: shape.distinct(Key(join[0])), reverse=True)
    for column, partners in joins:
        join = Key(column)
        yield (join,)
        if shape.distinct(join) < _UNIQUE * shape.rows:
            yield (join, *_but(equal, join)[:2], *ranges[:1])
            yield from ((join, Key(o)) for o, others in joins if o != column and others & partners)
    for order in access.orders:
        yield order
        yield (*(key for key in equal if key not in order), *order)
    for p in access.local:
        if p.comparison is not Comparison.INSIDE and shape.distinct(p.key) >= _MIN_DISTINCT:
            yield (p.key,)


def _none_or_each(keys: tuple[Key, ...]) -> tuple[tuple[Key, ...], ...]:
    return ((), *((key,) for key in keys[:2]))


def _but(keys: tuple[Key, ...], left_out: Key) -> tuple[Key, ...]:
    return tuple(key for key in keys if key != left_out)


def _local(access: Access, shape: TableShape) -> tuple[tuple[Key, ...], tuple[Key, ...]]:
    """Return the keys that are compared for equality and for a range, most selective first."""
    found = [p for p in access.local if not p.is_alternative]
    equal = dict.fromkeys(p.key for p in found if p.comparison is Comparison.EQUAL)
    ranged = {Comparison.RANGE, Comparison.PREFIX}
    ranges = dict.fromkeys(p.key for p in found if p.comparison in ranged and p.key not in equal)
    return (
        tuple(sorted(equal, key=shape.distinct, reverse=True)),
        tuple(sorted(ranges, key=shape.distinct, reverse=True)),
    )


def _covering(form: IndexDefinition, access: Access, shape: TableShape) -> IndexDefinition | None:
    missing = sorted(access.needed - {key.text for key in form.keys})
    if not missing or len(missing) > _MAX_INCLUDED:
        return None
    if not set(missing) <= set(shape.columns) or shape.width(missing) > _MAX_INCLUDED_BYTES:
        return None
    return replace(form, include=tuple(missing))


__all__ = [
    "MIN_ROWS",
    "ColumnShape",
    "Predicate",
    "Shapes",
    "TableShape",
    "base_candidates",
    "exists",
    "merged",
    "narrow_candidates",
    "serves",
    "wide_candidates",
]
