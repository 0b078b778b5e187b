"""Traps on TPC-H: settings for everything, and an advisor's indexes."""

import math
from collections.abc import Collection, Iterator, Sequence

from production import Production
from stage import CAUGHT, Row, Stage, Theatre

from honed.demo.tpch import QUERIES, generate, load
from honed.improvement.record import Improvement
from honed.storage.databases import create_database
from honed.storage.db import Database
from honed.targets.postgres.indexes.definition import IndexDefinition, Key
from honed.testing.claimed import Claimed, GivenClaim, setting_claim

#: On keys that join and on dates, as many would index TPC-H; some plans then hang by a thread.
_INDEXES = (
    "lineitem (l_partkey, l_suppkey)",
    "lineitem (l_suppkey)",
    "lineitem (l_shipdate)",
    "orders (o_custkey)",
    "orders (o_orderdate)",
    "partsupp (ps_suppkey)",
    "customer (c_nationkey)",
    "supplier (s_nationkey)",
)
_KEYS_ONLY, _INDEXED = "reports", "indexed_reports"
#: Of postgres-mcp's two indexes one is known by its columns; this is the one with a partner that
#: looks like its kind.
_STAND_IN = (
    IndexDefinition("public", "lineitem", (Key("l_orderkey"), Key("l_quantity"))),
    IndexDefinition("public", "lineitem", (Key("l_partkey"), Key("l_suppkey"))),
)
#: From this ratio on a statement counts as slower.
_SLOWER = 1.10
#: On primary keys alone they take many seconds.
_ENDLESS = frozenset({"q17", "q20"})


def play(theatre: Theatre, scale: float, wanted: Collection[int]) -> Iterator[Row]:
    """Play those of the traps 1, 2, 3 and 5 that are wanted."""
    with theatre.server("tpch") as server:
        Production.make(server, _KEYS_ONLY, ())
        production = Production(_KEYS_ONLY, server, slow=_ENDLESS)
        with production.client.connect() as connection:
            load(connection, generate(theatre.folder / "csv", scale))
        with production.client.connect(autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        if wanted & {1, 2}:
            create_database(Database(server.url()), _INDEXED, template=_KEYS_ONLY, by_files=True)
        production.admit()
        if wanted & {3, 5}:
            yield from _on_keys_only(theatre, production, wanted)
        if wanted & {1, 2}:
            yield from _on_indexes(theatre, Production(_INDEXED, server), wanted)


def _on_keys_only(
    theatre: Theatre, production: Production, wanted: Collection[int]
) -> Iterator[Row]:
    claims = {
        "3 enable_nestloop = off": setting_claim(production.name, "enable_nestloop", "off"),
        "5 an advisor's indexes": GivenClaim(
            "; ".join(each.summary for each in _STAND_IN),
            lambda _: [each.step() for each in _STAND_IN],
        ),
    }
    yield from _on(theatre, production, _chosen(claims, wanted))


def _on_indexes(theatre: Theatre, production: Production, wanted: Collection[int]) -> Iterator[Row]:
    with production.client.connect(autocommit=True) as connection:
        for each in _INDEXES:
            connection.execute(f"CREATE INDEX ON {each}".encode())
        connection.execute("VACUUM ANALYZE")
    production.admit()
    claims = {
        "1 random_page_cost = 1.1": setting_claim(production.name, "random_page_cost", "1.1"),
        "2 work_mem = 64MB": setting_claim(production.name, "work_mem", "64MB"),
    }
    yield from _on(theatre, production, _chosen(claims, wanted))


def _chosen(claims: dict[str, GivenClaim], wanted: Collection[int]) -> dict[str, GivenClaim]:
    return {trap: claim for trap, claim in claims.items() if int(trap.partition(" ")[0]) in wanted}


def _on(
    theatre: Theatre,
    production: Production,
    claims: dict[str, GivenClaim],
) -> Iterator[Row]:
    """Play ``claims`` one after the other, and take back what was applied."""
    kind = Claimed()
    with theatre.stage(production, QUERIES, (kind,), trial_s=240.0, sample_interval_s=1.5) as stage:
        for trap, claim in claims.items():
            kind.claims = [claim]
            (found,) = stage.turn().improvements
            yield _row(stage, trap, found)
            stage.app.undo_all(production.name, "the next trap")


def _row(stage: Stage, trap: str, found: Improvement) -> Row:
    """Return what came of a claim; one that slows nothing and was applied is no trap here."""
    effects = stage.effects(found)
    slower = sorted(name for name, ratio in effects.items() if ratio > _SLOWER)
    mean = math.exp(sum(math.log(each) for each in effects.values()) / max(1, len(effects)))
    pairs = stage.pairs(found)
    said = f"x{mean:.2f} on average of {pairs} pairs; over 10 % slower: {_list(effects, slower)}"
    if found.state not in CAUGHT and effects and not slower:
        row = stage.row(trap, found, wanted=found.state, note=f"not a trap here: {said}")
    else:
        row = stage.row(trap, found, note=said)
    return row


def _list(effects: dict[str, float], names: Sequence[str]) -> str:
    return ", ".join(f"{name} x{effects[name]:.2f}" for name in names) or "none"
