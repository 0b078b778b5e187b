"""Imagined indexes: what the planner would do with an index that nobody has built.

An index on an empty twin of a table is made an index of the table itself, in the catalog of a
private clone or of a phantom, and its file gets the length that the index would have, as a hole
that takes no room. The planner reads the catalog and asks the file for its length, so it plans as
with a real one; what it plans must not be run. The table itself is left alone: CREATE INDEX would
read all of it, holes too, and overwrite the number of its rows. A hundred such indexes on a table
of 300,000 rows take a second to make, the real ones half a minute. Of 88 plans with all candidates
of TPC-H visible, 78 used the very same indexes as with the real ones, the others similar ones at
similar costs. On a phantom 63 did; nothing is known of the values of new expressions there.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from psycopg import sql

from honed.core.canonical import Json
from honed.errors import EvaluatorFailed, StatementCut
from honed.storage.queries import load_queries
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.grow import grow
from honed.targets.postgres.indexes.candidates import Shapes
from honed.targets.postgres.indexes.definition import IndexDefinition
from honed.targets.postgres.indexes.laboratory import analyze_expressions
from honed.targets.postgres.indexes.sizes import PARTIAL_SHARE, estimate_bytes
from honed.targets.postgres.shadow import OWNER
from honed.targets.postgres.shadow_database import ShadowDatabase
from honed.targets.postgres.trees import raise_trees
from honed.targets.postgres.whatif import Built

_QUERIES = load_queries("honed.targets.postgres.indexes", "imagine.sql")
_TWINS = "honed_twins_of_{}"


class Imagination:
    """Implements ``bench.Laboratory`` without building anything; nothing can be timed on it.

    Args:
        database: a clone or a phantom. Its catalog is spoiled: plan on it, and throw it away.

        shapes: the tables, by whose statistics sizes are estimated.
    """

    def __init__(self, database: ShadowDatabase, shapes: Shapes) -> None:
        self.database = database
        self._shapes = shapes
        self._oids: dict[str, int] = {}
        self._shown: frozenset[str] = frozenset()
        self._twins: set[tuple[str, str]] = set()

    def add(self, candidates: Collection[IndexDefinition]) -> Mapping[str, Built]:
        """Imagine ``candidates`` unseen by the planner; one that could not be built is left out."""
        by_schema: defaultdict[str, list[IndexDefinition]] = defaultdict(list)
        for candidate in candidates:
            by_schema[candidate.schema].append(candidate)
        made: dict[str, Built] = {}
        for schema, each in by_schema.items():
            made |= self._add(schema, each)
        if isinstance(self.database, Clone):
            new = [each for each in candidates if each.name in made]
            analyze_expressions(self.database, self, new)
        return made

    def show(self, names: Collection[str]) -> None:
        """Make exactly ``names`` of the imagined indexes visible to the planner."""
        wanted = frozenset(names) & self._oids.keys()
        if wanted != self._shown:
            oids = {
                "shown": [self._oids[name] for name in wanted - self._shown],
                "hidden": [self._oids[name] for name in self._shown - wanted],
            }
            with self.database.shadow.errors("showing indexes"):
                self.database.session().execute(_QUERIES["change_visibility"], oids)
            self._shown = wanted

    def explain(self, sql: str) -> Mapping[str, Json]:
        """Return the plan of ``sql``.

        Raises:
            EvaluatorFailed: it cannot be planned.
            StatementCut: planning took too long.
        """
        return self.database.explain(sql)

    def cpu_s(self, sql: str, cut_s: float) -> float:
        """Refuse: a plan with an imagined index finds no rows.

        Raises:
            EvaluatorFailed: always.
        """
        msg = "a statement cannot be run with indexes that are only imagined"
        raise EvaluatorFailed(msg)

    def insert_us(self, schema: str, table: str) -> float | None:
        """Return None: nobody can write to what is only imagined."""
        del schema, table
        return None

    def _add(self, schema: str, candidates: Collection[IndexDefinition]) -> dict[str, Built]:
        twins = _TWINS.format(schema)
        for candidate in candidates:
            try:
                self._make_twin(candidate, twins)
                self.database.run(candidate.build_sql_on(twins))
            except (EvaluatorFailed, StatementCut):
                continue  # of a type without an operator class, or not immutable after all
        schemas = {"twins": twins, "origins": schema}
        with self.database.shadow.errors("imagining indexes"):
            session = self.database.session()
            session.execute(_QUERIES["give_to_real_tables"], schemas)
            session.execute(_QUERIES["tell_of_new_indexes"], schemas)
            rows = session.execute(_QUERIES["list_imagined"], schemas).fetchall()
        by_name = {candidate.name: candidate for candidate in candidates}
        found = {row["name"]: row for row in rows if row["name"] in by_name}
        sizes = {name: self._estimate(by_name[name]) for name in found}
        lengths = {row["qualified_name"]: sizes[name] for name, row in found.items()}
        grow(self.database.shadow.server.data_dir, self.database.session(), lengths)
        raise_trees(self.database, lengths)
        self._oids |= {name: row["oid"] for name, row in found.items()}
        return {name: Built(name, sizes[name], build_s=0.0) for name in found}

    def _make_twin(self, candidate: IndexDefinition, twins: str) -> None:
        if (candidate.schema, candidate.table) in self._twins:
            return
        self._twins.add((candidate.schema, candidate.table))
        owner = sql.Identifier(OWNER)
        schema = sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}")
        with self.database.shadow.errors("imagining indexes"):
            self.database.session().execute(schema.format(sql.Identifier(twins), owner))
        table = sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING GENERATED)").format(
            sql.Identifier(twins, candidate.table),
            sql.Identifier(candidate.schema, candidate.table),
        )
        self.database.run(table.as_string(None))

    def _estimate(self, candidate: IndexDefinition) -> int:
        shape = self._shapes[candidate.schema, candidate.table]
        return estimate_bytes(candidate, shape, share=self._share(candidate))

    def _share(self, candidate: IndexDefinition) -> float:
        """Return the share of rows that the planner expects in ``candidate``."""
        if not candidate.where:
            return 1.0
        every = f"SELECT FROM {candidate.relation}"
        try:
            rows = self._rows(every)
            return min(1.0, self._rows(f"{every} WHERE {candidate.where}") / max(1.0, rows))
        except (EvaluatorFailed, StatementCut):
            return PARTIAL_SHARE

    def _rows(self, statement: str) -> float:
        top: Any = self.database.explain(statement)["Plan"]
        return float(top["Plan Rows"])
