"""The access method ``columnar``: what it cannot keep, and the steps that rewrite a partition.

Written against citus_columnar, whose README and source say what it lacks: foreign keys, AFTER ROW
triggers, UPDATE, DELETE and locks of rows, TOAST tables, indexes but for btree and hash.
"""

from psycopg import sql

from honed.core.step import Step
from honed.targets.postgres.columnstore.partitions import Partition
from honed.targets.postgres.composed import block, text_of

#: The access method of citus columnar and of hydra.
METHOD = "columnar"
#: A rewrite of more locks everybody out for more than a minute or two: with the proof it gets
#: through 45 MB in a second of CPU at best, and a loaded machine takes five times as long.
_MOST_REWRITTEN_BYTES = 2 * 10**9
#: Others can be there already, but serve no scan, and a dump with them cannot be restored.
_INDEX_METHODS = frozenset({"btree", "hash"})

# Rows as text, whose digests are added up, so that their order does not matter, as in
# ``archives.proof``. Numbers are told to the last digit, whatever the role's settings are.
_SUMS = sql.SQL("""
  SELECT concat_ws('.', count(*), sum(('x' || substr(d.hash, 1, 15))::bit(60)::bigint),
                   sum(('x' || substr(d.hash, 16, 15))::bit(60)::bigint))
    FROM (SELECT encode(sha256(convert_to(t::text, 'UTF8')), 'hex') AS hash
            FROM ONLY {table} AS t OFFSET 0) AS d""")
# The strongest lock at once: who holds a weaker one and waits for more can wait for a reader that
# waits for it.
_CHANGE = sql.SQL("""
DECLARE
  before text;
  after text;
  names text;
BEGIN
  PERFORM set_config('extra_float_digits', '1', true);
  LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;{sums} INTO before;
{change}{sums} INTO after;
  IF before IS DISTINCT FROM after THEN
    RAISE 'the rows of % are not the same by another access method: % against %',
          {relation}, before, after;
  END IF;
END""")
# What the undo needs is asked for before there is anything to undo.
_TO_COLUMNS = sql.SQL("""\
  IF NOT has_database_privilege(current_database(), 'TEMPORARY') THEN
    RAISE insufficient_privilege USING MESSAGE =
      current_user || ' may not make temporary tables, which bringing rows back takes';
  END IF;
  ALTER TABLE {table} SET ACCESS METHOD {method};""")
# A rewritten table has a TOAST table only if it had one, and by columns none has: wide rows would
# not fit. So the table is rewritten while it is empty; the same command again, which rewrites
# nothing, gives it a TOAST table. Columns are read now: somebody may have added one meanwhile.
_TO_ROWS = sql.SQL("""\
  CREATE TEMPORARY TABLE honed_rows USING heap ON COMMIT DROP AS SELECT * FROM ONLY {table};
  TRUNCATE ONLY {table};
  ALTER TABLE {table} SET ACCESS METHOD {method};
  ALTER TABLE {table} SET ACCESS METHOD {method};
  SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO STRICT names
    FROM pg_catalog.pg_attribute
   WHERE attrelid = {relation}::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
  EXECUTE concat('INSERT INTO ', {relation}, ' (', names, ') OVERRIDING SYSTEM VALUE SELECT ',
                 names, ' FROM pg_temp.honed_rows');""")
_VACUUM = sql.SQL("VACUUM (TRUNCATE false) {table}")
_HAS_METHOD = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_class AS c"
    " JOIN pg_catalog.pg_am AS a ON a.oid = c.relam"
    " WHERE c.oid = to_regclass({relation}) AND a.amname = {name}) THEN 'done' ELSE 'absent' END"
)


def method_obstacle(partition: Partition) -> str:
    """Return why a partition cannot be kept in columns and come back exactly; empty: it can."""
    others = sorted(set(partition.index_methods) - _INDEX_METHODS)
    reasons = {
        "rewriting it would lock out its readers for too long": (
            partition.size_bytes > _MOST_REWRITTEN_BYTES
        ),
        "columns cannot have a foreign key: deleting rows that it refers to would fail": (
            partition.has_foreign_key
        ),
        "columns cannot be referred to by foreign keys, which lock rows": partition.is_referenced,
        "columns cannot have triggers for each row, and its triggers or rules would hinder the"
        " undo": partition.has_triggers,
        "columns cannot have constraints that are deferred": partition.defers_constraints,
        f"columns cannot have indexes by {', '.join(others)}": bool(others),
        "its TOAST table, which columns do not have, has storage options": (
            partition.has_toast_options
        ),
        "row security may hide rows of it": partition.hides_rows,
        "it or its table is published, and columns are not decoded for subscribers": (
            partition.is_published
        ),
        f"its access method is {partition.method}": partition.method != "heap",
    }
    return next((reason for reason, is_so in reasons.items() if is_so), "")


def method_steps(partition: Partition) -> list[Step]:
    """Return the steps that keep a partition in columns; their undo brings back the same rows.

    Both prove in their transaction that row by row nothing changed. Table, indexes, constraints,
    privileges and the planner's statistics of columns stay the same objects all the while. Rows
    written in between come back, too. Not guaranteed: the order in which rows lie afterwards.
    """
    relation = sql.Identifier(partition.schema, partition.name)
    names = {
        "table": relation,
        "relation": sql.Literal(relation.as_string(None)),
        "sums": _SUMS.format(table=relation),
    }
    to_columns = _TO_COLUMNS.format(**names, method=sql.Identifier(METHOD))
    to_rows = _TO_ROWS.format(**names, method=sql.Identifier(partition.method))
    vacuum = text_of(_VACUUM.format(**names))
    return [
        Step(
            # Who is rewritten knows neither its number of rows nor which pages all can see.
            f"vacuum {partition.qualified_name} while it is kept in rows",
            do=(vacuum,),
            undo=(vacuum,),
            in_transaction=False,
        ),
        Step(
            f"keep {partition.qualified_name} in columns, by the access method {METHOD}, and prove"
            " that its rows are the same",
            do=(text_of(block(_CHANGE.format(**names, change=to_columns))),),
            undo=(text_of(block(_CHANGE.format(**names, change=to_rows))),),
            inspect=text_of(_HAS_METHOD.format(**names, name=sql.Literal(METHOD))),
        ),
    ]
