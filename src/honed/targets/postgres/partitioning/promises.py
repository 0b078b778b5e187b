"""Checks that a conversion has made and not yet turned into a partition's bounds."""

from dataclasses import dataclass

from honed.targets.postgres.partitioning.conversion import CHECK
from honed.targets.postgres.partitioning.tables import QUERIES
from honed.targets.postgres.target import PostgresTarget


@dataclass(frozen=True, slots=True)
class Promise:
    """A check by which a table refuses rows from the boundary of its conversion on."""

    #: The qualified name of the table, and the name of the check, quoted.
    relation: str
    name: str
    #: As the server writes it, with the boundary.
    definition: str

    @property
    def remedy(self) -> str:
        """The SQL that makes an end of it."""
        return f"ALTER TABLE {self.relation} DROP CONSTRAINT {self.name}"


def find_promises(target: PostgresTarget) -> list[Promise]:
    """Return the checks of conversions that are under way, or were left half-way."""
    return [Promise(**row) for row in target.query(QUERIES["list_promises"], {"tail": CHECK})]
