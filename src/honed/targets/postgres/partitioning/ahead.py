"""Making partitions ahead: which tables soon have none for their next rows, and the steps."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from honed.core.step import Step
from honed.targets.postgres.composed import block
from honed.targets.postgres.partitioning.locks import BRIEFLY
from honed.targets.postgres.partitioning.ranges import Position, Range, Width, following, name_for
from honed.targets.postgres.partitioning.tables import (
    QUERIES,
    Partition,
    PartitionedTable,
    holds,
    reached,
)
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.workload import WriteMix

#: Partitions should reach so far ahead: a person has to approve new ones ...
_LEAD = timedelta(days=7)
#: ... but at least one whole width, and not more than so many.
_MOST_WIDTHS = 8
#: Most partitions of one claim: beyond that the table was forgotten, not late.
_MOST_PARTITIONS = 3 * _MOST_WIDTHS
#: A larger default partition is not scanned: nobody could read or write it meanwhile.
_MOST_DEFAULT_BYTES = 64 * 1024 * 1024

# Who makes a table owns it; whoever may act is a member of the owner. Ends with the transaction.
BE_OWNER = sql.SQL(
    "SELECT set_config('role', pg_get_userbyid(relowner)::text, true) FROM pg_class"
    " WHERE oid = {table}::regclass"
)
_CREATE = sql.SQL(
    "CREATE TABLE {new} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
    " INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION)"
)
_FULL_IDENTITY = sql.SQL("ALTER TABLE {new} REPLICA IDENTITY FULL")
COPY_GRANTS = sql.SQL("""
DECLARE
    entry record;
BEGIN
    FOR entry IN
        SELECT a.privilege_type AS privilege
             , CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
               AS grantee
             , CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS option
          FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS a
         WHERE c.oid = {like}::regclass AND a.grantee <> c.relowner
    LOOP
        EXECUTE 'GRANT ' || entry.privilege || ' ON ' || {new}::regclass || ' TO '
             || entry.grantee || entry.option;
    END LOOP;
END""")
# It waits for nobody who reads or writes the table; only a default partition is locked.
ATTACH = sql.SQL(
    "ALTER TABLE {table} ATTACH PARTITION {new} FOR VALUES FROM ({lower}) TO ({upper})"
)
# As who reads the table does: first the whole, then its partitions. DROP needs the whole too.
_LOCK = sql.SQL("LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE")
_KEEP_ROWS = sql.SQL("""
BEGIN
    LOCK TABLE {new} IN ACCESS EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM {new}) THEN
        RAISE EXCEPTION 'the partition % holds rows by now, and honed drops none', {literal};
    END IF;
