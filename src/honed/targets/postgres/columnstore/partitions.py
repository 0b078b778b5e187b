"""Cold partitions: which ones nobody writes or reads any more, and why others stay."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from honed.errors import EvaluatorFailed
from honed.storage.queries import load_queries
from honed.targets.postgres.archives.proof import Column
from honed.targets.postgres.archives.transfer import QUERIES as COLUMN_QUERIES
from honed.targets.postgres.archives.transfer import refusal
from honed.targets.postgres.plans import nodes
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.workload import Workload

QUERIES = load_queries(__package__, "columnstore.sql")

_UPPER = re.compile(r"TO \('?(.*?)'?(?:, .*)?\)$")


@dataclass(frozen=True, slots=True)
class Partition:
    """One leaf of a range-partitioned table."""

    schema: str
    name: str
    #: ``schema.name``, each part quoted where it must be.
    qualified_name: str
    #: The table that it is directly a partition of.
    parent_schema: str
    parent_name: str
    #: ``FOR VALUES FROM ... TO ...``, and the same as a condition on a row.
    bound: str
    condition: str
    #: With indexes and TOAST.
    size_bytes: int
    #: The planner's estimate; 0: never analyzed.
    row_count: float
    #: Access method: heap, unless somebody chose another.
    method: str
    has_default: bool
    is_referenced: bool
    refers_to_partitions: bool
    hides_rows: bool
    is_published: bool
    owns_sequence: bool
    #: It refers to other tables.
    has_foreign_key: bool
    #: A constraint of it, no foreign key, may be checked at the end of a transaction.
    defers_constraints: bool
    #: Of somebody's own, or rules.
    has_triggers: bool
    #: Access methods of its indexes.
    index_methods: Sequence[str]
    #: Its TOAST table has storage options.
    has_toast_options: bool
    #: Which rows are meant: another table of this name, or this one rewritten, has another.
    storage: str

    @property
    def parent(self) -> tuple[str, str]:
        """Schema and name of the table that it is directly a partition of."""
        return self.parent_schema, self.parent_name

    def obstacle(self) -> str:
        """Return why it cannot be detached and brought back exactly; empty: it can."""
        reasons = {
            "its table has a default partition, so it cannot be detached while others read": (
                self.has_default
            ),
            "foreign keys refer to it or its table": self.is_referenced,
            "a foreign key of it refers to a partitioned table": self.refers_to_partitions,
            "row security may hide rows of it": self.hides_rows,
            "it or its table is published, and subscribers would follow": self.is_published,
            "it owns a sequence": self.owns_sequence,
            f"its access method is {self.method}": self.method != "heap",
        }
        return next((reason for reason, is_so in reasons.items() if is_so), "")


@dataclass(frozen=True, slots=True)
class Moment:
    """What the server says of itself."""

    encoding: str
    #: Else the bounds of partitions would mean other days to the acting role.
    writes_iso_dates: bool
    #: Whether it has an access method ``columnar``.
    has_columnar: bool
    #: The extension that it belongs to; empty: to none.
    columnar_extension: str
    server_version: int


def read_moment(target: PostgresTarget) -> Moment:
    """Return what the server says of itself now."""
    (row,) = target.query(QUERIES["read_moment"], {})
    return Moment(**row)


def read_partitions(target: PostgresTarget) -> list[Partition]:
    """Return every leaf of a range-partitioned table that others follow in their range.

    The newest of each table is left out, whatever nobody did to it: it waits for its rows.
    """
    found = [Partition(**row) for row in target.query(QUERIES["list_partitions"], {})]
    newest: dict[tuple[str, str], tuple[int, Decimal, str]] = {}
    for each in found:
        newest[each.parent] = max(newest.get(each.parent, _upper(each)), _upper(each))
    return [each for each in found if _upper(each) < newest[each.parent]]


def _upper(partition: Partition) -> tuple[int, Decimal, str]:
    """Return where a partition ends, so that ends of one table compare: numbers, else ISO dates."""
    found = _UPPER.search(partition.bound)
    text = found.group(1) if found else "MAXVALUE"
    if text == "MAXVALUE":
        return 1, Decimal(0), ""
    try:
        return 0, Decimal(text), ""
    except InvalidOperation:
        return 0, Decimal(0), text


def read_columns(target: PostgresTarget, qualified_name: str) -> list[Column]:
    """Return the columns of a table."""
    rows = target.query(COLUMN_QUERIES["list_columns"], {"table": qualified_name})
    return [Column(**row) for row in rows]


def unarchivable(target: PostgresTarget, partition: Partition, moment: Moment) -> str:
    """Return why a partition cannot be kept as Parquet and come back; empty: it can."""
    if moment.encoding != "UTF8":
        return f"the database's encoding is {moment.encoding}"
    if not moment.writes_iso_dates:
        return "the observing role's DateStyle is not ISO"
    return partition.obstacle() or refusal(read_columns(target, partition.qualified_name))


def tables_read(target: PostgresTarget, example: str) -> set[tuple[str, str]]:
    """Return schema and name of each table that the plan of ``example`` reads."""
    try:
        plan = target.explain(example)
    except EvaluatorFailed:
        return set()  # it cannot be planned any more: what it names is gone
    return {
        (str(node.get("Schema", "")), str(node["Relation Name"]))
        for node in nodes(plan)
        if "Relation Name" in node
    }


def sparing_examples(
    target: PostgresTarget, workload: Workload, partition: tuple[str, str]
) -> dict[str, tuple[str, ...]]:
    """Return the examples that read other parts of a partition's table and not it, by statement.

    Args:
        target: plans them.

        workload: has them.

        partition: schema and name.
    """
    siblings = {
        (row["schema"], row["name"])
        for row in target.query(
            QUERIES["list_siblings"], {"schema": partition[0], "name": partition[1]}
        )
    } - {partition}
    found: dict[str, tuple[str, ...]] = {}
    for statement in workload.replayable:
        read = [(each, tables_read(target, each)) for each in statement.examples]
        kept = tuple(each for each, names in read if names & siblings and partition not in names)
        if kept:
            found[statement.statement_id] = kept
    return found


@dataclass(frozen=True, slots=True)
class PlainTable:
    """A table with rows of its own that is no partition."""

    schema: str
    name: str
    qualified_name: str
    size_bytes: int
    #: A publication has it: subscribers would be told to empty theirs.
    is_published: bool


def plain_tables(
    target: PostgresTarget, names: Collection[tuple[str, str]]
) -> dict[tuple[str, str], PlainTable]:
    """Return those of some tables, by schema and name, that are there and no partitions."""
    if not names:
        return {}
    asked = {"schemas": [schema for schema, _ in names], "names": [name for _, name in names]}
    rows = target.query(QUERIES["list_plain_tables"], asked)
    return {(row["schema"], row["name"]): PlainTable(**row) for row in rows}
