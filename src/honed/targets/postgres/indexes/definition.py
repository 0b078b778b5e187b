"""An index as a value: what it is made of, and the SQL that builds, drops and inspects it."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from psycopg import sql

from honed.core.canonical import Json, digest
from honed.core.step import Step
from honed.targets.postgres.composed import text_of

#: PostgreSQL cuts longer names (NAMEDATALEN - 1 bytes).
_MAX_NAME_BYTES = 63
#: Hexadecimal digits of the digest in a name: 40 bits tell the indexes of one database apart.
_DIGEST_DIGITS = 10
_QUOTED_NAME, _CONSTANT = re.compile(r'"[^"]*"'), re.compile(r"['\d]")
#: Every index of honed's begins with it.
NAME_PREFIX = "honed_"

_INSPECT = sql.SQL(
    "SELECT coalesce((SELECT CASE WHEN i.indisvalid AND i.indisready THEN 'done'"
    " ELSE 'partial' END FROM pg_catalog.pg_index i"
    " WHERE i.indexrelid = to_regclass({name})), 'absent')"
)
_IS_GONE = sql.SQL("SELECT CASE WHEN to_regclass({name}) IS NULL THEN 'done' ELSE 'absent' END")


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One key of an index."""

    #: The column's name; or the expression, as PostgreSQL writes it.
    text: str
    is_expression: bool = False
    #: Operator class, where it is not the type's default.
    opclass: str = ""
    descending: bool = False

    @property
    def has_constant(self) -> bool:
        """Whether it is an expression that serves only statements with the same constant."""
        return self.is_expression and bool(_CONSTANT.search(_QUOTED_NAME.sub("", self.text)))


@dataclass(frozen=True, slots=True, order=True)
class IndexDefinition:
    """One index, whether it exists or not. Two equal definitions are the same index."""

    schema: str
    table: str
    keys: tuple[Key, ...]
    #: Columns that are stored beside the keys, so that the table need not be read.
    include: tuple[str, ...] = ()
    #: The condition of a partial index, as PostgreSQL writes it; empty: all rows.
    where: str = ""
    method: str = "btree"

    @property
    def name(self) -> str:
        """The name that honed gives it: the table and a digest of the whole definition."""
        tail = "_" + digest(self.to_json())[:_DIGEST_DIGITS]
        room = _MAX_NAME_BYTES - len(NAME_PREFIX) - len(tail)
        table = self.table.encode()[:room].decode(errors="ignore")
        return f"{NAME_PREFIX}{table}{tail}"

    @property
    def relation(self) -> str:
        """The qualified name of its table, quoted where it must be."""
        return text_of(sql.Identifier(self.schema, self.table))

    @property
    def columns(self) -> tuple[str, ...]:
        """Its keys that are columns and its included columns, in their order."""
        plain = tuple(key.text for key in self.keys if not key.is_expression)
        return plain + self.include

    @property
    def has_expression(self) -> bool:
        """Whether its table must be analyzed before the planner knows its statistics."""
        return any(key.is_expression for key in self.keys)

    @property
    def build_sql(self) -> str:
        """CREATE INDEX for a clone: blocks writers, and is faster for it."""
        return self.build_sql_on(self.schema)

    @property
    def create_sql(self) -> str:
        """CREATE INDEX for production: writers go on; not inside a transaction."""
        head = sql.SQL("CREATE INDEX CONCURRENTLY IF NOT EXISTS {} ")
        return text_of(head.format(sql.Identifier(self.name)) + self._body(self.schema))

    @property
    def shell_sql(self) -> str:
        """CREATE INDEX on a partitioned table alone: invalid until its partitions' are attached."""
        head = sql.SQL("CREATE INDEX IF NOT EXISTS {} ").format(sql.Identifier(self.name))
        return text_of(head + self._body(self.schema, only=True))

    @property
    def summary(self) -> str:
        """What it is on, for a person: ``orders (o_custkey) INCLUDE (o_orderdate)``."""
        keys = ", ".join(key.text + " DESC" * key.descending for key in self.keys)
        include = f" INCLUDE ({', '.join(self.include)})" if self.include else ""
        return f"{self.table} ({keys}){include}" + (f" WHERE {self.where}" if self.where else "")

    def on(self, schema: str, table: str) -> "IndexDefinition":
        """Return the same index of another table, which has the same columns."""
        return replace(self, schema=schema, table=table)

    def step(self) -> Step:
        """Return the step that builds it in production while readers and writers go on.

        ``inspect`` says ``partial`` of an invalid index, which a failed build leaves behind.
        """
        return Step(
            f"build the index {self.name} on {self.summary}",
            do=(self.create_sql,),
            undo=(drop_sql(self.schema, self.name),),
            inspect=_inspect_sql(self.schema, self.name),
            in_transaction=False,
        )

    def to_json(self) -> dict[str, Json]:
        """Return the definition as plain JSON."""
        value: dict[str, Json] = asdict(self)
        return {**value, "keys": [asdict(key) for key in self.keys], "include": list(self.include)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "IndexDefinition":
        """Return the definition that ``to_json`` wrote."""
        keys = tuple(Key(**key) for key in value["keys"])
        return cls(**{**value, "keys": keys, "include": tuple(value["include"])})

    def build_sql_on(self, schema: str) -> str:
        """Return CREATE INDEX, with the same name, for the table of its name in ``schema``."""
        head = sql.SQL("CREATE INDEX {} ").format(sql.Identifier(self.name))
        return text_of(head + self._body(schema))

    def _body(self, schema: str, *, only: bool = False) -> sql.Composed:
        table = sql.Identifier(schema, self.table)
        return sql.SQL("ON ONLY {} USING {} {}" if only else "ON {} USING {} {}").format(
            table, sql.Identifier(self.method), self._shape()
        )

    def _shape(self) -> sql.Composed:
        comma = sql.SQL(", ")
        shape = sql.SQL("({})").format(comma.join(_key_sql(key) for key in self.keys))
        if self.include:
            columns = comma.join(sql.Identifier(column) for column in self.include)
            shape += sql.SQL(" INCLUDE ({})").format(columns)
        if self.where:
            shape += sql.SQL(" WHERE {}").format(_raw(self.where))
        return shape


def drop_sql(schema: str, name: str) -> str:
    """Return the statement that drops index ``schema.name`` while readers and writers go on."""
    index = sql.Identifier(schema, name)
    return text_of(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(index))


def _inspect_sql(schema: str, name: str) -> str:
    qualified = text_of(sql.Identifier(schema, name))
    return text_of(_INSPECT.format(name=sql.Literal(qualified)))


def rebuild_sql(definition: str) -> str:
    """Return what ``pg_get_indexdef`` said as a build during which readers and writers go on."""
    return re.sub(r"\bINDEX\b", "INDEX CONCURRENTLY IF NOT EXISTS", definition, count=1)


def gone_sql(schema: str, name: str) -> str:
    """Return a query that says ``done`` when index ``schema.name`` is gone, else ``absent``."""
    qualified = text_of(sql.Identifier(schema, name))
    return text_of(_IS_GONE.format(name=sql.Literal(qualified)))


def _key_sql(key: Key) -> sql.Composable:
    column = _raw(f"({key.text})") if key.is_expression else sql.Identifier(key.text)
    words = sql.SQL("{}").format(column)
    if key.opclass:
        words += sql.SQL(" {}").format(sql.Identifier(key.opclass))
    return words + sql.SQL(" DESC") if key.descending else words


def _raw(text: str) -> sql.SQL:
    # PostgreSQL's own words, read from its plans; never what a user typed.
    return sql.SQL(text)
