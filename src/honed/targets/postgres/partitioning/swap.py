"""The steps of a conversion: a table becomes the first partition of a new one of its name."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from psycopg import sql

from honed.core.step import Step
from honed.targets.postgres.composed import block, text_of
from honed.targets.postgres.partitioning.ahead import BE_OWNER, COPY_GRANTS, storage
from honed.targets.postgres.partitioning.conversion import Conversion
from honed.targets.postgres.partitioning.locks import BRIEFLY, LOCK_REFERENCED
from honed.targets.postgres.partitioning.ranges import Range
from honed.targets.postgres.production import quoted

#: The check refuses rows beyond the cut as soon as it is there; so long before it none is made ...
_MARGIN_OF_PROMISE = timedelta(days=14)
#: ... and no table is exchanged.
_MARGIN = timedelta(days=1)

_TOO_LATE = sql.SQL("""
BEGIN
    IF {reached} THEN
        RAISE EXCEPTION 'the table has nearly come to %, where new partitions begin', {cut};
    END IF;
END""")
_ADD_CHECK = sql.SQL(
    "ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} < {cut}) NOT VALID"
)
_DROP_CHECK = sql.SQL("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}")
_VALIDATE = sql.SQL("ALTER TABLE {table} VALIDATE CONSTRAINT {check}")
_HAS_CHECK = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_constraint WHERE conname = {check_name}"
    " AND conrelid IN (to_regclass({table_name}), to_regclass({before_name}))) THEN 'done'"
    " ELSE 'absent' END"
)
_IS_VALID = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_constraint WHERE conname = {check_name}"
    " AND conrelid IN (to_regclass({table_name}), to_regclass({before_name})) AND convalidated)"
    " THEN 'done' ELSE 'absent' END"
)

_RENAME = sql.SQL("ALTER TABLE {table} RENAME TO {before_plain}")
_RENAME_INDEX = sql.SQL("ALTER INDEX {old} RENAME TO {new}")
_CREATE = sql.SQL(
    "CREATE TABLE {table} (LIKE {before} INCLUDING ALL) PARTITION BY RANGE ({column})"
)
_FOREIGN_KEY = sql.SQL("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
_ATTACH = sql.SQL(
    "ALTER TABLE {table} ATTACH PARTITION {before} FOR VALUES FROM (MINVALUE) TO ({cut})"
)
# The index of the whole takes the name that the old rows' index had: ON CONFLICT names it. First
# each goes out of the way, as the server may have given it the name of another.
_SET_INDEX_ASIDE = sql.SQL("""
DECLARE
    whole regclass := inhparent FROM pg_inherits WHERE inhrelid = {old_name}::regclass;
BEGIN
    EXECUTE format('ALTER INDEX %s RENAME TO %I', whole, 'honed_whole_' || whole::oid);
END""")
_NAME_INDEX = sql.SQL("""
DECLARE
    whole regclass := inhparent FROM pg_inherits WHERE inhrelid = {old_name}::regclass;
BEGIN
    EXECUTE format('ALTER INDEX %s RENAME TO %I', whole, {new_plain});
END""")
_CREATE_PARTITION = sql.SQL(
    "CREATE TABLE {new} PARTITION OF {table} FOR VALUES FROM ({lower}) TO ({upper})"
)
_CREATE_REST = sql.SQL("CREATE TABLE {new} PARTITION OF {table} DEFAULT")
_OWN_SEQUENCE = sql.SQL("ALTER SEQUENCE {sequence} OWNED BY {table}.{column}")
_COPY_COMMENT = sql.SQL("""
DECLARE
    said text := obj_description({before_name}::regclass, 'pg_class');
BEGIN
    IF said IS NOT NULL THEN
        EXECUTE format('COMMENT ON TABLE %s IS %L', {table_name}::regclass, said);
    END IF;
END""")
_IS_CONVERTED = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass({before_name})"
    " AND inhparent = to_regclass({table_name})) THEN 'done' ELSE 'absent' END"
)

_LOCK = sql.SQL("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
_DETACH = sql.SQL("ALTER TABLE {table} DETACH PARTITION {before}")
# The columns are asked for when it runs: somebody may have added some since.
_MOVE_BACK = sql.SQL("""
DECLARE
    columns text := string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = {table_name}::regclass AND attnum > 0 AND NOT attisdropped
          AND attgenerated = '';
    there bigint := count(*) FROM {table};
    moved bigint;
