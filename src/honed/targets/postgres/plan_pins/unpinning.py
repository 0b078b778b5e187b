"""Unpinning: which pins are to be tried without, and what that takes.

Weeks after a pin somebody may have changed what it set: then it has ended, and is left alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from honed.core.canonical import Json
from honed.core.step import Step, steps_from_json
from honed.errors import EvaluatorFailed
from honed.targets.postgres.plan_history.memory import QUERIES
from honed.targets.postgres.plan_pins.keeper import regressed_statements
from honed.targets.postgres.plan_pins.manner import manner_of
from honed.targets.postgres.plan_pins.pin import PlanPin, definitions
from honed.targets.postgres.session_settings.scope import QUERIES as SETTINGS
from honed.targets.postgres.session_settings.scope import read_scopes
from honed.targets.postgres.target import PostgresTarget

_IS_OVER = "SELECT CASE WHEN ({}) = 'done' THEN 'absent' ELSE 'done' END"


@dataclass(frozen=True, slots=True)
class DuePin:
    """A pin that is on the target and should be tried without."""

    improvement_id: int
    pins: tuple[PlanPin, ...]
    #: What takes it back, in order.
    steps: tuple[Step, ...]
    #: Parameters of the claim that made it.
    parameters: Mapping[str, Any]
    #: Why it is due, for a person.
    why: str
    is_expired: bool


def due_pins(target: PostgresTarget, *, after: timedelta) -> Iterator[DuePin]:
    """Yield the pins that were not tried without for so long, or whose tables have changed.

    One that the target does not show any more is over, whoever ended it. One whose last trial
    without it was inconclusive is due again after the same time.
    """
    rows = target.recall(QUERIES["list_pins"], {"after": after})
    catalog = target.catalog() if rows else None
    for row in rows:
        assert catalog is not None  # noqa: S101 - there are rows
        parameters: Mapping[str, Any] = row["hypothesis"]["parameters"]
        tables = frozenset((schema, name) for schema, name in parameters["tables"])
        why = ""
        if row["is_expired"]:
            why = "it has expired"
        elif definitions(catalog, tables) != parameters["definitions"]:
            why = "columns or indexes of its tables have changed"
        elif row["unchecked"] >= after:
            why = f"nobody has tried without it for {row['unchecked'].days} days"
        steps = _standing(target, steps_from_json(row["steps"])) if why else []
        if steps:
            yield DuePin(
                improvement_id=row["improvement_id"],
                pins=tuple(PlanPin.from_json(each) for each in parameters["pins"]),
                steps=taking_back(steps),
                parameters=parameters,
                why=why,
                is_expired=row["is_expired"],
            )


def taking_back(steps: list[Step]) -> tuple[Step, ...]:
    """Return what takes a pin back; what leaves nothing behind needs nothing.

    Each is asked for first, and left alone if what the pin set is not there: between the claim and
    the step somebody may have set something else.
    """
    return tuple(
        replace(step.inverse(), inspect=_IS_OVER.format(step.inspect) if step.inspect else "")
        for step in reversed(steps)
        if step.undo
    )


def _standing(target: PostgresTarget, steps: list[Step]) -> list[Step]:
    """Return those of a pin's steps whose work the target still shows, and can be taken back."""
    return [step for step in steps if step.undo and _is_standing(target, step)]


def _is_standing(target: PostgresTarget, step: Step) -> bool:
    if not step.inspect:
        return True
    try:
        (row,) = target.query(step.inspect)
    except EvaluatorFailed:
        return False  # what it was put into is gone: the extension, with its table
    return "done" in row.values()


def hindered_roles(target: PostgresTarget) -> dict[str, str]:
    """Return why roles that run a slower statement can be given no setting, by the scope's label.

    A setting is the widest pin: without that privilege the search ends before it.
    """
    regressed = regressed_statements(target)
    return {
        scope.label: scope.why_not
        for scope in (read_scopes(target) if regressed else ())
        if scope.role and scope.why_not and any(map(scope.runs, regressed))
    }


def sessions(target: PostgresTarget, due: DuePin) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return what sessions of a pinned role would have without the pin, and what they have now.

    Both are empty for a pin that acts on tables.
    """
    names = list(due.parameters["session"])
    if not names:
        return {}, {}
    defaults = target.query(SETTINGS["list_values"], {"names": names})
    before: dict[str, Json] = {row["name"]: row["setting"] for row in defaults}
    before |= {name: value for name, value in due.parameters["overrides"].items() if name in names}
    roles = [each for each in read_scopes(target) if each.role == due.parameters["role"]]
    overrides: dict[str, Json] = dict(roles[0].overrides) if roles else {}
    return before, overrides


def without_guidance(due: DuePin) -> dict[str, Json]:
    """Return parameters of the claim that words to the planner are not needed; empty: no words."""
    manner = manner_of(due.parameters)
    if manner is None:
        return {}
    return {
        manner.noun: {"before": dict(due.parameters[manner.noun]["after"]), "after": {}},
        "overrides": dict(due.parameters["overrides"]),
    }
