"""Each mechanism on a real server: what it does brings the good plan back, and can be undone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, LiteralString

import pytest

from honed.core.step import StepState
from honed.errors import EvaluatorFailed
from honed.targets.postgres.lab import lacking
from honed.targets.postgres.plan_pins.bench import Bench
from honed.targets.postgres.plan_pins.case import Case, read_cases
from honed.targets.postgres.plan_pins.guided_trial import obey
from honed.targets.postgres.plan_pins.hint_rows import HintRows
from honed.targets.postgres.plan_pins.history import read_plans
from honed.targets.postgres.plan_pins.manner import MANNERS, Manner
from honed.targets.postgres.plan_pins.pin import Remedy
from honed.targets.postgres.plan_pins.provider import Provider, Server, read_server
from honed.targets.postgres.plan_pins.providers.hint_table import HintTable
from honed.targets.postgres.plan_pins.providers.saved_statistics import SavedStatistics
from honed.targets.postgres.plan_pins.providers.settings import Settings, candidates
from honed.targets.postgres.plan_pins.providers.stash_advice import StashAdvice
from honed.targets.postgres.plan_pins.providers.statistics import Statistics
from honed.targets.postgres.plan_pins.search import _Search
from honed.targets.postgres.plan_pins.stash import Stash
from honed.targets.postgres.session_settings.scope import Scope
from honed.testing.worlds import MakeWorld, PostgresWorld, WorldPlan

#: 75 rows of each group; of those that are not in the list of common values the planner expects
#: rows divided by the number of groups. The last of them is not in it.
GROUPS = WorldPlan(
    (
        "CREATE TABLE one (id integer, grp integer)",
        "INSERT INTO one SELECT n, n % 200 FROM generate_series(1, 15000) n",
        "CREATE TABLE two AS SELECT * FROM one",
        "CREATE TABLE keyed AS SELECT n AS id FROM generate_series(1, 80000) n",
        "CREATE UNIQUE INDEX ON keyed (id)",
        "VACUUM ANALYZE one",
        "VACUUM ANALYZE two",
        "VACUUM ANALYZE keyed",
    ),
    (
        "SELECT count(*) FROM one JOIN two USING (id) WHERE one.grp = 199 AND two.grp = 199",
        "SELECT count(*) FROM one JOIN keyed ON keyed.id = one.id * 5 WHERE one.id IN (3, 9000)",
    ),
    calls=15,
)
#: As if each row were a group of its own.
WRONG: Sequence[LiteralString] = tuple(
    "SELECT pg_restore_attribute_stats('schemaname', 'public', 'relname', '" + table + "',"
    " 'attname', 'grp', 'inherited', false, 'n_distinct', (-1)::real)"
    for table in ("one", "two")
)


@contextmanager
def bench_of(world: PostgresWorld) -> Iterator[Bench]:
    world.target.lab.refresh()
    with world.target.lab.clone("providers") as clone:
        yield Bench(clone)


class TestProviders:
    @pytest.fixture(scope="class")
    @classmethod
    def world(cls, make_world: MakeWorld) -> PostgresWorld:
        world = make_world(GROUPS)
        world.findings()
        with world.database.connect(autocommit=True) as connection:
            for statement in WRONG:
                connection.execute(statement)
        world.live()
        return world

    @pytest.fixture(scope="class")
    @classmethod
    def case(cls, world: PostgresWorld) -> Case:
        regressed = [each for each in world.findings() if each.type == "regression"]
        (case,) = read_cases(world.target, regressed, world.target.catalog())
        return case

    @pytest.fixture(scope="class")
    @classmethod
    def bench(cls, world: PostgresWorld) -> Iterator[Bench]:
        with bench_of(world) as bench:
            yield bench

    def working(self, provider: Provider, case: Case, bench: Bench) -> list[Remedy]:
        return [each for each in provider.remedies(case, bench) if bench.is_good(case, each)]

    def test_the_case_is_ill(self, case: Case, bench: Bench) -> None:
        assert not bench.is_good(case)
        assert case.good.calls == GROUPS.calls
        assert case.evidence.mean_ms_good < case.evidence.mean_ms_bad
        assert {table.name for table in case.tables} == {"one", "two"}

    def test_trying_changes_nothing(self, case: Case, bench: Bench) -> None:
        assert self.working(Statistics(), case, bench)
        assert not bench.is_good(case)

    def test_fresh_statistics_of_both_tables_are_the_least(self, case: Case, bench: Bench) -> None:
        first = self.working(Statistics(), case, bench)[0]
        assert first.label.count("fresh statistics") == len(first.steps)
        assert first.undo == ()

    def test_a_number_of_values_is_fixed_and_reset(
        self, world: PostgresWorld, case: Case, bench: Bench
    ) -> None:
        found = [each for each in Statistics().remedies(case, bench) if "number of" in each.label]
        assert [each.scope for each in found] == ["public.one", "public.two"]
        before = world.target.fingerprint()
        self.carry_out_and_undo(world, found[0])
        assert world.target.fingerprint() == before

    def test_saved_numbers_come_back_and_go(
        self, world: PostgresWorld, case: Case, bench: Bench
    ) -> None:
        remedy = self.working(SavedStatistics(), case, bench)[-1]
        assert remedy.scope == "public.one, public.two"
        assert self.distinct(world) == {-1.0}
        self.carry_out_and_undo(world, remedy)
        assert self.distinct(world) == {-1.0}

    def test_only_numbers_are_saved(self, case: Case) -> None:
        for table in case.numbers.values():
            for numbers in table.values():
                assert set(numbers) == {"null_frac", "avg_width", "n_distinct", "correlation"}
                assert all(isinstance(each, int | float) for each in numbers.values())

    def test_a_role_without_the_method_gets_the_plan_back(self, case: Case, bench: Bench) -> None:
        remedies = self.working(Settings(), replace(case, scope=Scope("shop", "app")), bench)
        assert remedies[0].session == {"enable_nestloop": "off"}
        assert 'ALTER ROLE "app" IN DATABASE "shop"' in remedies[0].steps[0].do[0]
        assert remedies[0].undo

    def test_what_a_role_was_given_is_what_it_gets_rid_of_first(self, case: Case) -> None:
        given = Scope("shop", "app", overrides={"enable_hashjoin": "off"})
        tried = candidates(replace(case, scope=given), {"enable_hashjoin": "on"})
        assert next(tried) == ("enable_hashjoin", "on")

    def test_a_setting_without_a_role_is_none(self, case: Case, bench: Bench) -> None:
        assert list(Settings().remedies(replace(case, scope=None), bench)) == []

    def test_a_setting_that_harms_another_statement_of_the_role_is_not_taken(
        self, world: PostgresWorld, case: Case, bench: Bench
    ) -> None:
        replayable = world.target.workload().replayable
        (alone,) = (each for each in replayable if each.statement_id == case.statement_id)
        of_role = replace(case, scope=Scope("shop", "app"))
        found = []
        for statements in ([alone], replayable):
            search = _Search(bench, [Settings()], statements, cut_s=5.0)
            search.pin([of_role])
            found.append([each.remedy.session for each in search.found])
        assert found == [[{"enable_nestloop": "off"}], []]

    def test_what_the_server_lacks_is_said(self, world: PostgresWorld) -> None:
        server = read_server(world.target)
        assert "not installed" in HintTable().why_not(server)
        assert "PostgreSQL 19" in StashAdvice().why_not(server)
        assert SavedStatistics().why_not(server) == ""

    @pytest.mark.parametrize("manner", MANNERS.values())
    def test_a_clone_that_cannot_load_a_library_stays_as_it_was(
        self, case: Case, bench: Bench, manner: Manner
    ) -> None:
        with pytest.raises(EvaluatorFailed, match=manner.library):
            obey(bench.clone, manner)
        kept = Bench(bench.clone, {HintTable.name: USABLE, StashAdvice.name: STASH})
        assert list(HintTable().remedies(case, kept)) == []
        assert list(StashAdvice().remedies(case, kept)) == []
        assert bench.bad_plans(case)

    def carry_out_and_undo(self, world: PostgresWorld, remedy: Remedy) -> None:
        steps = remedy.steps
        world.carry_out(steps)
        try:
            assert {world.inspect(each) for each in steps} == {StepState.DONE}
        finally:
            world.carry_out([each.inverse() for each in reversed(steps)])
            with world.database.connect(autocommit=True) as connection:
                for statement in WRONG:
                    connection.execute(statement)
        assert {world.inspect(each) for each in steps} == {StepState.ABSENT}

    def distinct(self, world: PostgresWorld) -> set[float]:
        rows = world.target.query(
            "SELECT n_distinct FROM pg_stats WHERE attname = 'grp' AND tablename IN ('one', 'two')"
        )
        return {row["n_distinct"] for row in rows}

    def test_calls_between_two_plans_are_nobodys(self, world: PostgresWorld, case: Case) -> None:
        now, before = read_plans(world.target, [case.statement_id])[case.statement_id]
        assert (now.calls, before.calls) == (0, GROUPS.calls)
        world.live()
        world.findings()
        now, before = read_plans(world.target, [case.statement_id])[case.statement_id]
        assert (now.calls, before.calls) == (GROUPS.calls, GROUPS.calls)
        assert now.mean_ms > before.mean_ms


INSTALLED, IN_LAB = {"pg_hint_plan": True}, frozenset({"pg_hint_plan"})
USABLE = HintRows(is_by_identifier=True, is_obeyed=True, may_be_written=True)
HINTS = {"hint_table": USABLE}
DEAF = {"hint_table": replace(USABLE, is_obeyed=False)}
STASHED = {"pg_stash_advice": True}
STASH = Stash(
    schema="public",
    is_loaded=True,
    is_kept=True,
    may_be_read=True,
    may_be_written=True,
    actor="honed_act",
    default="honed",
    advice={"honed": {"7": "SEQ_SCAN(a)"}},
)


@pytest.mark.parametrize(
    ("provider", "server", "words"),
    [
        (StashAdvice(), Server(190000, {}), "does not have"),
        (StashAdvice(), Server(190000, {"pg_stash_advice": False}), "not installed"),
        (
            StashAdvice(),
            Server(190000, STASHED, keepers={"stash_advice": STASH}),
            lacking(StashAdvice.extension),
        ),
        (HintTable(), Server(180000, {"pg_hint_plan": False}), "not installed"),
        (HintTable(), Server(180000, INSTALLED, keepers=HINTS), lacking(HintTable.extension)),
        (HintTable(), Server(180000, INSTALLED, IN_LAB, DEAF), "= on"),
        (SavedStatistics(), Server(170000, {}), "PostgreSQL 18"),
    ],
)
def test_what_cannot_be_tried_is_never_claimed_to_work(
    provider: Provider, server: Server, words: str
) -> None:
    assert words in provider.why_not(server)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"is_loaded": False}, "shared_preload_libraries"),
        ({"is_kept": False}, "lost at a restart"),
        ({"default": ""}, "use no stash"),
        ({"default": "", "by_role": {"app": "honed"}}, ""),
        ({"default": "other"}, "public.pg_create_advice_stash('other')"),
        ({"by_role": {"app": "honed", "report": "other"}, "roles": ("app",)}, ""),
        ({"by_role": {"report": "other"}, "roles": ("app", "report")}, "not use the same stash"),
        ({"by_role": {"app": ""}, "roles": ("app",)}, "use no stash"),
        ({"may_be_read": False, "advice": {}}, "the observing role may not see"),
        ({"may_be_written": False}, "honed_act may not stash advice"),
    ],
)
def test_what_keeps_advice_from_a_stash_is_said(change: dict[str, Any], words: str) -> None:
    obstacle = replace(STASH, **change).obstacle
    assert words in obstacle if words else obstacle == ""
