"""Estimates of the planner against rows that are there, on a real server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import pytest

from honed.targets.postgres.catalog import Table
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.estimates.probe import Probe, count, error, read_probes
from honed.targets.postgres.estimates.remedy import Remedy, analyze, remedies
from honed.testing.worlds import MakeWorld, PostgresWorld, WorldPlan

#: A city lies in one country; 400 groups of the same size, of which a list holds any 100.
CITIES: tuple[LiteralString, ...] = (
    "CREATE TABLE address (city text, country text, mail text)",
    """
    INSERT INTO address SELECT 'city ' || n % 400, 'country ' || n % 400 / 4, 'M' || n % 100
      FROM generate_series(1, 80000) n
    """,
    "ANALYZE address",
)
OF_CITY = "SELECT * FROM address WHERE city = 'city 17' AND country = 'country 4'"
#: Whichever the list holds, of so many some are missing.
OF_CITIES = [
    f"SELECT * FROM address WHERE city = 'city {4 * n}' AND country = 'country {n}'"  # noqa: S608 - numbers
    for n in range(20)
]


class TestRemedies:
    @pytest.fixture(scope="class")
    @classmethod
    def world(cls, make_world: MakeWorld) -> PostgresWorld:
        return make_world(WorldPlan(CITIES, ()))

    @pytest.fixture(scope="class")
    @classmethod
    def clone(cls, world: PostgresWorld) -> Iterator[Clone]:
        world.target.lab.refresh()
        with world.target.lab.clone("test") as made:
            yield made

    @pytest.fixture(scope="class")
    @classmethod
    def table(cls, world: PostgresWorld) -> Table:
        return world.target.catalog().tables["public.address"]

    @staticmethod
    def probe(clone: Clone, sql: str) -> Probe:
        (found,) = read_probes(clone.explain(sql))
        return found

    @staticmethod
    @contextmanager
    def done(clone: Clone, *chosen: Remedy) -> Iterator[None]:
        """Do ``chosen``, and take them back at the end."""
        for remedy in chosen:
            clone.run(*remedy.step.do)
        yield
        for remedy in reversed(chosen):
            clone.run(*remedy.step.undo)

    def remedied(self, clone: Clone, probe: Probe, *chosen: Remedy) -> float:
        """Return the error of ``probe`` with ``chosen`` done, and take them back."""
        with self.done(clone, *chosen):
            return error(clone, probe, count(clone, probe))

    def test_rows_are_counted_whatever_the_planner_thinks(self, clone: Clone) -> None:
        probe = self.probe(clone, OF_CITY)
        assert set(probe.columns) == {"city", "country"}
        assert count(clone, probe) == 200
        assert error(clone, probe, 200) > 10

    def test_dependencies_put_it_right_and_common_values_on_top_spoil_it(
        self, clone: Clone, table: Table
    ) -> None:
        probe, *others = (self.probe(clone, each) for each in (OF_CITY, *OF_CITIES))
        by_label = {each.label: each for each in remedies(probe, table)}
        dependencies = by_label["dependencies of city, country"]
        common = by_label["mcv of city, country"]
        assert self.remedied(clone, probe) > 10
        assert self.remedied(clone, probe, dependencies) < 2
        with self.done(clone, dependencies, common):
            assert max(error(clone, each, 200) for each in others) > 10

    def test_groups_are_estimated_by_distinct_combinations(
        self, clone: Clone, table: Table
    ) -> None:
        probe = self.probe(clone, "SELECT city, country FROM address GROUP BY city, country")
        (remedy,) = remedies(probe, table)
        assert count(clone, probe) == 400
        assert self.remedied(clone, probe) > 10
        assert self.remedied(clone, probe, remedy) < 2

    def test_an_expression_has_statistics_too(self, clone: Clone, table: Table) -> None:
        probe = self.probe(
            clone, "SELECT * FROM address WHERE upper(mail) <> 'x' AND lower(mail) = 'm7'"
        )
        labels = [each.label for each in remedies(probe, table)]
        assert any("LOWER" in label for label in labels)

    def test_each_remedy_can_be_taken_back(self, world: PostgresWorld, table: Table) -> None:
        probe = Probe("public", "address", "address", (), ("city", "country"))
        before = world.target.fingerprint()
        for remedy in remedies(probe, table):
            world.carry_out([remedy.step])
            assert world.target.fingerprint() != before, remedy.label
            world.carry_out([remedy.step.inverse()])
            assert world.target.fingerprint() == before, remedy.label

    def test_tables_are_analyzed_whole(self, table: Table) -> None:
        probe = Probe("public", "address", "address", (), ("city", "country"))
        for remedy in (analyze(table), *remedies(probe, table)):
            assert remedy.step.do[-1] == 'ANALYZE "public"."address"'

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT * FROM address",
            "SELECT * FROM address WHERE city = (SELECT max(city) FROM address)",
            "SELECT 1 FROM address a JOIN address b ON a.city = b.mail AND a.city < b.country",
        ],
    )
    def test_what_cannot_be_counted_alone_is_not_probed(self, clone: Clone, sql: str) -> None:
        assert all("mail" not in probe.columns for probe in read_probes(clone.explain(sql)))
        assert all(count(clone, probe) > 0 for probe in read_probes(clone.explain(sql)))
