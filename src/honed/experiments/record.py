"""The stored trial: written while it is measured, read back to be judged again."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from honed.core.canonical import Json
from honed.core.trial import TrialDesign, Unit
from honed.core.verdict import Verdict
from honed.errors import WrongState
from honed.experiments.blocks import ArmName, Block, Purpose, recompute
from honed.experiments.judge import failure
from honed.experiments.judgement import Judgement
from honed.experiments.trial import Ending, TrialResult
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.experiments")


@dataclass(frozen=True, slots=True)
class StoredTrial:
    """A trial as it is stored."""

    trial_id: int
    improvement_id: int
    design: TrialDesign
    seed: int
    blocks: tuple[Block, ...]
    started_at: datetime
    #: None, like the next three, while it is measured, or where its worker died.
    ended_at: datetime | None
    ending: Ending | None
    verdict: Verdict | None
    #: ``Judgement.to_json`` of what was judged at its end.
    judgement: Mapping[str, Json] | None
    reason: str
    error: str
    facts: Mapping[str, Json]
    elapsed_s: float

    def recompute(self) -> Judgement:
        """Return the judgement on the stored blocks, made anew."""
        if self.error:
            return failure(self.error, self.design)
        return recompute(self.blocks, self.design)

    def is_confirmed(self) -> bool:
        """Return whether judging the blocks again gives the stored judgement, bit for bit."""
        return self.judgement is not None and self.recompute().to_json() == self.judgement


def start_trial(
    connection: Connection, *, improvement_id: int, design: TrialDesign, seed: int
) -> int:
    """Write a trial before its first block is measured, and return its row."""
    row = connection.execute(
        _QUERIES["start_trial"],
        {"improvement_id": improvement_id, "design": json.dumps(asdict(design)), "seed": seed},
    ).fetchone()
    assert row is not None  # noqa: S101 - RETURNING
    return int(row["trial_id"])


def add_block(connection: Connection, trial_id: int, block: Block) -> None:
    """Write one block; what ``run_trial`` is handed as ``record``, with its first two arguments."""
    connection.execute(
        _QUERIES["add_block"],
        {
            "trial_id": trial_id,
            "pair": block.pair,
            "position": block.position,
            "arm": block.arm.value,
            "purpose": block.purpose.value,
            "costs": json.dumps(dict(block.costs)),
        },
    )


def finish_trial(connection: Connection, trial_id: int, result: TrialResult) -> None:
    """Write the end of a trial.

    Raises:
        WrongState: it has ended already, or there is no such trial.
    """
    row = connection.execute(
        _QUERIES["finish_trial"],
        {
            "trial_id": trial_id,
            "ending": result.ending.value,
            "verdict": result.verdict.value,
            "reason": result.judgement.reason,
            "error": result.error,
            "judgement": json.dumps(result.judgement.to_json()),
            "log_e": result.judgement.log_e,
            "facts": json.dumps(dict(result.facts)),
            "elapsed_s": result.elapsed_s,
        },
    ).fetchone()
    if row is None:
        msg = f"the trial {trial_id} has ended already"
        raise WrongState(msg)


def wanted_log_e(connection: Connection, improvement_id: int, *, alpha: float) -> float:
    """Return the evidence from which on the next trial of an improvement's target is believed.

    The natural logarithm of an e-value: that of 1 / level of e-LOND (``stats.e_lond``), after all
    trials of the target that have ended. Not guaranteed: another trial of the same target may end
    first; the level that counts is the one that the store gives a trial when it ends.
    """
    row = connection.execute(
        _QUERIES["next_level"], {"improvement_id": improvement_id, "alpha": alpha}
    ).fetchone()
    assert row is not None  # noqa: S101 - a trial has an improvement
    return -math.log(row["level"])


def load_trial(connection: Connection, trial_id: int) -> StoredTrial | None:
    """Return a trial with its blocks; None where there is no such trial."""
    row = connection.execute(_QUERIES["read_trial"], {"trial_id": trial_id}).fetchone()
    if row is None:
        return None
    blocks = connection.execute(_QUERIES["read_blocks"], {"trial_id": trial_id}).fetchall()
    return StoredTrial(
        trial_id=row["trial_id"],
        improvement_id=row["improvement_id"],
        design=design_from_json(row["design"]),
        seed=row["seed"],
        blocks=tuple(_block(block) for block in blocks),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        ending=row["ending"] and Ending(row["ending"]),
        verdict=row["verdict"] and Verdict(row["verdict"]),
        judgement=row["judgement"],
        reason=row["reason"],
        error=row["error"],
        facts=row["facts"],
        elapsed_s=row["elapsed_s"] or 0.0,
    )


def load_last_trial(connection: Connection, improvement_id: int) -> StoredTrial | None:
    """Return the last trial of an improvement that came to an end; None where there is none."""
    row = connection.execute(
        _QUERIES["find_last_trial"], {"improvement_id": improvement_id}
    ).fetchone()
    return load_trial(connection, row["trial_id"]) if row else None


def design_from_json(value: Mapping[str, Any]) -> TrialDesign:
    """Return the design that ``dataclasses.asdict`` and JSON made of one."""
    units = tuple(Unit(**unit) for unit in value["units"])
    return TrialDesign(**{**value, "units": units})


def _block(row: Mapping[str, Any]) -> Block:
    return Block(
        pair=row["pair"],
        position=row["position"],
        arm=ArmName(row["arm"]),
        purpose=Purpose(row["purpose"]),
        # The server's numbers have no type of their own: 1e22 comes back as an integer.
        costs={unit: float(cost) for unit, cost in row["costs"].items()},
    )
