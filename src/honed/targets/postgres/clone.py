"""A clone: one throw-away copy of a target's database on the private shadow server."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from honed.core.canonical import Json
from honed.targets.postgres.whatif import Buildable, Built, Estimate


class Clone:
    """One throw-away copy of a target's database.

    Statements of the workload run under a role that only reads; builds run under the role that
    owns the tables; neither is a superuser, because what comes from a target is not trusted on
    honed's machine. Implements ``WhatIf`` with real indexes.
    """

    #: URL of the database, as the role that owns its tables.
    url: str
    #: Whether the tables hold a sample (rows and pages then look like production's to the planner).
    is_sampled: bool

    def run(self, *statements: str) -> None:
        """Run each of ``statements`` by itself, as the owner of the tables, outside a transaction.

        Raises:
            EvaluatorFailed: one failed; the message names it.
        """
        raise NotImplementedError

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the rows of ``sql``, run as the role that only reads."""
        raise NotImplementedError

    def explain(self, sql: str, *, analyze: bool = False) -> Mapping[str, Json]:
        """Return the plan of ``sql``: the object that ``EXPLAIN (FORMAT JSON, VERBOSE)`` returns.

        Args:
            sql: one statement without parameters.

            analyze: run it too, so that the nodes have ``Actual Rows``; cut after 10 seconds.

        Raises:
            EvaluatorFailed: the statement cannot be planned, or was cut.
        """
        raise NotImplementedError

    def cost(self, sql: str) -> float:
        """Return the planner's cost of ``sql`` with the indexes visible now."""
        raise NotImplementedError

    def add(self, candidates: Collection[Buildable]) -> dict[str, Built]:
        """Build ``candidates``, two at a time, invisible to the planner; see ``WhatIf.add``."""
        raise NotImplementedError

    def show(self, names: Collection[str]) -> None:
        """Make exactly ``names`` of the added candidates visible to the planner.

        Indexes that production has stay as they are.
        """
        raise NotImplementedError

    def estimate(self, sql: str, visible: Collection[str]) -> Estimate:
        """Return what ``sql`` would cost with ``visible`` only; see ``WhatIf.estimate``."""
        raise NotImplementedError

    def hide(self, names: Collection[str]) -> None:
        """Hide indexes that production has, to ask what dropping them would do; ``show`` undoes."""
        raise NotImplementedError

    def size_bytes(self, name: str) -> int:
        """Return the bytes of index ``name``, scaled up where the clone is sampled."""
        raise NotImplementedError

    def close(self) -> None:
        """Close every connection; the lab drops the database."""
        raise NotImplementedError


__all__ = ["Buildable", "Built", "Clone", "Estimate", "Sequence"]
