"""A clone: one throw-away copy of a target's database on the private shadow server."""

import os
import queue
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from honed.core.step import Step
from honed.errors import EvaluatorFailed, StatementCut, StepFailed
from honed.targets.postgres.archives.runner import ARCHIVE
from honed.targets.postgres.grow import grow
from honed.targets.postgres.production import quoted
from honed.targets.postgres.shadow import OWNER, QUERIES, Shadow
from honed.targets.postgres.shadow_database import ShadowDatabase
from honed.targets.postgres.whatif import Buildable, Built, Estimate, plan

#: Builds at once.
_BUILDERS = max(1, min(4, os.cpu_count() or 1))


class Clone(ShadowDatabase):
    """One throw-away copy of a target's database.

    Args:
        shadow: the server that it is on.

        database: its name there.

        sampled: share of rows, by qualified name of the tables that hold only a sample.

        sizes: bytes that sampled tables and their indexes have in production.
    """

    def __init__(
        self,
        shadow: Shadow,
        database: str,
        *,
        sampled: Mapping[str, float],
        sizes: Mapping[str, int],
    ) -> None:
        super().__init__(shadow, database)
        self.sampled = dict(sampled)
        #: Numbers of the candidates that ``add`` built, by name.
        self._candidates: dict[str, int] = {}
        #: Names of the added candidates that exist for planner and writers.
        self._shown: frozenset[str] = frozenset()
        self._hidden: set[str] = set()
        if sizes:
            grow(shadow.server.data_dir, self.session(), sizes)

    @property
    def is_sampled(self) -> bool:
        """Whether a table holds a sample; to the planner it has production's rows and pages.

        Not guaranteed there: that costs measured by running are production's, that rows which
        belong together in two tables are both there, and that ANALYZE finds production's values.
        """
        return bool(self.sampled)

    def carry_out(self, steps: Iterable[Step]) -> None:
        """Do ``steps`` here, as they would be done in production.

        Raises:
            EvaluatorFailed: one failed, or is neither of SQL nor of archives.
            DiskFull: there is no room for what it builds.
        """
        for step in steps:
            if step.runner == ARCHIVE:
                self._archive(step)
                continue
            if step.runner != "sql":
                msg = f"a clone cannot carry out a step of the runner {step.runner}"
                raise EvaluatorFailed(msg)
            if not step.in_transaction:
                self.run(*step.do)
                continue
            with self.session(OWNER).transaction():
                self.run(*step.do)

    def _archive(self, step: Step) -> None:
        """Carry out a step of archives: what it writes lies beside the clone and goes with it."""
        for act in step.do:
            try:
                with self.shadow.errors(step.description):
                    self.shadow.archivist(self.database).run(self.session(OWNER), act)
            except (StepFailed, StatementCut) as error:
                raise EvaluatorFailed(str(error)) from error

    def estimate(self, statement: str, visible: Collection[str]) -> Estimate:
        """Return what ``statement`` would cost if of all candidates only ``visible`` existed.

        Raises:
            EvaluatorFailed: the statement cannot be planned.
        """
        return plan(self, statement, with_indexes=visible)

    def add(self, candidates: Collection[Buildable]) -> dict[str, Built]:
        """Build ``candidates``, as many at once as there are processors; return them by name.

        They stay hidden until ``show`` or ``estimate`` names them. One that cannot be built is
        left out, and so is one that was added before.

        Raises:
            DiskFull: there is no room for them.
            EvaluatorFailed: the shadow server went away.
        """
        todo: queue.SimpleQueue[Buildable] = queue.SimpleQueue()
        for candidate in candidates:
            if candidate.name not in self._candidates:
                todo.put(candidate)
        with ThreadPoolExecutor(_BUILDERS) as pool:
            running = [pool.submit(self._build, todo) for _ in range(_BUILDERS)]
            seconds = {name: value for done in running for name, value in done.result().items()}
        return self._take_in(seconds)

    @property
    def visibility(self) -> tuple[frozenset[str], frozenset[str]]:
        """The candidates that exist, and production's indexes that do not, for the planner."""
        return self._shown, frozenset(self._hidden)

    def show(self, names: Collection[str]) -> None:
        """Make exactly ``names`` of the added candidates exist, for planner and writers.

        Indexes that production has exist, except those of the last ``hide``. A hidden index does
        not learn of rows written meanwhile: write only what is rolled back.
        """
        wanted = frozenset(name for name in names if name in self._candidates)
        self._flip({self._candidates[name] for name in self._shown - wanted}, is_visible=False)
        self._flip({self._candidates[name] for name in wanted - self._shown}, is_visible=True)
        self._shown = wanted

    def analyze_indexes(self, table: str) -> None:
        """Let the planner know the values of visible indexes' expressions on ``table``.

        What it knows of the table's columns stays as it is: another sample of the same rows gives
        statements other plans, which would then be taken for the work of an index.

        Args:
            table: qualified, quoted where it must be.

        Raises:
            EvaluatorFailed: the table is gone or locked.
        """
        session, names = self.session(), {"table": table}
        with self.shadow.errors(f"analyzing {table}"), session.transaction():
            session.execute(QUERIES["park_statistics"], names)
            session.execute(quoted(f"ANALYZE {table}"))
            session.execute(QUERIES["drop_new_statistics"], names)
            session.execute(QUERIES["unpark_statistics"], names)

    def hide(self, names: Collection[str]) -> None:
        """Make all of production's indexes exist but ``names``; see ``show``."""
        wanted = set(names)
        oids = {
            row["name"]: row["oid"]
            for row in self._index_rows()
            if row["name"] in wanted | self._hidden and row["name"] not in self._candidates
        }
        self._flip({oids[name] for name in self._hidden - wanted}, is_visible=True)
        self._flip({oids[name] for name in wanted - self._hidden if name in oids}, is_visible=False)
        self._hidden = wanted & oids.keys()

    def adopt(self, names: Collection[str]) -> None:
        """Treat the indexes ``names``, which steps built here, as candidates; they are visible."""
        oids = {row["name"]: row["oid"] for row in self._index_rows() if row["name"] in names}
        self._candidates.update(oids)
        self._shown |= oids.keys()

    def indexes(self) -> dict[str, int]:
        """Return the bytes of every index, by name; on a sampled table as in production."""
        return {row["name"]: row["size_bytes"] for row in self._index_rows()}

    def tables_of(self, names: Collection[str]) -> frozenset[tuple[str, str]]:
        """Return schema and name of the tables that the indexes ``names`` are on."""
        rows = (row for row in self._index_rows() if row["name"] in set(names))
        return frozenset((row["table_schema"], row["table_name"]) for row in rows)

    def size_bytes(self, name: str) -> int:
        """Return the bytes of index ``name``; on a sampled table as it would be in production.

        Raises:
            EvaluatorFailed: there is no such index.
        """
        sizes = self.indexes()
        if name not in sizes:
            msg = f"there is no index {name} on the clone"
            raise EvaluatorFailed(msg)
        return sizes[name]

    def grow_indexes(self, names: Collection[str]) -> None:
        """Give new indexes ``names`` of sampled tables the size that they would have in production.

        ``add`` does so by itself. Rather too much than too little: equal keys share entries, and
        a sample has fewer equal keys.
        """
        if not self.is_sampled:
            return
        sizes = {
            row["qualified_name"]: round(row["size_bytes"] / self.sampled[row["of_table"]])
            for row in self._index_rows()
            if row["name"] in names and row["of_table"] in self.sampled
        }
        grow(self.shadow.server.data_dir, self.session(), sizes)

    def _build(self, todo: queue.SimpleQueue[Buildable]) -> dict[str, float]:
        """Build from ``todo`` until it is empty; return the seconds of each build by name."""
        seconds: dict[str, float] = {}
        with self.shadow.connect(self.database, user=OWNER) as connection:
            while True:
                try:
                    candidate = todo.get_nowait()
                except queue.Empty:
                    return seconds
                started = time.monotonic()
                try:
                    with self.shadow.errors(f"building {candidate.name}"):
                        connection.execute(quoted(candidate.build_sql))
                except (EvaluatorFailed, StatementCut):
                    if connection.closed:
                        raise
                    continue
                seconds[candidate.name] = time.monotonic() - started

    def _take_in(self, seconds: Mapping[str, float]) -> dict[str, Built]:
        """Hide what was built from the planner, and say what it is."""
        oids = {row["name"]: row["oid"] for row in self._index_rows() if row["name"] in seconds}
        self._flip(set(oids.values()), is_visible=False)
        self._candidates.update(oids)
        self.grow_indexes(oids)
        sizes = self.indexes()
        return {
            name: Built(name=name, size_bytes=sizes[name], build_s=seconds[name]) for name in oids
        }

    def _flip(self, oids: Collection[int], *, is_visible: bool) -> None:
        if oids:
            parameters = {"oids": list(oids), "is_visible": is_visible}
            with self.shadow.errors("showing indexes"):
                self.session().execute(QUERIES["set_visibility"], parameters)

    def _index_rows(self) -> list[dict[str, Any]]:
        with self.shadow.errors("listing indexes"):
            return self.session().execute(QUERIES["list_indexes"], {}).fetchall()
