from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from honed.core.verdict import Verdict
from honed.experiments.trial import run_trial
from honed.kinds.cache_warming import AUTOPREWARM_OFF, COLD_CACHE, CacheWarming
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.warming.cache import CachedRelation, choose, pieces, read_start
from honed.testing.contract import KindContract, Proposed
from honed.testing.worlds import PostgresWorld, WorldPlan

#: What it measures is time.
pytestmark = [pytest.mark.slow, pytest.mark.alone]

EXTENSIONS = ("CREATE EXTENSION pg_prewarm", "CREATE EXTENSION pg_buffercache")
TABLES = (
    "CREATE TABLE article (article_id integer PRIMARY KEY, title text)",
    "INSERT INTO article SELECT n, repeat('x', 200) FROM generate_series(1, 40000) n",
    'CREATE TABLE "Odd one" (value integer)',
    'INSERT INTO "Odd one" SELECT generate_series(1, 20000)',
    "CREATE TABLE archive (note text)",
    "INSERT INTO archive SELECT repeat('y', 200) FROM generate_series(1, 20000) n",
    "VACUUM ANALYZE article",
    'VACUUM ANALYZE "Odd one"',
)
#: Nobody reads the archive.
TRAFFIC = (
    "SELECT count(title) FROM article",
    'SELECT count(*) FROM "Odd one"',
    "SELECT title FROM article WHERE article_id = 7",
)
#: As after a restart: the server of the tests is everybody's.
EMPTY = "SELECT pg_buffercache_evict_relation(c.oid) FROM pg_class c WHERE relnamespace = 2200"


def empty(world: PostgresWorld) -> None:
    with world.database.connect(autocommit=True) as connection:
        connection.execute(f"{EMPTY} AND relkind IN ('r', 'i')".encode())


