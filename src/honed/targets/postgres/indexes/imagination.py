"""Imagined indexes: what the planner would do with an index that nobody has built.

An index on an empty twin of a table is made an index of the table itself, in the catalog of a
private clone, and its file gets the length that the index would have, as a hole that takes no room.
The planner reads the catalog and asks the file for its length, so it plans as with a real one; what
it plans must not be run. A hundred such indexes on a table of 300,000 rows take a second to make,
the real ones half a minute. Of 88 plans with all candidates of TPC-H visible, 68 used the very same
indexes as with the real ones, the others similar ones at similar costs.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping

from psycopg import sql

from honed.core.canonical import Json
from honed.errors import EvaluatorFailed, StatementCut
from honed.storage.queries import load_queries
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.grow import grow
from honed.targets.postgres.indexes.candidates import Shapes
from honed.targets.postgres.indexes.definition import IndexDefinition
from honed.targets.postgres.indexes.laboratory import analyze_expressions
from honed.targets.postgres.indexes.sizes import estimate_bytes
from honed.targets.postgres.shadow import OWNER
from honed.targets.postgres.shadow import QUERIES as LAB_QUERIES
from honed.targets.postgres.whatif import Built

_QUERIES = load_queries("honed.targets.postgres.indexes", "imagine.sql")
_TWINS = "honed_twins_of_{}"


class Imagination:
    """Implements ``bench.Laboratory`` without building anything; nothing can be timed on it.

    Args:
        clone: its catalog is spoiled: plan on it, and throw it away.

        shapes: the tables, by whose statistics sizes are estimated.
    """

    def __init__(self, clone: Clone, shapes: Shapes) -> None:
        self._clone = clone
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
        analyze_expressions(self._clone, self, [each for each in candidates if each.name in made])
        return made

    def show(self, names: Collection[str]) -> None:
        """Make exactly ``names`` of the imagined indexes visible to the planner."""
        wanted = frozenset(names) & self._oids.keys()
        for changed, is_visible in ((self._shown - wanted, False), (wanted - self._shown, True)):
            if changed:
                oids = [self._oids[name] for name in changed]
                with self._clone.shadow.errors("showing indexes"):
                    self._clone.session().execute(
                        LAB_QUERIES["set_visibility"], {"oids": oids, "is_visible": is_visible}
                    )
        self._shown = wanted

    def explain(self, sql: str) -> Mapping[str, Json]:
        """Return the plan of ``sql``.

        Raises:
            EvaluatorFailed: it cannot be planned.
            StatementCut: planning took too long.
        """
        return self._clone.explain(sql)

    def cpu_s(self, sql: str, cut_s: float) -> float:
        """Refuse: a plan with an imagined index finds no rows.

        Raises:
            EvaluatorFailed: always.
        """
        msg = "a statement cannot be run with indexes that are only imagined"
        raise EvaluatorFailed(msg)

    def _add(self, schema: str, candidates: Collection[IndexDefinition]) -> dict[str, Built]:
        twins = _TWINS.format(schema)
        for candidate in candidates:
            try:
                self._make_twin(candidate, twins)
                self._clone.run(candidate.build_sql_on(twins))
            except (EvaluatorFailed, StatementCut):
                continue  # of a type without an operator class, or not immutable after all
        schemas = {"twins": twins, "origins": schema}
        with self._clone.shadow.errors("imagining indexes"):
            session = self._clone.session()
            session.execute(_QUERIES["give_to_real_tables"], schemas)
            session.execute(_QUERIES["tell_of_new_indexes"], schemas)
            rows = session.execute(_QUERIES["list_imagined"], schemas).fetchall()
        by_name = {candidate.name: candidate for candidate in candidates}
        found = {row["name"]: row for row in rows if row["name"] in by_name}
        sizes = {name: self._estimate(by_name[name]) for name in found}
        grow(
            self._clone.shadow.server.data_dir,
            self._clone.session(),
            {row["qualified_name"]: sizes[name] for name, row in found.items()},
        )
        self._oids |= {name: row["oid"] for name, row in found.items()}
        return {name: Built(name, sizes[name], build_s=0.0) for name in found}

    def _make_twin(self, candidate: IndexDefinition, twins: str) -> None:
        if (candidate.schema, candidate.table) in self._twins:
            return
        self._twins.add((candidate.schema, candidate.table))
        owner = sql.Identifier(OWNER)
        schema = sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}")
        with self._clone.shadow.errors("imagining indexes"):
            self._clone.session().execute(schema.format(sql.Identifier(twins), owner))
        table = sql.SQL("CREATE TABLE {} (LIKE {})").format(
            sql.Identifier(twins, candidate.table),
            sql.Identifier(candidate.schema, candidate.table),
        )
        self._clone.run(table.as_string(None))

    def _estimate(self, candidate: IndexDefinition) -> int:
        return estimate_bytes(candidate, self._shapes[candidate.schema, candidate.table])
