"""Registered writers: programs that ask the database how many rows to send at once."""

import re
from dataclasses import dataclass

from psycopg import sql

from honed.core.step import Step
from honed.errors import ConfigurationError
from honed.storage.queries import load_queries
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import user_name

QUERIES = load_queries(__package__, "writers.sql")

#: Where the present sizes are, in the target's own database.
REGISTER = "honed.writer"

_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,62}")

#: Runs in the target's database as a superuser or its owner. Written to be read before it is run.
_REGISTER = """\
-- Registers the writer {name_text} with honed. Run this in the target's database as its owner or as
-- a superuser. It can be run again, also for other writers: it changes this one only.

-- 1. The register, and the function that writers ask: SELECT honed.batch_size({name}).
CREATE SCHEMA IF NOT EXISTS honed;
CREATE TABLE IF NOT EXISTS honed.writer (
  name text PRIMARY KEY,
  relation text NOT NULL,
  batch_size integer NOT NULL,
  least integer NOT NULL CHECK (least >= 1),
  most integer NOT NULL,
  CHECK (batch_size BETWEEN least AND most)
);
CREATE OR REPLACE FUNCTION honed.batch_size(name text) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS 'SELECT w.batch_size FROM honed.writer AS w WHERE w.name = batch_size.name';
GRANT USAGE ON SCHEMA honed TO PUBLIC;
GRANT EXECUTE ON FUNCTION honed.batch_size(text) TO PUBLIC;
GRANT SELECT ON honed.writer TO PUBLIC;

-- 2. What lets honed change the size. Leave this part out to let it only look.
DO $honed$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = {actor_literal}) THEN
    GRANT UPDATE (batch_size) ON honed.writer TO {actor};
  END IF;
END
$honed$;

-- 3. The writer.
INSERT INTO honed.writer (name, relation, batch_size, least, most)
SELECT {name}, format('%I.%I', n.nspname, c.relname), {batch_size}, {least}, {most}
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = {relation}::regclass
ON CONFLICT (name) DO UPDATE SET
  relation = excluded.relation, batch_size = excluded.batch_size,
  least = excluded.least, most = excluded.most;
"""

# Where somebody has changed the size meanwhile, nothing is done: the trial was about another one.
_CHANGE = sql.SQL("""
BEGIN
    UPDATE honed.writer SET batch_size = {after} WHERE name = {name} AND batch_size = {before};
    IF NOT FOUND THEN
        RAISE 'the batch size of this writer is not the one that was tried: {before_text}';
    END IF;
END""")
# Likewise: what somebody chose since is not taken back.
_UNDO = sql.SQL(
    "UPDATE honed.writer SET batch_size = {before} WHERE name = {name} AND batch_size = {after}"
)
_INSPECT = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM honed.writer WHERE name = {name}"
    " AND batch_size = {after}) THEN 'done' ELSE 'absent' END"
)


@dataclass(frozen=True, slots=True)
class Writer:
    """One program that writes to one table, and how many rows it sends at once."""

    name: str
    #: Qualified name of the table, quoted where it must be.
    relation: str
    batch_size: int
    #: Bounds that its developer set.
    least: int
    most: int
    #: Whether the acting role may change the size; True where there is no acting role.
    may_change: bool = True


def read_writers(target: PostgresTarget) -> list[Writer]:
    """Return the registered writers of ``target`` by name; none where nobody registered one."""
    (register,) = target.query(QUERIES["find_register"], {})
    if not (register["is_there"] and register["may_read"]):
        return []
    actor = user_name(target.record.act_url) if target.record.act_url else ""
    return [Writer(**row) for row in target.query(QUERIES["list_writers"], {"actor": actor})]


def register_sql(writer: Writer, *, actor: str) -> str:
    """Return the SQL that registers ``writer``, for the database's owner to read and run.

    Args:
        writer: ``relation`` as a person writes it.

        actor: name of the acting role.

    Raises:
        ConfigurationError: its name is odd, or its sizes do not go together.
    """
    if not _NAME.fullmatch(writer.name):
        msg = f"{writer.name!r} is no name for a writer"
        raise ConfigurationError(msg, hint="use lower-case letters, digits, _, . and -")
    if not 1 <= writer.least <= writer.batch_size <= writer.most:
        msg = f"{writer.batch_size} is not between {writer.least} and {writer.most}"
        raise ConfigurationError(msg, hint="the sizes are 1 <= --min <= --batch-size <= --max")
    return (
        sql.SQL(_REGISTER)
        .format(
            name=sql.Literal(writer.name),
            name_text=sql.SQL(writer.name),
            relation=sql.Literal(writer.relation),
            batch_size=sql.Literal(writer.batch_size),
            least=sql.Literal(writer.least),
            most=sql.Literal(writer.most),
            actor=sql.Identifier(actor),
            actor_literal=sql.Literal(actor),
        )
        .as_string(None)
    )


def size_step(name: str, *, before: int, after: int) -> Step:
    """Return the step that gives the writer ``name`` another size; its undo is exact."""
    words = {
        "name": sql.Literal(name),
        "before": sql.Literal(before),
        "after": sql.Literal(after),
    }
    body = _CHANGE.format(before_text=sql.SQL(str(before)), **words).as_string(None)
    return Step(
        f"let the writer {name} send {after} rows at once, instead of {before}",
        do=(sql.SQL("DO {}").format(sql.Literal(body)).as_string(None),),
        undo=(_UNDO.format(**words).as_string(None),),
        inspect=_INSPECT.format(**words).as_string(None),
    )
