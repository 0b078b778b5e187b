"""A PostgreSQL database as a target: everything that honed reads of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Self

from honed.config import Settings
from honed.core.canonical import Json
from honed.core.target import Interval, Observation, Usage
from honed.storage.db import Connection, Database
from honed.targets.postgres.catalog import Catalog, read_catalog, read_shape
from honed.targets.postgres.connection import reading, run
from honed.targets.postgres.environment import environment_of
from honed.targets.postgres.kept import KeptConnection
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.observe import observe
from honed.targets.postgres.plans import explain
from honed.targets.postgres.readiness import obstacles, read_clock, read_moment
from honed.targets.postgres.server import check_readable, read_server
from honed.targets.postgres.shape import Shape
from honed.targets.postgres.snapshot import read_seen, read_snapshot
from honed.targets.postgres.statements import QUERIES, Recorder
from honed.targets.postgres.workload import StatementCost, Workload, read_costs, read_workload
from honed.targets.registry import TargetRecord, connection_url


class PostgresTarget:
    """A PostgreSQL database as a target; implements ``honed.core.target.Target``.

    Each method opens a connection, read only and with time limits, and closes it; only the one of
    ``sample`` and ``glance`` stays open for the next time, until ``close``.
    Every method that reads the target may raise ``TargetUnavailable`` (it does not answer),
    ``MissingPrivilege``, ``MissingExtension`` or ``StatementCut`` (a time limit).

    Not guaranteed: protection from functions that the target's users wrote, if the observing role
    is a superuser: the planner may call them. ``roles_sql`` makes a role that only reads.
    """

    def __init__(
        self,
        record: TargetRecord,
        store: Database,
        settings: Settings,
        *,
        interval: Interval | None = None,
    ) -> None:
        """Describe the target; nothing is opened.

        Args:
            record: its row in the store.

            store: honed's own database.

            settings: of this process.

            interval: what ``statement_costs`` reads; None: the latest stretch.
        """
        self._record = record
        self._store = store
        self._settings = settings
        self._interval = interval
        # Shared with the copies that ``during`` makes, whoever asks for it first.
        self._labs: list[Lab] = []
        self._kept = KeptConnection()

    @property
    def target_id(self) -> int:
        """The row in the store."""
        return self._record.target_id

    @property
    def name(self) -> str:
        """The name a person gave it."""
        return self._record.name

    @property
    def sort(self) -> str:
        """``postgres``."""
        return self._record.sort

    @property
    def record(self) -> TargetRecord:
        """The row in the store."""
        return self._record

    @property
    def settings(self) -> Settings:
        """The settings of this process; kinds read budgets and seeds from them."""
        return self._settings

    @property
    def store(self) -> Database:
        """The database of honed's own, where what is remembered of the target is kept."""
        return self._store

    @property
    def lab(self) -> Lab:
        """Where trials run; the same object each time. The one who made the target closes it."""
        if not self._labs:
            url = connection_url(self._record)
            settings, options = self._settings, self._record.options
            lab = Lab(
                self.target_id,
                url,
                home=settings.home,
                settings=settings,
                search_path=str(options.get("search_path", "")),
            )
            self._labs.append(lab)
        return self._labs[0]

    def close(self) -> None:
        """Stop the lab, and close the connection that was kept; copies of this target share both.

        A look that is taken afterwards opens a connection for itself.
        """
        try:
            self._kept.close()
        finally:
            # One that was not asked for here stops what a process that died has left.
            self.lab.close()

    @property
    def server_version(self) -> int:
        """As ``server_version_num``: 180006."""
        with self._reading() as connection:
            return connection.info.server_version

    def check(self) -> None:
        """Return if honed can read everything that it needs.

        Raises:
            TargetUnavailable: the target does not answer.
            MissingExtension: pg_stat_statements is not installed, or the server does not load it.
            MissingPrivilege: the role may not see other users' statements, or not read a table.
        """
        with self._reading() as connection:
            read_snapshot(connection, frozenset())
            check_readable(connection)

    def query(
        self, statement: str, parameters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of one ``statement``, run read-only.

        Args:
            statement: one statement; with ``%(name)s`` only where ``parameters`` are given.

            parameters: their values.

        Raises:
            ValueError: it has doubled per cent signs but no parameters, with which they become one.
            MissingPrivilege: the statement writes, or the role may not read what it reads.
            StatementCut: it took longer than ``statement_timeout_s``.
        """
        if parameters is None and "%%" in statement:
            msg = "a statement of a .sql file needs parameters, if only an empty mapping"
            raise ValueError(msg)
        with self._reading() as connection:
            return run(connection, statement, parameters)

    def recall(self, query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the rows of one ``query`` of honed's own history of this target.

        Args:
            query: for the store; ``%(target_id)s`` is this target.

            parameters: other values.
        """
        with self._store.transaction() as store:
            named = {**parameters, "target_id": self.target_id}
            return store.execute(query.encode(), named).fetchall()

    def explain(self, sql: str) -> Mapping[str, Json]:
        """Return the plan of ``sql``: the object that ``EXPLAIN (FORMAT JSON, VERBOSE)`` returns.

        The statement is not run. ``Plan`` is the top node.

        Raises:
            EvaluatorFailed: the statement cannot be planned; the message is the server's.
        """
        with self._reading() as connection:
            return explain(connection, sql)

    def catalog(self) -> Catalog:
        """Return what the target's catalog says now."""
        with self._reading() as connection:
            return read_catalog(connection)

    def workload(self, lookback: timedelta | None = None) -> Workload:
        """Return what production asked in ``lookback``, by default ``settings.lookback_hours``.

        Examples are looked for and planned once on the target; an odd statement only ends up in
        ``Workload.skipped``.
        """
        span = lookback or timedelta(hours=self._settings.lookback_hours)
        with self._store.transaction() as store, self._reading() as connection:
            return read_workload(store, connection, self.target_id, span)

    def statement_costs(self) -> Mapping[str, StatementCost]:
        """Return what each statement cost in this target's interval, by statement id.

        Without an interval (see ``during``) the latest is read. Statements without a call in it
        are left out.
        """
        start = self._interval.start if self._interval else None
        end = self._interval.end if self._interval else None
        with self._store.transaction() as store:
            return read_costs(store, self.target_id, start, end)

    def usage(self) -> Mapping[str, Usage]:
        """Return milliseconds, rows and pages of a call in this target's interval, by statement."""
        interval = self._interval
        bounds = {"start": interval and interval.start, "end": interval and interval.end}
        with self._store.transaction() as store:
            rows = store.execute(QUERIES["list_usage"], {"target_id": self.target_id, **bounds})
            return {row.pop("statement_id"): Usage(**row) for row in rows.fetchall()}

    def fingerprint(self) -> str:
        """Return a digest of everything that a step could change; data and sizes do not count."""
        return self.shape().fingerprint

    def shape(self) -> Shape:
        """Return everything that a step could change, line by line."""
        with self._reading() as connection:
            return read_shape(connection)

    def environment(self) -> Mapping[str, Json]:
        """Return versions, settings, schema and sizes, in classes."""
        return environment_of(self.catalog())

    def obstacles(self, added_bytes: int) -> Sequence[str]:
        """Return why no change that adds so many bytes may begin now; empty: it may."""
        with self._store.transaction() as store:
            now = read_clock(store)
        with self._reading() as connection:
            moment = read_moment(connection, self._settings, now)
        return obstacles(moment, self._settings, added_bytes)

    def sample(self) -> None:
        """Read the target's counters once into honed's own history.

        Call it every few seconds: examples come from what is seen running. The first call only
        takes what the counters hold already; every later one that sees a change makes one
        interval.

        Raises:
            UnknownTarget: the target was removed.
        """
        with self._store.transaction() as store:
            recorder = Recorder(store, self.target_id)
            with self._often_reading() as connection:
                snapshot = read_snapshot(connection, recorder.known)
            recorder.save(snapshot)

    def glance(self) -> None:
        """Look once at what is running, for examples with real values; cheaper than ``sample``.

        Raises:
            UnknownTarget: the target was removed.
        """
        with self._often_reading() as connection:
            seen = read_seen(connection, read_server(connection).own_role)
        with self._store.transaction() as store:
            Recorder(store, self.target_id).save_seen(seen)

    def observe(self, lookback: timedelta) -> Observation:
        """Return what there is to find in the last ``lookback``.

        Plans of the most expensive statements are taken and remembered. Anomalies of the series
        are not judged here.
        """
        workload = self.workload(lookback)
        with self._store.transaction() as store, self._reading() as connection:
            return observe(store, connection, self.target_id, workload, lookback)

    def intervals(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[Interval]:
        """Return the stretches of recorded production within the bounds, oldest first."""
        bounds = {"target_id": self.target_id, "since": since, "until": until}
        with self._store.transaction() as store:
            rows = store.execute(QUERIES["list_intervals"], bounds)
            return [Interval(row["started_at"], row["ended_at"]) for row in rows]

    def during(self, interval: Interval) -> Self:
        """Return this target as it was in ``interval``; its catalog and plans are those of now."""
        return self._like(self._settings, interval)

    def within(self, limits: Mapping[str, float]) -> Self:
        """Return this target with ``limits`` where they are narrower than what its settings say."""
        narrower = {
            name: min(getattr(self._settings, name), limit) for name, limit in limits.items()
        }
        return self._like(self._settings.model_copy(update=narrower), self._interval)

    def _like(self, settings: Settings, interval: Interval | None) -> Self:
        other = type(self)(self._record, self._store, settings, interval=interval)
        other._labs, other._kept = self._labs, self._kept  # noqa: SLF001 - another of our own class
        return other

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        search_path = self._record.options.get("search_path", "")
        url = connection_url(self._record)
        with reading(url, self._settings, search_path=str(search_path)) as connection:
            yield connection

    @contextmanager
    def _often_reading(self) -> Iterator[Connection]:
        search_path = str(self._record.options.get("search_path", ""))
        url = connection_url(self._record)
        with self._kept.reading(url, self._settings, search_path=search_path) as connection:
            yield connection
