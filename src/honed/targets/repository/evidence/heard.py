"""Which projects' exceptions a repository hears of, and which it waits for in vain."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from honed.storage.db import Connection
from honed.storage.queries import load_queries
from honed.targets.registry import TargetRecord

_QUERIES = load_queries("honed.targets.repository.evidence", "exceptions.sql")


@dataclass(frozen=True, slots=True)
class Heard:
    """A project whose exceptions are a repository's."""

    name: str
    #: Whether there is such a project, and whether it has sent an exception yet.
    is_there: bool
    has_sent: bool
    #: The project that may be meant, where there is none of this name.
    near: str = ""
    #: Other repositories that hear of the same project: what it raises is then nobody's alone.
    others: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether its exceptions arrive, and are looked for in this repository alone."""
        return self.has_sent and not self.others

    @property
    def words(self) -> str:
        """How it stands, in a sentence; what is wrong with it comes with what to do."""
        if self.others:
            also = ", ".join(self.others)
            said = f"the project {self.name} is of {also}, too, so nobody can tell whose a fault is"
            return f"{said}: `honed target remove NAME` takes one away"
        if not self.is_there:
            meant = f" (is it {self.near}?)" if self.near else ""
            make = f"`honed project add {self.name}` makes it"
            return f"there is no project {self.name} yet{meant}: {make}"
        sent = "exceptions" if self.has_sent else "no exception yet"
        return f"the project {self.name} has sent {sent}"


def heard(conn: Connection, record: TargetRecord) -> Sequence[Heard]:
    """Return the projects whose exceptions are looked at for a repository, by name.

    They are those that are linked to it (``honed project add NAME --target ...``) and the one that
    its row names (``--project``), whether there is such a one or not.

    Raises:
        NotAllowed: the login may not see projects.
    """
    named = str(record.options.get("project", ""))
    rows = conn.execute(_QUERIES["list_projects"]).fetchall()
    found = [
        Heard(row["name"], is_there=True, has_sent=row["has_sent"])
        for row in rows
        if row["name"] == named or row["target_id"] == record.target_id
    ]
    every = [row["name"] for row in rows]
    if named and named not in every:
        near = difflib.get_close_matches(named, every, 1)
        found.append(Heard(named, is_there=False, has_sent=False, near="".join(near)))
    return [
        replace(each, others=_others(conn, record, each.name))
        for each in sorted(found, key=lambda each: each.name)
    ]


def _others(conn: Connection, record: TargetRecord, project: str) -> tuple[str, ...]:
    rows = conn.execute(_QUERIES["list_repositories"], {"project": project})
    return tuple(row["name"] for row in rows if row["name"] != record.name)