END""")
_DROP = sql.SQL("DROP TABLE {new}")
_INSPECT = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_inherits WHERE inhparent = to_regclass({table})"
    " AND inhrelid = to_regclass({new})) THEN 'done' ELSE 'absent' END"
)


@dataclass(frozen=True, slots=True)
class Ending:
    """A table whose partitions end soon."""

    table: PartitionedTable
    last: Partition
    end: Position
    #: How far the table has come.
    reached: Position
    #: What is to be made, with names.
    new: tuple[tuple[Range, str], ...]
    #: Why nothing is made; empty: it can be.
    obstacle: str = ""


def find_endings(target: PostgresTarget, tables: Collection[PartitionedTable]) -> list[Ending]:
    """Return the tables of ``tables`` whose partitions end soon and that still grow."""
    writes = target.workload().writes if tables else {}
    found = (_ending(target, each, writes) for each in tables)
    return [each for each in found if each is not None]


def _ending(
    target: PostgresTarget, table: PartitionedTable, writes: Mapping[str, WriteMix]
) -> Ending | None:
    if not table.ranged or any(each.is_open for each in table.partitions):
        return None
    newest, last = table.ranged[-1]
    width = table.width or Width.of(newest)
    now = reached(target, table)
    if now is None:
        return None
    lead = _lead(newest, width)
    is_written = any(writes.get(p.qualified_name, WriteMix()).inserted for p in table.partitions)
    # Where nothing arrives, a table of numbers stands still, and one of times was given up.
    is_growing = is_written or (table.key.is_time and newest.upper > now - lead)  # type: ignore[operator]  # both of one key
    if newest.upper - now >= lead or not is_growing:  # type: ignore[operator]  # likewise
        return None
    ranges = _ranges(newest.upper, width, now + 2 * lead)  # type: ignore[operator]  # likewise
    named = _names(target, table, ranges)
    obstacle = _obstacle(target, table, last, named, has_room=len(named) == len(ranges))
    return Ending(table, last, newest.upper, now, tuple(named), obstacle)


def _lead(newest: Range, width: Width) -> timedelta | int:
    """Return the distance to the end of the partitions from which on there are too few."""
    one = width.after(newest.upper) - newest.upper  # type: ignore[operator]  # both of one key
    if isinstance(one, timedelta):
        return max(one, min(_LEAD, _MOST_WIDTHS * one))
    return int(one)


def _ranges(last: Position, width: Width, until: Position) -> list[Range]:
    found: list[Range] = []
    for each in following(last, width):
        found.append(each)
        if each.upper >= until or len(found) == _MOST_PARTITIONS:  # type: ignore[operator]  # both of one key
            break
    return found


def _names(
    target: PostgresTarget, table: PartitionedTable, ranges: Collection[Range]
) -> list[tuple[Range, str]]:
    schema = table.ranged[-1][1].schema
    taken = {row["name"] for row in target.query(QUERIES["list_names"], {"schema": schema})}
    known = [(each, part.name) for each, part in table.ranged]
    found = []
    for each in ranges:
        name = name_for(each, known, table=table.name, taken=taken)
        if name is None:
            break
        taken.add(name)
        found.append((each, name))
    return found


def _obstacle(  # noqa: PLR0911 - one return for each reason, the most fundamental first
    target: PostgresTarget,
    table: PartitionedTable,
    last: Partition,
    named: list[tuple[Range, str]],
    *,
    has_room: bool,
) -> str:
    if table.width is None:
        return "its last partitions are not equally wide"
    if last.sort != "r":
        return f"{last.name} is no plain table, but partitioned itself or on another server"
    if last.is_special:
        return f"{last.name} has row security, triggers, a tablespace or an identity of its own"
    if table.is_published:
        return "it is published, and its subscribers must have each partition first"
    if not table.owner_may_create:
        return f"its owner may not create tables in the schema {table.schema}"
    if not has_room:
        return "a name that the next partition would have is taken, or too long"
    if table.newest_filled is None:
        return "no partition holds rows that a trial could go on with"
    return _default_obstacle(target, table, named)


def _default_obstacle(
    target: PostgresTarget, table: PartitionedTable, named: list[tuple[Range, str]]
) -> str:
    default = table.default
    if default is None or not default.heap_bytes:
        return ""
    if default.sort != "r":
        return f"the default partition {default.name} is no plain table"
    if default.heap_bytes > _MOST_DEFAULT_BYTES:
        return f"the default partition {default.name} is so large that looking through it locks out"
    if any(holds(target, table, default, each) for each, _ in named):
        return f"the default partition {default.name} holds rows of the next ranges already"
    return ""


def creation_step(table: PartitionedTable, like: Partition, each: Range, name: str) -> Step:
    """Return the step that makes one partition; its undo drops it, unless it holds rows by then.

    It takes over owner, grants and storage options of the partition ``like``, and is made beside
    the table and attached: readers and writers go on.
    """
    new = sql.Identifier(like.schema, name)
    names = {
        "new": new,
        "table": table.identifier,
        "lower": sql.Literal(table.key.write(each.lower)),
        "upper": sql.Literal(table.key.write(each.upper)),
    }
    literals = {
        "new": sql.Literal(new.as_string(None)),
        "table": sql.Literal(table.identifier.as_string(None)),
        "like": sql.Literal(like.identifier.as_string(None)),
    }
    be_owner = BE_OWNER.format(**literals)
    do = [be_owner, _CREATE.format(**names) + storage(like.options)]
    if like.has_full_identity:
        do.append(_FULL_IDENTITY.format(**names))
    do += [block(COPY_GRANTS.format(**literals)), ATTACH.format(**names)]
    keep_rows = block(_KEEP_ROWS.format(new=new, literal=sql.Literal(name)))
    undo = (be_owner, _LOCK.format(**names), BRIEFLY, keep_rows, _DROP.format(new=new))
    return Step(
        f"make the partition {name} of {table.qualified_name}, from "
        f"{table.key.write(each.lower)} to {table.key.write(each.upper)}",
        do=tuple(each.as_string(None) for each in do),
        undo=tuple(each.as_string(None) for each in undo),
        inspect=_INSPECT.format(**literals).as_string(None),
    )


def storage(options: Collection[str]) -> sql.Composable:
    """Return the clause that gives a new table these storage options."""
    if not options:
        return sql.SQL("")
    pairs = [each.partition("=") for each in options]
    return sql.SQL(" WITH ({})").format(
        sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(*name.split(".")), sql.Literal(value))
            for name, _, value in pairs
        )
    )
