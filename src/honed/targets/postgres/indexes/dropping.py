"""Dropping: an index that may go, as a value, and the step that drops it and can build it again."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from honed.core.canonical import Json
from honed.core.finding import INVALID_INDEX, Finding
from honed.core.step import Step
from honed.targets.postgres.catalog import Catalog, Index
from honed.targets.postgres.indexes.definition import (
    NAME_PREFIX,
    drop_sql,
    gone_sql,
    rebuild_sql,
)


@dataclass(frozen=True, slots=True)
class Dropping:
    """An index that may go."""

    #: Of the index and of its table.
    schema: str
    name: str
    #: Name of its table, without schema.
    table: str
    #: The same with schema, each part quoted where it must be.
    relation: str
    #: As ``pg_get_indexdef`` says it.
    definition: str

    @classmethod
    def of(cls, index: Index, catalog: Catalog) -> "Dropping":
        """Return what is to be known of ``index`` to drop it."""
        table = catalog.tables[index.table].name
        return cls(index.schema, index.name, table, index.table, index.definition)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Dropping":
        """Return what ``to_json`` wrote."""
        return cls(**value)

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        return {**asdict(self)}

    def step(self) -> Step:
        """Return the step that drops it; to take that back it is built again, and then valid."""
        return Step(
            f"drop the index {self.name} of {self.relation}",
            do=(drop_sql(self.schema, self.name),),
            undo=(rebuild_sql(self.definition),),
            inspect=gone_sql(self.schema, self.name),
            in_transaction=False,
        )


def find_leftovers(findings: Sequence[Finding], catalog: Catalog) -> dict[Dropping, Finding]:
    """Return honed's own invalid indexes that ``findings`` tell of and that are still there."""
    subjects = {finding.subject: finding for finding in findings if finding.type == INVALID_INDEX}
    return {
        Dropping.of(index, catalog): subjects[index.qualified_name]
        for index in catalog.indexes
        if index.qualified_name in subjects
        and not index.is_valid
        and index.name.startswith(NAME_PREFIX)
    }
