"""The steps of vacuuming: VACUUM now, and thresholds by which autovacuum comes in time."""

from collections.abc import Mapping, Sequence

from psycopg import sql

from honed.core.step import Step
from honed.targets.postgres.vacuuming.tables import VacuumedTable

#: From so many rows on a share is the wrong measure: a fifth of them is a lot of dead rows.
LARGE_ROWS = 100_000
#: Autovacuum is to come at this part of the dead rows whose harm was measured ...
_EARLIER = 0.25
#: ... but not more often than at so many for each living one: it reads every index each time.
_LEAST_SCALE = 0.01
#: As the server comes.
_USUAL_THRESHOLD = 50

# Without TRUNCATE: giving the file's end back locks out readers, on standbys too.
_VACUUM = sql.SQL("VACUUM (ANALYZE, TRUNCATE false) {}")
# Where the role may not, VACUUM only warns, and would count as done. MAINTAIN is of PostgreSQL 17.
_MAY_VACUUM = sql.SQL("""
DECLARE
    may boolean := pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = {table}::regclass;
BEGIN
    may := may OR pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database();
    IF NOT may AND current_setting('server_version_num')::integer >= 170000 THEN
        may := has_table_privilege({table}::regclass, 'MAINTAIN');
    END IF;
    IF NOT may THEN
        RAISE insufficient_privilege USING MESSAGE = current_user || ' may not vacuum ' || {table};
    END IF;
END""")
_SET = sql.SQL("ALTER TABLE {} SET ({})")
_RESET = sql.SQL("ALTER TABLE {} RESET ({})")
_INSPECT = sql.SQL(
    "SELECT CASE WHEN coalesce((SELECT reloptions @> {options}::text[] FROM pg_class"
    " WHERE oid = to_regclass({table})), false) THEN 'done' ELSE 'absent' END"
)


def vacuum_step(table: VacuumedTable) -> Step:
    """Return the step that vacuums and analyzes ``table``; there is nothing to undo.

    It fails where the role may not: its first statement asks.
    """
    relation = sql.Identifier(table.schema, table.name)
    body = _MAY_VACUUM.format(table=sql.Literal(relation.as_string(None))).as_string(None)
    return Step(
        f"vacuum {table.qualified_name}",
        do=(
            sql.SQL("DO {}").format(sql.Literal(body)).as_string(None),
            _VACUUM.format(relation).as_string(None),
        ),
        in_transaction=False,
    )


def wanted_options(table: VacuumedTable) -> dict[str, str]:
    """Return the storage options that would have kept the dead rows from gathering; often none.

    None where autovacuum is only late, and none where the whole server has it off: a table's
    options mean nothing there.
    """
    if not table.is_server_on:
        return {}
    wanted = {} if table.is_enabled else {"autovacuum_enabled": "true"}
    if table.live_rows < LARGE_ROWS or table.dead_rows >= table.trigger_rows:
        return wanted
    scale = max(_LEAST_SCALE, round(_EARLIER * table.dead_ratio, 3))
    if scale < table.scale_factor:
        wanted["autovacuum_vacuum_scale_factor"] = str(scale)
    if table.threshold > scale * table.live_rows:
        wanted["autovacuum_vacuum_threshold"] = str(_USUAL_THRESHOLD)
    return wanted


def options_step(table: VacuumedTable, wanted: Mapping[str, str]) -> Step:
    """Return the step that gives ``table`` the options ``wanted``; its undo is exact.

    Of options that the table had, the undo restores value and place in the list. For that it
    writes those that stand behind a replaced one again, as they were when the step was made.
    """
    before = [(name, value) for name, _, value in (each.partition("=") for each in table.options)]
    replaced = [place for place, (name, _) in enumerate(before) if name in wanted]
    again = before[replaced[0] :] if replaced else []
    relation = sql.Identifier(table.schema, table.name)
    qualified = relation.as_string(None)
    names = dict.fromkeys((*wanted, *(name for name, _ in again)))
    undo = [_RESET.format(relation, sql.SQL(", ").join(map(sql.Identifier, names)))]
    if again:
        undo.append(_SET.format(relation, _assignments(again)))
    return Step(
        f"let autovacuum come to {table.qualified_name} in time: "
        + ", ".join(f"{name} = {value}" for name, value in wanted.items()),
        do=(_SET.format(relation, _assignments(list(wanted.items()))).as_string(None),),
        undo=tuple(each.as_string(None) for each in undo),
        inspect=_INSPECT.format(
            options=sql.Literal([f"{name}={value}" for name, value in wanted.items()]),
            table=sql.Literal(qualified),
        ).as_string(None),
    )


def _assignments(options: Sequence[tuple[str, str]]) -> sql.Composable:
    pairs = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value))
        for name, value in options
    ]
    return sql.SQL(", ").join(pairs)