BEGIN
    EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s'
                 , {before_name}::regclass, columns, columns, {table_name}::regclass);
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> there THEN
        RAISE EXCEPTION '% of % rows came back', moved, there;
    END IF;
END""")
_DROP = sql.SQL("DROP TABLE {table}")
_RENAME_BACK = sql.SQL("ALTER TABLE {before} RENAME TO {plain}")
_ANALYZE = sql.SQL("ANALYZE {table}")

_AGE_INSERT = sql.SQL(
    "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"
    " SELECT {columns} FROM {before} WHERE {column} >= {first} ORDER BY {column}"
)
_AGE_DELETE = sql.SQL("DELETE FROM {before} WHERE {column} >= {first}")
_AGE_PACK = sql.SQL("VACUUM FULL {before}")
_AGE_ATTACH = sql.SQL(
    "ALTER TABLE {table} ATTACH PARTITION {before} FOR VALUES FROM (MINVALUE) TO ({first})"
)
_AGE_ANALYZE = sql.SQL("VACUUM (ANALYZE) {table}")


def conversion_steps(plan: Conversion) -> list[Step]:
    """Return the steps that convert a table: each can be asked for, and none is left half-done."""
    names, relation = plan.names, plan.relation
    early, in_time = (
        text_of(block(_TOO_LATE.format(**names, reached=_reached(plan, margin))))
        for margin in (_MARGIN_OF_PROMISE, _MARGIN)
    )
    cut = plan.key.write(plan.cut)
    return [
        Step(
            f"promise that no row of {relation} lies at {cut} or beyond; until it is partitioned,"
            " or this is taken back, it refuses such rows",
            do=(early, text_of(_ADD_CHECK.format(**names))),
            undo=(text_of(_DROP_CHECK.format(**names)),),
            inspect=text_of(_HAS_CHECK.format(**names)),
        ),
        Step(
            f"look through {relation} once, so that the promise counts",
            do=(text_of(_VALIDATE.format(**names)),),
            inspect=text_of(_IS_VALID.format(**names)),
        ),
        Step(
            f"make {relation} partitioned, with its rows as the first partition {plan.before}",
            do=(in_time, *_swap(plan, names)),
            undo=tuple(_swap_back(plan, names)),
            inspect=text_of(_IS_CONVERTED.format(**names)),
        ),
        Step(
            f"let the planner know {relation} as a whole",
            do=(text_of(_ANALYZE.format(**names)),),
            in_transaction=False,
        ),
    ]


def _reached(plan: Conversion, margin: timedelta) -> sql.Composable:
    names = plan.names
    if isinstance(plan.cut, int):
        (new, _), *_ = plan.new
        distance = new.upper - new.lower  # type: ignore[operator]  # both of one key
        assert isinstance(distance, int)  # noqa: S101 - of numbers
        nearly = sql.Literal(plan.cut - max(1, distance // 10))
        return sql.SQL("(SELECT max({column}) FROM {table}) >= {nearly}").format(
            **names, nearly=nearly
        )
    clock = "now()" if plan.key.type == "timestamp with time zone" else "localtimestamp"
    return sql.SQL("{clock} > CAST({cut} AS {type}) - CAST({margin} AS interval)").format(
        clock=quoted(clock),
        cut=names["cut"],
        type=quoted(plan.key.type),
        margin=sql.Literal(str(margin)),
    )


def _swap(plan: Conversion, names: Mapping[str, sql.Composable]) -> list[str]:
    create = [
        BE_OWNER.format(table=names["table_name"]),
        *_locks(plan, names, "SHARE ROW EXCLUSIVE"),
        _RENAME.format(**names),
        *(_renamed(plan, old, new) for old, new in plan.indexes),
        _CREATE.format(**names),
        # It was copied with the other checks, and is true of the first partition only.
        _DROP_CHECK.format(**names),
        *(
            _FOREIGN_KEY.format(**names, name=sql.Identifier(name), definition=quoted(definition))
            for name, definition in plan.foreign_keys
        ),
        _ATTACH.format(**names),
        *(
            block(each.format(old_name=_literal(plan, before), new_plain=sql.Literal(name)))
            for each in (_SET_INDEX_ASIDE, _NAME_INDEX)
            for name, before in plan.indexes
        ),
        *_partitions(plan, plan.new, names),
        _CREATE_REST.format(**names, new=plan.beside(plan.rest)) + storage(plan.options),
    ]
    copied = [plan.name, *(name for _, name in plan.new), plan.rest]
    grants = [
        block(COPY_GRANTS.format(like=names["before_name"], new=_literal(plan, name)))
        for name in copied
    ]
    comment = block(_COPY_COMMENT.format(**names))
    return [text_of(each) for each in (*create, *_owning(plan, names["table"]), *grants, comment)]


def _swap_back(plan: Conversion, names: Mapping[str, sql.Composable]) -> list[str]:
    statements = [
        BE_OWNER.format(table=names["table_name"]),
        # Dropping a foreign key locks readers out of what it refers to.
        *_locks(plan, names, "ACCESS EXCLUSIVE"),
        _DETACH.format(**names),
        # Else it would refuse what comes back.
        _DROP_CHECK.format(table=names["before"], check=names["check"]),
        block(_MOVE_BACK.format(**names)),
        *_owning(plan, names["before"]),
        _DROP.format(**names),
        *(_renamed(plan, before, name) for name, before in plan.indexes),
        _RENAME_BACK.format(**names),
    ]
    return [text_of(each) for each in statements]


def _locks(
    plan: Conversion, names: Mapping[str, sql.Composable], mode: str
) -> list[sql.Composable]:
    """Return what locks the table, and before it those that its foreign keys refer to."""
    lock = _LOCK.format(**names)
    if not plan.foreign_keys:
        return [lock]
    return [block(LOCK_REFERENCED.format(**names, mode=quoted(mode))), BRIEFLY, lock]


def aging(plan: Conversion) -> list[str]:
    """Return what makes of a freshly converted clone what it will be when new partitions are full.

    Rows that are there already take the places of those to come: the first partition ends so much
    earlier.
    """
    names = {**plan.names, "first": sql.Literal(plan.key.write(plan.past[0][0].lower))}
    statements = [
        # Else VACUUM finds rows whose commit is not on disk yet, and no page that all may see.
        sql.SQL("SET synchronous_commit = on"),
        _DETACH.format(**names),
        _DROP_CHECK.format(table=names["before"], check=names["check"]),
        *_partitions(plan, plan.past, names),
        _AGE_INSERT.format(**names),
        _AGE_DELETE.format(**names),
        _AGE_PACK.format(**names),
        _AGE_ATTACH.format(**names),
        _AGE_ANALYZE.format(**names),
    ]
    return [text_of(each) for each in statements]


def refreshing(plan: Conversion) -> list[str]:
    """Return what gives the unconverted table as fresh statistics as ``aging`` gives the other."""
    return ["SET synchronous_commit = on", text_of(_AGE_ANALYZE.format(**plan.names))]


def _partitions(
    plan: Conversion, ranges: Collection[tuple[Range, str]], names: Mapping[str, sql.Composable]
) -> list[sql.Composable]:
    return [
        _CREATE_PARTITION.format(
            table=names["table"],
            new=plan.beside(name),
            lower=sql.Literal(plan.key.write(each.lower)),
            upper=sql.Literal(plan.key.write(each.upper)),
        )
        + storage(plan.options)
        for each, name in ranges
    ]


def _owning(plan: Conversion, table: sql.Composable) -> list[sql.Composable]:
    return [
        _OWN_SEQUENCE.format(sequence=quoted(name), table=table, column=sql.Identifier(column))
        for name, column in plan.sequences
    ]


def _renamed(plan: Conversion, old: str, new: str) -> sql.Composable:
    return _RENAME_INDEX.format(old=plan.beside(old), new=sql.Identifier(new))


def _literal(plan: Conversion, name: str) -> sql.Literal:
    return sql.Literal(plan.beside(name).as_string(None))
