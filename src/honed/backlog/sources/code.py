"""Static analysis of a repository: complex functions, dead code, duplicates, missing tests."""

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from honed.backlog.code.dead import dead_code
from honed.backlog.code.duplicates import duplicates
from honed.backlog.code.lint import complaints, complex_functions, unused_names
from honed.backlog.code.repository import Repository, read_repository
from honed.backlog.code.trouble import Deadline, Trouble
from honed.backlog.code.untested import reached, untested
from honed.backlog.draft import Draft
from honed.backlog.source import Source
from honed.backlog.ticket import TicketSource
from honed.config import Settings
from honed.errors import SourceFailed
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.backlog.sources", "code.sql")


class Code(Source):
    """What ruff, vulture and two analyses of honed's own say of the repository at ``code_path``."""

    name: ClassVar[str] = "code"
    source: ClassVar[TicketSource] = TicketSource.CODE

    def drafts(self, conn: Connection, since: datetime, settings: Settings) -> Iterator[Draft]:
        """Yield one draft for each trouble in the repository; nothing of it is run or written.

        Raises:
            SourceFailed: no repository is named, or it cannot be read.
        """
        if settings.code_path is None:
            msg = "no repository is named that could be analysed"
            raise SourceFailed(msg, hint="set code_path to the folder of a repository")
        deadline = Deadline(settings.code_scan_timeout_s)
        repository = read_repository(settings.code_path, deadline)
        (row,) = conn.execute(_QUERIES["now"])
        for trouble in troubles(repository, deadline):
            yield _draft(trouble, repository.name, row["now"])


def troubles(repository: Repository, deadline: Deadline) -> list[Trouble]:
    """Return everything that could be better in a repository."""
    paths = reached(repository)
    said = complaints(repository, deadline)
    return [
        *complex_functions(repository, said, paths),
        *dead_code(repository, unused_names(said), deadline),
        *duplicates(repository, deadline),
        *untested(repository, paths),
    ]


def _draft(trouble: Trouble, project: str, now: datetime) -> Draft:
    return Draft(
        source=TicketSource.CODE,
        project=project,
        subject=f"{trouble.sort}: {trouble.place}",
        title=trouble.title,
        description=trouble.description,
        evidence={trouble.sort: trouble.evidence},
        proposed_solution=trouble.solution,
        test_plan=trouble.test_plan,
        files_to_modify=trouble.files,
        first_seen_at=now,
        last_seen_at=now,
        facts=trouble.facts,
    )
