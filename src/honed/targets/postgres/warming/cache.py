"""What of a target's relations is in its memory, and what of the rest is worth reading at once."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import LiteralString

from psycopg import sql

from honed.core.step import Step
from honed.storage.queries import load_queries
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import user_name

_QUERIES = load_queries(__package__, "warming.sql")

#: The most relations that are read at once (seed 001: the top 1000 entries).
MOST_RELATIONS = 1000
#: The share of the server's memory that is filled at most: the rest is for what nobody foresees.
SHARE = 0.5
#: A relation of which a larger share is in memory has warmed up by itself.
_WARM_SHARE = 0.5

#: What one step reads: between two steps it is asked whether honed shall stop.
PIECE_BYTES = 512 * 2**20

_PREWARM = sql.SQL("SELECT {schema}.pg_prewarm({relation}::regclass)")
# The relation may have become smaller.
_PREWARM_PART = sql.SQL(
    "SELECT {schema}.pg_prewarm({relation}::regclass, 'buffer', 'main', {first},"
    " least({last}::bigint, t.pages - 1)) FROM (SELECT pg_catalog.pg_relation_size("
    "{relation}::regclass) / current_setting('block_size')::bigint AS pages) AS t"
    " WHERE t.pages > {first}"
)
# A step may be carried out hours after it was claimed, when it would drive out what is used now.
# Whether the acting role may see what is in memory is for whoever made it to say.
_STILL_COLD = sql.SQL("""\
DECLARE
  v_unused bigint;
BEGIN
  IF pg_postmaster_start_time() <> {started_at}::timestamptz THEN
    RAISE 'the server was started again: its memory is to be looked at again';
  END IF;
  IF clock_timestamp() - pg_postmaster_start_time() > {young_s} * interval '1 second' THEN
    RAISE 'the server was started too long ago: its memory has warmed up by itself';
  END IF;
  BEGIN
    SELECT count(*) INTO v_unused FROM {schema}.pg_buffercache AS b WHERE b.relfilenode IS NULL;
  EXCEPTION WHEN insufficient_privilege THEN
    RETURN;
  END;
  IF v_unused < {blocks} THEN
    RAISE 'only % buffers hold nothing: what is in the others would be driven out', v_unused;
  END IF;
END""")
_FUNCTION = "{schema}.pg_prewarm(regclass, text, text, bigint, bigint)"


@dataclass(frozen=True, slots=True)
class ServerStart:
    """One start of a target's server, and what there is to warm its memory with."""

    started_at: datetime
    #: Seconds since then.
    age_s: float
    #: Pages that the server's shared memory holds.
    buffers: int
    block_bytes: int
    #: Schemas of the extensions; empty: not there.
    prewarm_schema: str
    buffercache_schema: str
    #: Whether the observing role may see what is in memory.
    sees_buffers: bool
    #: Whether the server itself loads after a start what it held before.
    is_automatic: bool
    #: Whether it is doing so now.
    is_loading: bool

    @property
    def subject(self) -> str:
        """Name this start and no other."""
        return f"the start of {self.started_at.astimezone(UTC).isoformat(timespec='seconds')}"


@dataclass(frozen=True, slots=True)
class CachedRelation:
    """One table or index, and how much of it is in memory."""

    schema: str
    name: str
    #: The table that it is, or that it is an index of.
    table_schema: str
    table_name: str
    #: Its qualified name, quoted where it must be.
    table: str
    pages: int
    #: Pages of it that are in memory.
    held: int
    #: How often a page of it was asked for since the counters began.
    accesses: int
    #: Whether the acting role may read it; True where there is no acting role.
    may_read: bool = True

    @property
    def missing(self) -> int:
        """Pages that are not in memory."""
        return max(0, self.pages - self.held)

    @property
    def density(self) -> float:
        """How often each page was asked for, on average."""
        return self.accesses / self.pages if self.pages else 0.0

    @property
    def is_cold(self) -> bool:
        """Whether production reads all of it again and again, and most of it is not in memory."""
        return self.density >= 1.0 and self.held < _WARM_SHARE * self.pages


def choose(relations: Sequence[CachedRelation], budget: int) -> list[CachedRelation]:
    """Return the cold relations to read, those whose pages are asked for most often first.

    One that does not fit into what is left of ``budget`` pages is passed over. Of a relation whose
    pages were asked for less than once each nobody knows which ones are needed: it is left alone.
    """
    cold = [each for each in relations if each.is_cold and each.may_read]
    chosen: list[CachedRelation] = []
    for relation in sorted(cold, key=lambda each: (-each.density, each.schema, each.name)):
        if relation.missing <= budget and len(chosen) < MOST_RELATIONS:
            chosen.append(relation)
            budget -= relation.missing
    return chosen


def read_start(target: PostgresTarget) -> ServerStart:
    """Return the last start of the target's server."""
    (row,) = target.query(_QUERIES["read_start"], {})
    return ServerStart(**row)


