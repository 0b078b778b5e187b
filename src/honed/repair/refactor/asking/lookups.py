"""Queries that look up one row by one key, and the query that looks up the rows of many keys."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

#: Everything that may stand in a query: none of it asks for time or chance, counts or orders rows,
#: locks them, or makes more rows of one.
_ALLOWED: Final = (
    exp.Select, exp.From, exp.Where, exp.Table, exp.TableAlias, exp.Identifier, exp.Column,
    exp.Alias, exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT,
    exp.LTE, exp.Is, exp.In, exp.Null, exp.Boolean, exp.Literal, exp.Neg, exp.Parameter,
)  # fmt: skip
_PARTS: Final = frozenset({"expressions", "from_", "where", "kind"})
_EQUALS: Final = re.compile(r"=\s*%s")
_FROM: Final = re.compile(r"\sFROM\s", re.IGNORECASE)
#: What Python makes of a key, by the type of its column without its length. Both sides are equal in
#: the same cases; of citext, character(n) and numeric they are not.
_KEYS: Final = {
    "smallint": "int", "integer": "int", "bigint": "int", "text": "str",
    "character varying": "str", "uuid": "UUID", "date": "date",
}  # fmt: skip
#: Types of which Python makes values that nobody can change, so that rows may be shared.
_VALUES: Final = frozenset({
    *_KEYS, "boolean", "numeric", "real", "double precision", "interval", "character",
    "timestamp without time zone", "timestamp with time zone", "time without time zone",
    "time with time zone", "bytea", "citext", "inet",
})  # fmt: skip


_NO_TABLE: Final = "it does not read one table"
_NO_COLUMN: Final = "it selects something else than columns"
_UNREADABLE: Final = "its query cannot be read"
_NO_SELECT: Final = "it is no plain SELECT"


class NotCertain(Exception):
    """Why code is left as it is."""


def require(is_so: object, why: str) -> None:
    """Return if something is so.

    Raises:
        NotCertain: it is not.
    """
    if not is_so:
        raise NotCertain(why)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table of the database that code asks."""

    name: str
    #: Without its length: ``character varying``.
    type: str
    #: Whether the database lets no two rows be equal in it, byte by byte where it is a text.
    is_unique: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table of that database, or whatever else has such a name there."""

    schema: str
    name: str
    columns: Mapping[str, Column]


@dataclass(frozen=True, slots=True)
class Field:
    """What a query selects: a column of its table, and the name that it has in the row."""

    column: str
    name: str


@dataclass(frozen=True, slots=True)
class Source:
    """The one table that a query reads, as it writes it; folded as PostgreSQL does."""

    #: Empty: it is looked for along the search path.
    schema: str
    name: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """A query for the rows of one table that have one key."""

    source: Source
    fields: tuple[Field, ...]
    #: The column that the parameter is compared with, and how the query writes it.
    key: str
    written_key: str
    text: str

    @property
    def key_place(self) -> int | None:
        """Where the key stands in a row; None: it is not selected."""
        places = [n for n, each in enumerate(self.fields) if each.column == self.key]
        return places[0] if places else None

    def many(self, *, with_key: bool) -> str:
        """Return the query for the rows of many keys, which are its one parameter.

        Args:
            with_key: select the key, too, behind everything else.

        Raises:
            NotCertain: its text cannot be changed so that only that is other.
        """
        text = _EQUALS.sub("= ANY(%s)", " ".join(self.text.split()).rstrip("; "))
        if with_key:
            taken = self.key in {each.name for each in self.fields}
            require(not taken, f"it selects something else as {self.key}")
            text = _FROM.sub(lambda found: f", {self.written_key}{found[0]}", text, count=1)
        tree = _parsed(text)
        for each in list(tree.find_all(exp.Any)):
            each.replace(each.this.unnest())
        if with_key:
            tree.set("expressions", tree.expressions[:-1])
        require(tree == _parsed(self.text), "its text cannot be rewritten")
        return text


def lookup_of(text: str) -> Lookup:
    """Return what a query looks up.

    Raises:
        NotCertain: it is no plain look-up by one key.
    """
    tree = _parsed(text)
    require(text.count("%") == text.count("%s") == 1, "its one parameter is not %s")
    _check_plain(tree)
    where = tree.args.get("where")
    keys = [each for each in _conditions(where) if isinstance(each.expression, exp.Parameter)]
    is_key = len(keys) == 1 and isinstance(keys[0].this, exp.Column) and _EQUALS.search(text)
    require(is_key, "its parameter is not what one column has to be equal to")
    key = keys[0].this
    return Lookup(source_of(tree), fields_of(tree), _folded(key.this), key.sql("postgres"), text)


def read_query(text: str) -> tuple[Source, tuple[Field, ...]]:
    """Return the table and the columns of a query for any number of rows.

    Raises:
        NotCertain: it reads more than one table, or selects something else than columns.
    """
    tree = _parsed(text)
    others = [tree.args.get(name) for name in ("joins", "with_", "laterals")]
    require(not any(others), "it reads more than one table")
    return source_of(tree), fields_of(tree)


def source_of(tree: exp.Select) -> Source:
    """Return the one table of a query.

    Raises:
        NotCertain: there is none.
    """
    table = tree.args["from_"].this if tree.args.get("from_") else None
    if not isinstance(table, exp.Table) or table.catalog:
        raise NotCertain(_NO_TABLE)
    return Source(_folded(table.args.get("db")), _folded(table.this))


def fields_of(tree: exp.Select) -> tuple[Field, ...]:
    """Return what a query selects.

    Raises:
        NotCertain: it selects something else than columns, or two by one name.
    """
    found = []
    for each in tree.expressions:
        column = each.this if isinstance(each, exp.Alias) else each
        if not isinstance(column, exp.Column) or not isinstance(column.this, exp.Identifier):
            raise NotCertain(_NO_COLUMN)
        name = each.args["alias"] if isinstance(each, exp.Alias) else column.this
        found.append(Field(_folded(column.this), _folded(name)))
    names = {each.name for each in found}
    require(len(names) == len(found), "it selects two columns by one name")
    return tuple(found)


def table_of(source: Source, tables: Iterable[Table]) -> Table:
    """Return the table that a query reads.

    Raises:
        NotCertain: there is none, or more than one that it may be.
    """
    name = source.name
    found = [each for each in tables if each.name == name and source.schema in ("", each.schema)]
    many = "more than one table" if found else "no table"
    require(len(found) == 1, f"its database has {many} called {name}")
    return found[0]


def check_lookup(lookup: Lookup, tables: Sequence[Table], asked_for: str) -> None:
    """Return if Python tells the rows of many keys apart as the database does.

    Args:
        lookup: what is looked up.

        tables: those of the database that have its table's name.

        asked_for: the type of the keys in Python.

    Raises:
        NotCertain: it may not.
    """
    table = table_of(lookup.source, tables)
    for name in (lookup.key, *(each.column for each in lookup.fields)):
        require(name in table.columns, f"the table {table.name} has no column {name}")
    key = table.columns[lookup.key]
    name, type_ = f"{table.name}.{key.name}", _KEYS.get(key.type)
    require(type_, f"{name} is {key.type}, which is not equal in the same cases as in Python")
    require(key.is_unique, f"more than one row may have one {name}")
    require(type_ == asked_for, f"{name} is {key.type}, and it is looked up by {asked_for}")
    for each in lookup.fields:
        type_ = table.columns[each.column].type
        require(
            type_ in _VALUES, f"rows may be changed where they are shared: {each.column} is {type_}"
        )


def python_type(column: str, source: Source, tables: Sequence[Table]) -> str:
    """Return what Python makes of a column.

    Raises:
        NotCertain: it is not known.
    """
    table = table_of(source, tables)
    type_ = table.columns[column].type if column in table.columns else "not known"
    require(type_ in _KEYS, f"the type of {source.name}.{column} is {type_}")
    return _KEYS[type_]


def _parsed(text: str) -> exp.Select:
    try:
        (tree,) = sqlglot.parse(text.replace("%s", "$1"), dialect="postgres")
    except (SqlglotError, RecursionError, ValueError) as error:
        raise NotCertain(_UNREADABLE) from error
    if not isinstance(tree, exp.Select):
        raise NotCertain(_NO_SELECT)
    return tree


def _check_plain(tree: exp.Select) -> None:
    others = [name for name, value in tree.args.items() if value and name not in _PARTS]
    others += [type(each).__name__.lower() for each in tree.walk() if type(each) not in _ALLOWED]
    others += [
        name
        for each in tree.find_all(exp.Table)
        for name, value in each.args.items()
        if value and name not in ("this", "db", "alias")
    ]
    what = others[0].strip("_") if others else ""
    require(not others, f"its query is more than a plain look-up ({what})")


def _conditions(where: exp.Expression | None) -> list[exp.EQ]:
    """Return the equalities that every row meets."""
    found, waiting = [], [where.this] if where is not None else []
    while waiting:
        each = waiting.pop()
        if isinstance(each, exp.And):
            waiting += [each.left, each.right]
        elif isinstance(each, exp.EQ):
            found.append(each)
    return found


def _folded(name: exp.Expression | None) -> str:
    if not isinstance(name, exp.Identifier):
        return ""
    return str(name.this) if name.quoted else str(name.this).lower()
