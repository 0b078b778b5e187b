"""The pin: what was done so that a statement has its good plan again, as it is recorded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from honed.core.canonical import Json, digest
from honed.core.step import Step
from honed.targets.postgres.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a statement cost while its plan was good, and what it costs now."""

    calls_good: float
    mean_ms_good: float
    blocks_per_call_good: float
    calls_bad: float
    mean_ms_bad: float
    blocks_per_call_bad: float
    #: When the calls with the good plan were counted, and since when it has been slow; ISO 8601.
    good_from: str = ""
    good_to: str = ""
    bad_since: str = ""


@dataclass(frozen=True, slots=True)
class PlanPin:
    """One pinned statement; the view ``honed.plan_pins`` shows it under these names."""

    #: The server's query identifier, which is the same for the same text whatever its constants.
    statement_id: str
    good_plan_hash: str
    bad_plan_hash: str
    evidence: Evidence
    #: Name of the provider.
    mechanism: str
    #: For whom it holds: a table, a role in a database.
    scope: str
    #: Days after which it expires unless a trial without it has confirmed it.
    days: float
    #: What takes it back; empty: it leaves nothing behind.
    undo: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return the pin as plain JSON."""
        return {**asdict(self), "undo": list(self.undo)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "PlanPin":
        """Return the pin that ``to_json`` wrote."""
        evidence = Evidence(**value["evidence"])
        return cls(**{**value, "evidence": evidence, "undo": tuple(value["undo"])})


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way to bring a good plan back."""

    #: Name of the provider.
    mechanism: str
    #: What is done, in a few words; the same whenever it is the same.
    label: str
    scope: str
    steps: tuple[Step, ...]
    #: What the steps give later sessions of a role; empty: they give them nothing.
    session: Mapping[str, str] = field(default_factory=dict)
    #: Which role that is.
    role: str = ""
    #: What the steps tell the planner of the one statement, in the words of the mechanism.
    guidance: str = ""

    @property
    def acts_on_tables(self) -> bool:
        """Whether the steps act on tables, so that every statement may notice."""
        return not self.session and not self.guidance

    @property
    def undo(self) -> tuple[str, ...]:
        """What takes it back, in order."""
        return tuple(statement for step in reversed(self.steps) for statement in step.undo)


def definitions(catalog: Catalog, tables: frozenset[tuple[str, str]]) -> str:
    """Return a digest of columns and indexes of ``tables`` (schema and name); no statistics."""
    found = [each for each in catalog.tables.values() if (each.schema, each.name) in tables]
    return digest(
        [
            [
                table.qualified_name,
                [[column.name, column.type, column.not_null] for column in table.columns],
                sorted(index.definition for index in catalog.indexes_of(table.qualified_name)),
            ]
            for table in sorted(found, key=lambda each: each.qualified_name)
        ]
    )
