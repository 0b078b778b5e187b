"""Providers: the mechanisms that can hold a plan, from the narrowest to the widest."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from honed.targets.postgres.plan_pins.bench import QUERIES, Bench
from honed.targets.postgres.plan_pins.case import Case
from honed.targets.postgres.plan_pins.hint_rows import EXTENSION, HintRows, read_hint_rows
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
    #: Where pg_hint_plan keeps hints there; None: nowhere.
    hint_rows: HintRows | None = None


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
        hint_rows=read_hint_rows(target) if extensions.get(EXTENSION) else None,
    )
