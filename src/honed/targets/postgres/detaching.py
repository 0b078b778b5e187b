"""Detaching a partition so that it can be attached again without being read."""

from dataclasses import dataclass

from psycopg import sql

from honed.core.canonical import digest
from honed.core.step import Step
from honed.targets.postgres.composed import block, text_of
from honed.targets.postgres.production import quoted

#: The default partition may have grown since, and the undo looks through it, but not beyond this.
_MOST_GROWN_BYTES = 1024 * 1024 * 1024

_ADD = sql.SQL("ALTER TABLE {part} ADD CONSTRAINT {check} CHECK ({condition}) NOT VALID")
_DROP = sql.SQL("ALTER TABLE {part} DROP CONSTRAINT {check}")
# The mark tells its one scan from a reader's.
_VALIDATE = sql.SQL("ALTER TABLE {part} VALIDATE CONSTRAINT {check} /* honed */")
_IS_THERE = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_constraint"
    " WHERE conrelid = to_regclass({part_name}) AND conname = {check_name} {more})"
    " THEN 'done' ELSE 'absent' END"
)
_DETACH = sql.SQL("ALTER TABLE {table} DETACH PARTITION {part}")
_CONCURRENTLY = sql.SQL("ALTER TABLE {table} DETACH PARTITION {part} CONCURRENTLY")
_ATTACH = sql.SQL("ALTER TABLE {table} ATTACH PARTITION {part} {bound}")
# What a detaching that was cut off has begun can only be finished.
_FINISH = sql.SQL("""
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = to_regclass({part_name})
               AND inhparent = to_regclass({table_name}) AND inhdetachpending) THEN
        ALTER TABLE {table} DETACH PARTITION {part} FINALIZE;
    END IF;
END""")
# Late rows of its range have come into the default partition; it cannot be attached beside them.
# The columns are asked for when it runs: somebody may have added some since.
_MOVE_LATE = sql.SQL("""
DECLARE
    rest regclass := nullif(partdefid, 0)::regclass FROM pg_partitioned_table
        WHERE partrelid = {table_name}::regclass;
    columns text := string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = {part_name}::regclass AND attnum > 0 AND NOT attisdropped
          AND attgenerated = '';
BEGIN
    IF rest IS NULL THEN
        RETURN;
    END IF;
    IF pg_relation_size(rest) > {most} THEN
        RAISE EXCEPTION 'the default partition % is so large that looking through it locks out'
            , rest;
    END IF;
    LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', rest);
    EXECUTE format('WITH moved AS (DELETE FROM %s WHERE %s RETURNING %s) INSERT INTO %s (%s)'
                   ' OVERRIDING SYSTEM VALUE SELECT %s FROM moved', rest, {condition_text}, columns
                 , {part_name}::regclass, columns, columns);
END""")
_IS_DETACHED = sql.SQL(
    "SELECT CASE (SELECT inhdetachpending FROM pg_catalog.pg_inherits"
    " WHERE inhrelid = to_regclass({part_name}) AND inhparent = to_regclass({table_name}))"
    " WHEN true THEN 'partial' WHEN false THEN 'absent'"
    " ELSE CASE WHEN to_regclass({part_name}) IS NULL THEN 'absent' ELSE 'done' END END"
)


@dataclass(frozen=True, slots=True)
class Detachment:
    """One partition that is to be detached from its table."""

    #: Schema and name.
    table: tuple[str, str]
    part: tuple[str, str]
    #: As the server writes it: ``FOR VALUES FROM (1) TO (5)``.
    bound: str
    #: What the server checks of each of its rows.
    condition: str
    #: Whether another partition takes what none takes: it cannot be detached concurrently then.
    has_default: bool

    def steps(self) -> list[Step]:
        """Return the steps: a check that says the partition's bounds, and the detaching.

        With the check PostgreSQL adds none of its own, and the table can be attached again, which
        is the undo, without being read through.
        """
        names = self._names()
        part, table = self.part[1], ".".join(self.table)
        is_valid = sql.SQL("AND convalidated")
        return [
            Step(
                f"say the bounds of {part} in a check of its own",
                do=(text_of(_ADD.format(**names)),),
                undo=(text_of(_DROP.format(**names)),),
                inspect=text_of(_IS_THERE.format(**names, more=sql.SQL(""))),
            ),
            Step(
                f"look through {part} once, while others read and write, so that the check counts",
                do=(text_of(_VALIDATE.format(**names)),),
                inspect=text_of(_IS_THERE.format(**names, more=is_valid)),
            ),
            Step(
                f"detach {part} from {table}; it stays as a table of its own",
                do=(text_of((_DETACH if self.has_default else _CONCURRENTLY).format(**names)),),
                undo=(
                    text_of(block(_FINISH.format(**names))),
                    text_of(block(_MOVE_LATE.format(**names))),
                    text_of(_ATTACH.format(**names)),
                ),
                inspect=text_of(_IS_DETACHED.format(**names)),
                in_transaction=self.has_default,
                # FINALIZE and ATTACH lock out: they give up after a while, and try again.
                undo_in_transaction=True,
            ),
        ]

    def _names(self) -> dict[str, sql.Composable]:
        part, table = sql.Identifier(*self.part), sql.Identifier(*self.table)
        check = f"honed_bounds_{digest([list(self.part), self.bound])[:10]}"
        return {
            "part": part,
            "table": table,
            "part_name": sql.Literal(text_of(part)),
            "table_name": sql.Literal(text_of(table)),
            "check": sql.Identifier(check),
            "check_name": sql.Literal(check),
            "bound": quoted(self.bound),
            "condition": quoted(self.condition),
            "condition_text": sql.Literal(self.condition),
            "most": sql.Literal(_MOST_GROWN_BYTES),
        }