def why_not(target: PostgresTarget, start: ServerStart) -> str:
    """Return what keeps honed from warming the target, with what would let it; empty: nothing."""
    if not start.prewarm_schema:
        return "the extension pg_prewarm is not installed: CREATE EXTENSION pg_prewarm"
    if not start.buffercache_schema:
        return "the extension pg_buffercache is not installed: CREATE EXTENSION pg_buffercache"
    if not start.sees_buffers:
        return "the observing role may not see what is in memory: GRANT pg_monitor TO it"
    actor = _actor(target)
    schema = sql.Identifier(start.prewarm_schema).as_string(None)
    asked = {"actor": actor, "function": _FUNCTION.format(schema=schema)}
    if actor and not target.query(_QUERIES["may_warm"], asked)[0]["may_warm"]:
        return f"the acting role {actor} may not call pg_prewarm: GRANT EXECUTE ON FUNCTION to it"
    return ""


def read_relations(target: PostgresTarget, start: ServerStart) -> list[CachedRelation]:
    """Return the tables and indexes that production reads; see ``why_not`` first."""
    query = _with_schema(_QUERIES["list_relations"], start)
    return [CachedRelation(**row) for row in target.query(query, {"actor": _actor(target)})]


def budget_blocks(target: PostgresTarget, start: ServerStart) -> int:
    """Return how many pages may be read: into buffers that hold nothing, and not into all."""
    (row,) = target.query(_with_schema(_QUERIES["count_unused"], start), {})
    return min(int(row["unused"]), int(SHARE * start.buffers))


@dataclass(frozen=True, slots=True)
class Part:
    """Pages of one relation that one step reads."""

    schema: str
    name: str
    first: int
    #: None: to its end.
    last: int | None
    #: How many of them are not in memory.
    missing: int

    def statement(self, schema: str) -> str:
        """Return what reads it by the extension in ``schema``."""
        relation = sql.Literal(sql.Identifier(self.schema, self.name).as_string(None))
        is_whole = self.first == 0 and self.last is None
        text = _PREWARM if is_whole else _PREWARM_PART
        return text.format(
            schema=sql.Identifier(schema),
            relation=relation,
            first=sql.Literal(self.first),
            last=sql.Literal(self.last),
        ).as_string(None)


@dataclass(frozen=True, slots=True)
class Warming:
    """The steps that warm a server's memory after one start of it, and after no other."""

    started_at: str
    #: Seconds after the start from which on nothing is read any more.
    young_s: float
    block_bytes: int
    prewarm_schema: str
    buffercache_schema: str

    def steps(self, relations: Sequence[tuple[str, str, int, int]]) -> list[Step]:
        """Return the steps that read ``relations``, in that order; there is no undo.

        Args:
            relations: schema, name, pages, and how many of them are not in memory.
        """
        return [self._step(piece) for piece in pieces(relations, PIECE_BYTES // self.block_bytes)]

    def _step(self, parts: Sequence[Part]) -> Step:
        blocks = sum(each.missing for each in parts)
        names = ", ".join(f"{each.schema}.{each.name}" for each in parts[:3])
        more = f" and {len(parts) - 3} more" if len(parts) > 3 else ""  # noqa: PLR2004 - as above
        guard = _STILL_COLD.format(
            started_at=sql.Literal(self.started_at),
            young_s=sql.Literal(self.young_s),
            schema=sql.Identifier(self.buffercache_schema),
            blocks=sql.Literal(blocks),
        ).as_string(None)
        return Step(
            f"read {blocks * self.block_bytes / 2**20:.0f} MB of {names}{more} into the server's"
            " memory, while that is still empty",
            do=(
                sql.SQL("DO {}").format(sql.Literal(guard)).as_string(None),
                *(each.statement(self.prewarm_schema) for each in parts),
            ),
        )


def pieces(relations: Sequence[tuple[str, str, int, int]], blocks: int) -> Iterator[list[Part]]:
    """Yield what one step reads, about ``blocks`` pages each; a large relation is cut."""
    piece: list[Part] = []
    for schema, name, pages, missing in relations:
        for first in range(0, pages, blocks):
            last = None if first + blocks >= pages else first + blocks - 1
            share = min(blocks, pages - first) / pages
            part = Part(schema, name, first, last, math.ceil(missing * share))
            if piece and sum(each.missing for each in piece) + part.missing > blocks:
                yield piece
                piece = []
            piece.append(part)
    if piece:
        yield piece


def unguarded(steps: Sequence[Step]) -> list[Step]:
    """Return the steps without what asks whether the server is the one that is meant."""
    return [replace(step, do=step.do[1:]) for step in steps]


def _actor(target: PostgresTarget) -> str:
    return user_name(target.record.act_url) if target.record.act_url else ""


def _with_schema(query: LiteralString, start: ServerStart) -> str:
    schema = sql.Identifier(start.buffercache_schema)
    return sql.SQL(query).format(buffercache=schema).as_string(None)
