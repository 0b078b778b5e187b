"""A step: one reversible act, held as data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from honed.core.canonical import Json


class StepState(StrEnum):
    """What an inspection of the target says of a step."""

    #: The act has not happened, or has been undone.
    ABSENT = "absent"
    #: The act has happened.
    DONE = "done"
    #: The act stopped half-way (an invalid index); it must be undone before it is done again.
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Step:
    """One reversible act. ``do`` and ``undo`` are both fixed before either runs.

    Args:
        description: one sentence for a person.

        runner: who carries it out; ``sql`` sends each string as one statement, ``archive`` takes
            each, and ``inspect`` too, as an act on a table and its archive.

        do: what to run, in order.

        undo: what takes it back, in order; empty for an act that leaves nothing behind.

        inspect: a query with one row and one column that says ``absent``, ``done`` or ``partial``;
            empty for an act that may simply be run twice (ANALYZE).

        in_transaction: whether ``do`` runs as one transaction; CREATE INDEX CONCURRENTLY cannot.

        undo_in_transaction: whether ``undo`` does; None: as ``do``. An undo that locks out readers
            or writers must: outside of a transaction it would wait for its locks without a limit.
    """

    description: str
    do: tuple[str, ...]
    undo: tuple[str, ...] = ()
    inspect: str = ""
    runner: str = "sql"
    in_transaction: bool = True
    undo_in_transaction: bool | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the step as plain JSON, which an approval names by its digest."""
        value: dict[str, Json] = {
            "description": self.description,
            "runner": self.runner,
            "do": list(self.do),
            "undo": list(self.undo),
            "inspect": self.inspect,
            "in_transaction": self.in_transaction,
        }
        if self.undo_in_transaction is not None:
            # Left out elsewhere: what was approved before keeps its digest.
            value["undo_in_transaction"] = self.undo_in_transaction
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Step":
        """Return the step that ``to_json`` wrote."""
        return cls(
            description=value["description"],
            runner=value["runner"],
            do=tuple(value["do"]),
            undo=tuple(value["undo"]),
            inspect=value["inspect"],
            in_transaction=value["in_transaction"],
            undo_in_transaction=value.get("undo_in_transaction"),
        )

    def inverse(self) -> "Step":
        """Return the step that takes this one back."""
        undo = self.undo_in_transaction
        return Step(
            description=f"undo: {self.description}",
            runner=self.runner,
            do=self.undo,
            undo=self.do,
            inspect="",
            in_transaction=self.in_transaction if undo is None else undo,
            undo_in_transaction=None if undo is None else self.in_transaction,
        )


def inverses(steps: Sequence[Step]) -> list[Step]:
    """Return what takes ``steps`` back: their inverses, last first."""
    return [step.inverse() for step in reversed(steps)]


def steps_from_json(values: Iterable[Mapping[str, Any]]) -> list[Step]:
    """Return the steps of a stored list."""
    return [Step.from_json(value) for value in values]
