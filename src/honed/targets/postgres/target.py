"""A PostgreSQL database as a target: everything that honed reads of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from honed.config import Settings
from honed.core.canonical import Json
from honed.core.target import Interval, Observation
from honed.storage.db import Database
from honed.targets.postgres.catalog import Catalog
from honed.targets.postgres.lab import Lab
from honed.targets.postgres.workload import StatementCost, Workload
from honed.targets.registry import TargetRecord


class PostgresTarget:
    """A PostgreSQL database as a target; implements ``honed.core.target.Target``.

    Holds no connection: each method opens one, read only and with time limits, and closes it.
    Every method that reads the target may raise ``TargetUnavailable`` (it does not answer),
    ``MissingPrivilege``, ``MissingExtension`` or ``StatementCut`` (a time limit).
    """

    def __init__(self, record: TargetRecord, store: Database, settings: Settings) -> None:
        """Describe the target; nothing is opened."""
        raise NotImplementedError

    @property
    def target_id(self) -> int:
        """The row in the store."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The name a person gave it."""
        raise NotImplementedError

    @property
    def sort(self) -> str:
        """``postgres``."""
        raise NotImplementedError

    @property
    def settings(self) -> Settings:
        """The settings of this process; kinds read budgets and seeds from them."""
        raise NotImplementedError

    @property
    def lab(self) -> Lab:
        """Where trials run; the same object each time. The one who made the target closes it."""
        raise NotImplementedError

    @property
    def server_version(self) -> int:
        """As ``server_version_num``: 180006."""
        raise NotImplementedError

    def check(self) -> None:
        """Return if honed can read everything that it needs.

        Raises:
            TargetUnavailable: the target does not answer.
            MissingExtension: pg_stat_statements is not installed, or the server does not load it.
            MissingPrivilege: the role may not see other users' statements, or not read a table.
        """
        raise NotImplementedError

    def query(
        self, statement: str, parameters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of one ``statement``, run read-only.

        Args:
            statement: one statement; with ``%(name)s`` only where ``parameters`` are given.

            parameters: their values.

        Raises:
            MissingPrivilege: the statement writes, or the role may not read what it reads.
            StatementCut: it took longer than ``statement_timeout_s``.
        """
        raise NotImplementedError

    def explain(self, sql: str) -> Mapping[str, Json]:
        """Return the plan of ``sql``: the object that ``EXPLAIN (FORMAT JSON, VERBOSE)`` returns.

        The statement is not run. ``Plan`` is the top node.
        """
        raise NotImplementedError

    def catalog(self) -> Catalog:
        """Return what the target's catalog says now."""
        raise NotImplementedError

    def workload(self, lookback: timedelta | None = None) -> Workload:
        """Return what production asked in ``lookback``, by default ``settings.lookback_hours``.

        Examples are looked for and planned once on the target; an odd statement only ends up in
        ``Workload.skipped``.
        """
        raise NotImplementedError

    def statement_costs(self) -> Mapping[str, StatementCost]:
        """Return what each statement cost in this target's interval, by statement id.

        Without an interval (see ``during``) the latest is read. Statements without a call in it
        are left out.
        """
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Return a digest of everything that a step could change; data and sizes do not count."""
        raise NotImplementedError

    def sample(self) -> None:
        """Read the target's counters once into honed's own history."""
        raise NotImplementedError

    def observe(self, lookback: timedelta) -> Observation:
        """Return what there is to find in the last ``lookback``."""
        raise NotImplementedError

    def intervals(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[Interval]:
        """Return the stretches of recorded production within the bounds, oldest first."""
        raise NotImplementedError

    def during(self, interval: Interval) -> Self:
        """Return this target as it was in ``interval``."""
        raise NotImplementedError
