"""What of a target's relations is in its memory, and what of the rest is worth reading at once."""

from collections.abc import Sequence
from dataclasses import dataclass
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

_PREWARM = sql.SQL("SELECT {schema}.pg_prewarm({relation}::regclass)")
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


def warming_step(schema: str, relations: Sequence[tuple[str, str]], *, megabytes: float) -> Step:
    """Return the step that reads ``relations``, given by schema and name; there is no undo.

    Args:
        schema: where the extension pg_prewarm is.

        relations: what is read, in that order.

        megabytes: how much that is, for the description.
    """
    return Step(
        f"read {len(relations)} tables and indexes ({megabytes:.0f} MB) into the server's memory",
        do=tuple(
            _PREWARM.format(
                schema=sql.Identifier(schema),
                relation=sql.Literal(sql.Identifier(*each).as_string(None)),
            ).as_string(None)
            for each in relations
        ),
    )


def _actor(target: PostgresTarget) -> str:
    return user_name(target.record.act_url) if target.record.act_url else ""


def _with_schema(query: LiteralString, start: ServerStart) -> str:
    schema = sql.Identifier(start.buffercache_schema)
    return sql.SQL(query).format(buffercache=schema).as_string(None)
