"""Whether a repository can be read, and whether changes can be proposed to it."""

from dataclasses import dataclass

from honed.config import Settings
from honed.errors import ConfigurationError
from honed.storage.db import Database
from honed.targets.registry import TargetRecord
from honed.targets.repository.source import Source


@dataclass(frozen=True, slots=True)
class Readable:
    """What was seen of a repository. Nothing was pushed, and no test was run."""

    branch: str
    commit: str
    #: How its tests are run.
    tests: str
    #: Where changes are reviewed; empty: none are proposed.
    forge: str
    why_not: str = ""
    #: What to do about that.
    fix: str = ""


def check_repository(record: TargetRecord, store: Database, settings: Settings) -> Readable:
    """Return what can be done with a repository.

    Raises:
        TargetUnavailable: it does not answer.
        UnknownCommit: it has no such branch.
        ConfigurationError: its row is odd, or its Python is not there.
    """
    source = Source(record, settings)
    court = source.court
    if not court.python.is_file():
        msg = f"there is no {court.python}, with which the tests of {record.name} would be run"
        raise ConfigurationError(msg, hint="name a Python that has what they need: --python")
    clone = source.fetched()
    branch = source.branch(clone)
    seen = Readable(
        branch,
        clone.commit(branch),
        f"{court.python} -m pytest {' '.join(court.tests)}".strip(),
        forge="",
    )
    if not record.act_url:
        return _without(seen, "it has no URL to push to", "add it again with --act-url")
    try:
        forge = source.forge(store, clone).name
    except ConfigurationError as error:
        return _without(seen, str(error), error.hint)
    return Readable(seen.branch, seen.commit, seen.tests, forge)


def _without(seen: Readable, why_not: str, fix: str) -> Readable:
    return Readable(seen.branch, seen.commit, seen.tests, "", why_not, fix)
