"""The improvement as it is stored, and how it is proposed and found again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from honed.core.canonical import Json
from honed.core.hypothesis import Hypothesis
from honed.core.risk import Danger
from honed.core.step import Step, steps_from_json
from honed.core.verdict import Outcome, State, Verdict
from honed.errors import UnknownImprovement
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.improvement")


@dataclass(frozen=True, slots=True)
class Improvement:
    """A hypothesis on its way through the states. Effects are logarithms of cost after / before."""

    improvement_id: int
    #: 0: the cycle that proposed it is gone.
    cycle_id: int
    target_id: int
    kind: str
    subject: str
    state: State
    hypothesis: Hypothesis
    #: What would be done, or was; empty until the kind has said it.
    steps: tuple[Step, ...]
    #: What findings and trial say; part of what is approved.
    evidence: Mapping[str, Json]
    priority: int
    risk: int
    danger: Danger
    area: str
    #: What an approval must name; empty until it is proven.
    digest: str
    target_fingerprint: str
    #: The policy under which the digest was made; 0: none yet.
    policy_version: int
    #: Probability with which it was chosen.
    propensity: float
    predicted_log_ratio: float | None
    #: What the trial measured.
    measured_log_ratio: float | None
    #: What production says.
    production_log_ratio: float | None
    verdict: Verdict | None
    outcome: Outcome | None
    error: str
    proposed_at: datetime
    trial_started_at: datetime | None
    tried_at: datetime | None
    awaiting_since: datetime | None
    approved_at: datetime | None
    applying_at: datetime | None
    applied_at: datetime | None
    rolled_back_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime
    cost_s: float

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Improvement":
        """Return the improvement of one row of ``honed.improvement``."""
        read: dict[str, Any] = {
            "cycle_id": row["cycle_id"] or 0,
            "state": State(row["state"]),
            "hypothesis": Hypothesis.from_json(row["hypothesis"]),
            "steps": tuple(steps_from_json(row["steps"])),
            "danger": Danger(row["danger"]),
            "digest": row["digest"] or "",
            "policy_version": row["policy_version"] or 0,
            "verdict": row["verdict"] and Verdict(row["verdict"]),
            "outcome": row["outcome"] and Outcome(row["outcome"]),
        }
        return cls(**{**row, **read})


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a cycle proposes, before it is stored."""

    cycle_id: int
    target_id: int
    hypothesis: Hypothesis
    danger: Danger = Danger.NONE
    area: str = "performance"
    #: Probability with which the loop chose it among what it could have chosen.
    propensity: float = 1.0
    target_fingerprint: str = ""
    evidence: Mapping[str, Json] = field(default_factory=dict)
    #: Recorded in history and ledger. It can never be deleted: no personal data.
    detail: Mapping[str, Json] = field(default_factory=dict)
    #: Leaf hashes of the ledger's entries that it rests on.
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One change of state, as it was recorded."""

    event_id: int
    #: Empty for the first.
    from_state: str
    to_state: State
    detail: Mapping[str, Json]
    #: Place in the ledger of the entry that was appended with it.
    ledger_index: int
    leaf_hash: str
    happened_at: datetime


def get(conn: Connection, improvement_id: int) -> Improvement:
    """Return one improvement.

    Raises:
        UnknownImprovement: there is none with this id.
    """
    found = _find(conn, improvement_id=improvement_id)
    if not found:
        msg = f"there is no improvement {improvement_id}"
        raise UnknownImprovement(msg)
    return found[0]


def lock(conn: Connection, improvement_id: int) -> Improvement:
    """Return one improvement whose row stays locked until the transaction ends.

    Raises:
        UnknownImprovement: there is none with this id.
    """
    conn.execute(_QUERIES["lock"], {"improvement_id": improvement_id})
    return get(conn, improvement_id)


def improvements(
    conn: Connection,
    *,
    target_id: int | None = None,
    cycle_id: int | None = None,
    states: Sequence[State] = tuple(State),
    limit: int = 100,
) -> list[Improvement]:
    """Return the newest improvements, newest first.

    Args:
        conn: a transaction.

        target_id: only of this target; None: of all.

        cycle_id: only of this cycle; None: of all.

        states: only in one of these.

        limit: no more than these.
    """
    names = [state.value for state in states]
    return _find(conn, target_id=target_id, cycle_id=cycle_id, states=names, limit=limit)


def latest(conn: Connection, *, target_id: int, kind: str, subject: str) -> Improvement | None:
    """Return the newest improvement that made this claim, in whatever state, or None."""
    found = _find(conn, target_id=target_id, kind=kind, subject=subject, limit=1)
    return found[0] if found else None


def events(conn: Connection, improvement_id: int) -> list[Event]:
    """Return every change of state of one improvement, oldest first."""
    rows = conn.execute(_QUERIES["list_events"], {"improvement_id": improvement_id})
    return [Event(**{**row, "to_state": State(row["to_state"])}) for row in rows]


def json_text(value: Json) -> str:
    """Return ``value`` as JSON text for a ``jsonb`` column.

    Raises:
        ValueError: a number in it is not finite.
    """
    return json.dumps(value, allow_nan=False, default=dict)


def _find(conn: Connection, **conditions: str | int | list[str] | None) -> list[Improvement]:
    every = dict.fromkeys(
        ("improvement_id", "target_id", "cycle_id", "kind", "subject", "states", "limit")
    )
    return [Improvement.from_row(row) for row in conn.execute(_QUERIES["find"], every | conditions)]