class TestCacheWarming(KindContract):
    kind = CacheWarming()
    ill = WorldPlan((*EXTENSIONS, *TABLES), TRAFFIC)
    well = WorldPlan((*EXTENSIONS, *TABLES), TRAFFIC)

    @pytest.fixture(scope="class")
    @classmethod
    def ill_world(cls, make_world: Callable[[object], PostgresWorld]) -> PostgresWorld:
        """Return a world of which nothing is in memory."""
        world = make_world(cls.ill)
        empty(world)
        return world

    def test_only_what_is_read_again_and_again_is_read(self, proposed: Proposed) -> None:
        (claim,) = proposed.claims
        (step,) = proposed.steps
        assert "article" in step.do[1] + step.do[2]
        assert any('"Odd one"' in each for each in step.do)
        assert not any("archive" in each for each in step.do)
        assert (step.undo, step.inspect) == ((), "")
        assert 1000 < float(str(claim.parameters["blocks"])) < 2000

    def test_the_shared_judge_calls_it_better(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        trial = self.kind.trial(proposed.claims[0], ill_world.target)
        result = run_trial(trial, proposed.steps, seed=1)
        assert result.verdict is Verdict.IMPROVED, result.judgement.reason
        blocks = {(block.arm, *sorted(block.costs.items())) for block in result.blocks}
        assert len({arm for arm, *_ in blocks}) == len(blocks), "the same is read each time"

    def test_blocks_are_counted_in_production_from_the_start_on(
        self, ill_world: PostgresWorld, proposed: Proposed
    ) -> None:
        target, claim = ill_world.target, proposed.claims[0]
        empty(ill_world)
        ill_world.live()
        sample = self.kind.measure(claim, target)
        assert len(sample) == len(TRAFFIC)
        assert max(sample.values()) > 1.0
        assert self.kind.compares_from(claim) == read_start(target).started_at

    def test_a_restart_is_left_to_a_person(self, ill_world: PostgresWorld) -> None:
        empty(ill_world)
        found = {each.type: each for each in self.kind.look(ill_world.target)}
        assert "restart" in found[AUTOPREWARM_OFF].title
        assert AUTOPREWARM_OFF not in self.kind.wants

    def test_a_server_that_runs_for_long_is_left_alone(self, ill_world: PostgresWorld) -> None:
        class OldServer(CacheWarming):
            young_s: ClassVar[float] = 0.0

        empty(ill_world)
        assert list(OldServer().look(ill_world.target)) == []

    def test_each_start_is_an_occasion_of_its_own(self, ill_world: PostgresWorld) -> None:
        start = read_start(ill_world.target)
        later = replace(start, started_at=start.started_at + timedelta(minutes=5))
        assert start.subject != later.subject
        assert start.subject == replace(start, age_s=start.age_s + 60).subject

    @pytest.mark.parametrize("missing", ["pg_prewarm", "pg_buffercache"])
    def test_a_missing_extension_is_told(self, ill_world: PostgresWorld, missing: str) -> None:
        empty(ill_world)
        with ill_world.database.connect(autocommit=True) as connection:
            connection.execute(f"DROP EXTENSION {missing}".encode())
        ill_world.live()
        try:
            told(self.kind, ill_world.target, f"CREATE EXTENSION {missing}")
        finally:
            with ill_world.database.connect(autocommit=True) as connection:
                connection.execute(f"CREATE EXTENSION {missing}".encode())

    def test_an_acting_role_that_may_not_is_told(self, ill_world: PostgresWorld) -> None:
        empty(ill_world)
        ill_world.live()
        record = replace(ill_world.target.record, act_url="postgresql://nobody@localhost/world")
        target = PostgresTarget(record, ill_world.target.store, ill_world.target.settings)
        told(self.kind, target, "nobody may not call pg_prewarm")

    def test_what_is_missing_is_not_told_where_nothing_is_cold(
        self, ill_world: PostgresWorld
    ) -> None:
        ill_world.live()
        ill_world.live()
        record = replace(ill_world.target.record, act_url="postgresql://nobody@localhost/world")
        target = PostgresTarget(record, ill_world.target.store, ill_world.target.settings)
        assert list(self.kind.look(target)) == []


def told(kind: CacheWarming, target: PostgresTarget, words: str) -> None:
    (finding,) = kind.look(target)
    assert finding.type == COLD_CACHE
    assert words in finding.title
    assert list(kind.propose([finding], target)) == []


def relation(name: str, **values: Any) -> CachedRelation:
    known = {"pages": 100, "held": 0, "accesses": 1000, **values}
    return CachedRelation("public", name, "public", name, f"public.{name}", **known)


class TestChoice:
    def test_the_pages_that_are_asked_for_most_often_come_first(self) -> None:
        relations = [relation("a"), relation("b", accesses=9000), relation("c", accesses=5000)]
        assert [each.name for each in choose(relations, 200)] == ["b", "c"]

    def test_what_does_not_fit_is_passed_over(self) -> None:
        relations = [relation("large", pages=500, accesses=90_000), relation("small")]
        assert [each.name for each in choose(relations, 300)] == ["small"]

    @pytest.mark.parametrize(
        "values",
        [{"accesses": 99}, {"held": 60}, {"pages": 0}, {"may_read": False}],
        ids=["seldom read", "warm", "empty", "forbidden"],
    )
    def test_what_needs_no_warming_is_left_alone(self, values: dict[str, Any]) -> None:
        assert choose([relation("it", **values)], 1000) == []

    def test_a_step_reads_no_more_than_a_piece(self) -> None:
        relations = [("s", "a", 10, 5), ("s", "b", 250, 250), ("s", "c", 30, 30), ("s", "d", 1, 1)]
        read = [
            [(each.name, each.first, each.last, each.missing) for each in piece]
            for piece in pieces(relations, 100)
        ]
        assert read == [
            [("a", 0, None, 5)],
            [("b", 0, 99, 100)],
            [("b", 100, 199, 100)],
            [("b", 200, None, 50), ("c", 0, None, 30), ("d", 0, None, 1)],
        ]

    def test_never_more_than_a_thousand(self) -> None:
        many = [relation(f"t{n}", pages=1) for n in range(1200)]
        assert len(choose(many, 10**6)) == 1000
