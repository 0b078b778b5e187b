"""Converting a growing table: every name and boundary of what becomes of it, fixed beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from psycopg import sql

from honed.targets.postgres.partitioning.growing import LEAD, Growing, past_ranges
from honed.targets.postgres.partitioning.ranges import Key, Position, Range, following, name_for
from honed.targets.postgres.partitioning.tables import QUERIES
from honed.targets.postgres.target import PostgresTarget

#: PostgreSQL cuts longer names (NAMEDATALEN - 1 bytes).
_MAX_NAME_BYTES = 63
_BEFORE, _REST = "_before", "_rest"
#: Ends the name of the check that no row lies beyond the boundary.
CHECK = "_honed_cut"
#: New partitions are not more than so many.
_MOST_PARTITIONS = 24


@dataclass(frozen=True, slots=True)
class Conversion:
    """What becomes of one table, with every name and boundary fixed."""

    schema: str
    name: str
    key: Key
    cut: Position
    #: Name of the old table as first partition, and of the one for everything else.
    before: str
    rest: str
    #: New partitions from the cut on, with names.
    new: tuple[tuple[Range, str], ...]
    #: What the history would have filled, with names; for trials.
    past: tuple[tuple[Range, str], ...]
    #: Names of its indexes, and what they are called while the whole has these.
    indexes: tuple[tuple[str, str], ...]
    #: Names and definitions.
    foreign_keys: tuple[tuple[str, str], ...]
    #: Sequences that a column owns, with the column.
    sequences: tuple[tuple[str, str], ...]
    options: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def names(self) -> dict[str, sql.Composable]:
        """What stands for what in the statements above."""
        table, before = (
            sql.Identifier(self.schema, self.name),
            sql.Identifier(self.schema, self.before),
        )
        check = _cut_name(self.name, CHECK)
        return {
            "table": table,
            "plain": sql.Identifier(self.name),
            "before": before,
            "before_plain": sql.Identifier(self.before),
            "check": sql.Identifier(check),
            "check_name": sql.Literal(check),
            "table_name": sql.Literal(table.as_string(None)),
            "before_name": sql.Literal(before.as_string(None)),
            "column": sql.Identifier(self.key.column),
            "columns": sql.SQL(", ").join(map(sql.Identifier, self.columns)),
            "cut": sql.Literal(self.key.write(self.cut)),
        }

    def beside(self, name: str) -> sql.Identifier:
        """Return ``name`` as that of a relation in the table's schema."""
        return sql.Identifier(self.schema, name)

    @property
    def relation(self) -> str:
        """Its qualified name, quoted."""
        return sql.Identifier(self.schema, self.name).as_string(None)


def plan_conversion(target: PostgresTarget, growing: Growing) -> Conversion:
    """Return what would become of ``growing``, which has no obstacles; reads only."""
    (parts,) = target.query(QUERIES["read_own_parts"], {"table": growing.qualified_name})
    taken = {r["name"] for r in target.query(QUERIES["list_names"], {"schema": growing.schema})}
    new = list(following_until(growing))
    return Conversion(
        schema=growing.schema,
        name=growing.name,
        key=growing.key,
        cut=growing.cut,
        before=_free(growing.name + _BEFORE, taken),
        rest=_free(growing.name + _REST, taken),
        new=_named(growing.name, new, taken),
        past=_named(growing.name, past_ranges(growing), taken),
        indexes=tuple((name, _free(name + _BEFORE, taken)) for name in parts["indexes"]),
        foreign_keys=_pairs(parts["foreign_keys"]),
        sequences=_pairs(parts["sequences"]),
        options=growing.options,
        columns=growing.columns,
    )


def following_until(growing: Growing) -> Sequence[Range]:
    """Return the new partitions from the cut on, so many that none is missed soon."""
    one = growing.width.after(growing.cut) - growing.cut  # type: ignore[operator]  # of one key
    lead = max(one, LEAD) if isinstance(one, timedelta) else one
    found: list[Range] = []
    for each in islice(following(growing.cut, growing.width), _MOST_PARTITIONS):
        found.append(each)
        if len(found) > 1 and each.upper >= growing.reached + 2 * lead:  # type: ignore[operator]  # likewise
            break
    return found


def _named(table: str, ranges: Sequence[Range], taken: set[str]) -> tuple[tuple[Range, str], ...]:
    found = []
    for each in ranges:
        name = name_for(each, (), table=table, taken=taken) or _free(f"{table}_p", taken)
        taken.add(name)
        found.append((each, name))
    return tuple(found)


def _free(name: str, taken: set[str]) -> str:
    """Return ``name``, cut where it is too long, numbered where it is taken; it is taken then."""
    number = 1
    found = _cut_name(name, "")
    while found in taken:
        number += 1
        found = _cut_name(name, f"_{number}")
    taken.add(found)
    return found


def _cut_name(name: str, tail: str) -> str:
    return name.encode()[: _MAX_NAME_BYTES - len(tail)].decode(errors="ignore") + tail


def _pairs(values: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((first, second) for first, second in values)
