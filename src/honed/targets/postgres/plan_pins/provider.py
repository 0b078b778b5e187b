"""Providers: the mechanisms that can hold a plan, from the narrowest to the widest."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from honed.targets.postgres.plan_pins import hint_rows, stash
from honed.targets.postgres.plan_pins.bench import Bench
from honed.targets.postgres.plan_pins.case import Case
from honed.targets.postgres.plan_pins.keeper import (
    QUERIES,
    Foreign,
    Keeper,
    foreign_words,
    regressed_statements,
)
from honed.targets.postgres.plan_pins.pin import Remedy
from honed.targets.postgres.target import PostgresTarget


@dataclass(frozen=True, slots=True)
class Server:
    """What of a target's server decides which mechanisms it has."""

    #: As ``server_version_num``: 180006.
    version: int
    #: Extensions that can hold a plan and could be created there; True: this one was.
    extensions: Mapping[str, bool]
    #: Those of them that were created there, and that the lab's server has too.
    in_lab: frozenset[str] = frozenset()
    #: What those keep for single statements, by the mechanism that uses them.
    keepers: Mapping[str, Keeper] = field(default_factory=dict)


class Provider(Protocol):
    """One mechanism that can hold a plan."""

    #: Stored with every pin; never renamed.
    name: str

    def why_not(self, server: Server) -> str:
        """Return why the mechanism cannot be used there; empty: it can."""

    def remedies(self, case: Case, bench: Bench) -> Iterator[Remedy]:
        """Yield what may bring the good plan of ``case`` back, the least first.

        Each is tried on ``bench`` by the caller before the next is asked for.
        """


def read_server(target: PostgresTarget) -> Server:
    """Return what of the target's server decides which mechanisms it has."""
    rows = target.query(QUERIES["list_planning_extensions"], {})
    extensions = {row["name"]: row["is_installed"] for row in rows}
    installed = [name for name, is_installed in extensions.items() if is_installed]
    return Server(
        target.server_version,
        extensions,
        in_lab=frozenset(filter(target.lab.has_extension, installed)),
        keepers=_read_keepers(target),
    )


def foreign_guidance(target: PostgresTarget) -> list[Foreign]:
    """Return what others told the planner of statements that are slower now."""
    regressed = regressed_statements(target)
    return [
        each
        for mechanism, keeper in (_read_keepers(target) if regressed else {}).items()
        for each in foreign_words(target, regressed, mechanism, keeper)
    ]


def _read_keepers(target: PostgresTarget) -> dict[str, Keeper]:
    read: Mapping[str, Keeper | None] = {
        stash.MECHANISM: stash.read_stash(target),
        hint_rows.MECHANISM: hint_rows.read_hint_rows(target),
    }
    return {mechanism: keeper for mechanism, keeper in read.items() if keeper is not None}
