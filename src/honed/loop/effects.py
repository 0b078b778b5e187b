"""The journal of steps: the intent before the act, the outcome after it, both in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from honed.core.canonical import Json
from honed.core.canonical import digest as digest_of
from honed.core.step import Step
from honed.errors import WrongState
from honed.improvement.record import Improvement, json_text
from honed.jobs.queue import Fence
from honed.ledger.keys import Signer
from honed.ledger.log import append
from honed.loop.parts import check_switch
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")


class Direction(StrEnum):
    """Which way a step goes."""

    DO = "do"
    UNDO = "undo"


class StepOutcome(StrEnum):
    """What became of an intent."""

    DONE = "done"
    #: It failed; what it left behind was taken away, or is still there: ``Effect.left_behind``.
    FAILED = "failed"
    #: Its worker died; the target was asked, and it had happened.
    FOUND_DONE = "found_done"
    #: Its worker died; the target was asked, and what was half done was taken away.
    CLEANED_UP = "cleaned_up"
    #: The target already was as it should be.
    NOT_NEEDED = "not_needed"


#: The target is as the step wants it.
REACHED = frozenset({StepOutcome.DONE, StepOutcome.FOUND_DONE, StepOutcome.NOT_NEEDED})
#: The step was honed's own doing, so it is honed's to take back.
_OWN = frozenset({StepOutcome.DONE, StepOutcome.FOUND_DONE})


@dataclass(frozen=True, slots=True)
class Effect:
    """One step that was begun, as it is stored."""

    effect_id: int
    direction: Direction
    #: Position among the steps that go this way, from 0.
    ordinal: int
    step: Step
    intended_at: datetime
    ended_at: datetime | None
    #: None: an intent without an outcome. Ask the target before doing anything.
    outcome: StepOutcome | None
    error: str
    duration_s: float
    #: ``ledger_started`` and ``ledger_ended``: leaf hashes of its entries. ``left_behind``: it
    #: failed, and what it left is still on the target. ``fingerprint_before`` and
    #: ``fingerprint_after``: of the target, where nothing but the step changed it in between.
    detail: Mapping[str, Json]

    @property
    def is_to_take_back(self) -> bool:
        """Whether honed put something on the target with it: the step, or what a failure left."""
        return self.outcome in _OWN or bool(self.detail.get("left_behind"))

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Effect":
        """Return the effect of one row of ``honed.effect``."""
        read: dict[str, Any] = {
            "direction": Direction(row["direction"]),
            "step": Step.from_json(row["step"]),
            "outcome": StepOutcome(row["outcome"]) if row["outcome"] else None,
        }
        return cls(**{**row, **read})


@dataclass(frozen=True, slots=True)
class Intent:
    """One step that is about to be carried out."""

    direction: Direction
    ordinal: int
    step: Step


@dataclass(frozen=True, slots=True)
class End:
    """What became of an intent, with what is worth knowing about it."""

    outcome: StepOutcome
    error: str = ""
    duration_s: float = 0.0
    #: Kept in the effect's ``detail`` and in the ledger.
    facts: Mapping[str, Json] = field(default_factory=dict)


def effects_of(conn: Connection, improvement_id: int) -> list[Effect]:
    """Return every step of an improvement that was begun, oldest first."""
    rows = conn.execute(_QUERIES["list_effects"], {"improvement_id": improvement_id})
    return [Effect.from_row(row) for row in rows]


def open_effect(
    conn: Connection, signer: Signer, improvement: Improvement, intent: Intent, *, fence: Fence
) -> Effect:
    """Record an intent with its ledger entry, in the caller's transaction; return the effect.

    Commit before the act.

    Raises:
        Stopped: honed was told to stop.
        LostJob: another worker took the job over.
    """
    fence.check(conn)
    check_switch(conn)
    parent = conn.execute(
        _QUERIES["last_leaf"], {"improvement_id": improvement.improvement_id}
    ).fetchone()
    entry = append(
        conn,
        signer,
        event=f"{_NAMES[intent.direction]}_started",
        subject=_subject(intent.step),
        predicate={**_predicate(improvement, intent), "statements": list(intent.step.do)},
        parents=[parent["leaf_hash"]] if parent else [],
    )
    (row,) = conn.execute(
        _QUERIES["open_effect"],
        {
            "improvement_id": improvement.improvement_id,
            "direction": intent.direction.value,
            "ordinal": intent.ordinal,
            "step": json_text(intent.step.to_json()),
            "detail": json_text({"ledger_started": entry.leaf_hash}),
        },
    )
    return Effect.from_row(row)


def close_effect(  # noqa: PLR0913 - the intent, what became of it, and who says so
    conn: Connection,
    signer: Signer,
    improvement: Improvement,
    effect: Effect,
    end: End,
    *,
    fence: Fence,
) -> None:
    """Record what became of an intent, with its ledger entry, in the caller's transaction.

    Raises:
        LostJob: another worker took the job over.
        WrongState: the effect has an outcome already.
    """
    fence.check(conn)
    intent = Intent(effect.direction, effect.ordinal, effect.step)
    entry = append(
        conn,
        signer,
        event=f"{_NAMES[effect.direction]}_{end.outcome.value}",
        subject=_subject(effect.step),
        predicate={
            **_predicate(improvement, intent),
            "error": end.error,
            "duration_s": end.duration_s,
            **end.facts,
        },
        parents=[str(effect.detail["ledger_started"])],
    )
    row = conn.execute(
        _QUERIES["close_effect"],
        {
            "effect_id": effect.effect_id,
            "outcome": end.outcome.value,
            "error": end.error,
            "duration_s": end.duration_s,
            "detail": json_text({"ledger_ended": entry.leaf_hash, **end.facts}),
        },
    ).fetchone()
    if row is None:
        msg = f"effect {effect.effect_id} has an outcome already"
        raise WrongState(msg)


_NAMES = {Direction.DO: "step", Direction.UNDO: "undo"}


def _subject(step: Step) -> dict[str, str]:
    return {"step": digest_of(step.to_json())}


def _predicate(improvement: Improvement, intent: Intent) -> dict[str, Json]:
    return {
        "improvement_id": improvement.improvement_id,
        "target_id": improvement.target_id,
        "direction": intent.direction.value,
        "ordinal": intent.ordinal,
        "description": intent.step.description,
    }
