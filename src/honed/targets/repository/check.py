"""Whether a repository can be read, and whether changes can be proposed to it."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from honed.config import Settings
from honed.core.change import is_test
from honed.errors import ConfigurationError
from honed.storage.db import Database
from honed.targets.registry import TargetRecord
from honed.targets.repository.source import Source

_UNTESTED: Final = "no file of it is called like a test, so nothing can be found or proven by tests"


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
    #: What is odd about its tests; empty: nothing.
    warning: str = ""


def check_repository(record: TargetRecord, store: Database, settings: Settings) -> Readable:
    """Return what can be done with a repository.

    Raises:
        TargetUnavailable: it does not answer.
        UnknownCommit: it has no such branch.
        ConfigurationError: its row is odd, or its Python or a test that it names is not there.
    """
    source = Source(record, settings)
    court = source.court
    if not court.python.is_file():
        msg = f"there is no {court.python}, with which the tests of {record.name} would be run"
        raise ConfigurationError(msg, hint="name a Python that has what they need: --python")
    clone = source.fetched()
    branch = source.branch(clone)
    paths = [each.path for each in clone.entries(branch)]
    if missing := _missing(court.tests, paths):
        msg = f"the branch {branch} of {record.name} has no {missing}, which its tests are to be"
        raise ConfigurationError(msg, hint="commit it, or add the target again with another --test")
    is_tested = bool(court.tests) or any(is_test(each) for each in paths)
    seen = Readable(
        branch,
        clone.commit(branch),
        f"{court.python} -m pytest {' '.join(court.tests)}".strip(),
        forge="",
        warning="" if is_tested else _UNTESTED,
    )
    if not record.act_url:
        return _without(seen, "it has no URL to push to", "add it again with --act-url")
    try:
        forge = source.forge(store, clone).name
    except ConfigurationError as error:
        return _without(seen, str(error), error.hint)
    return replace(seen, forge=forge)


def _without(seen: Readable, why_not: str, fix: str) -> Readable:
    return replace(seen, why_not=why_not, fix=fix)


def _missing(tests: Sequence[str], paths: Sequence[str]) -> str:
    """Return the first file or folder that is to be tested and is not there; empty: all are."""
    named = [posixpath.normpath(each.partition("::")[0]) for each in tests if each[:1] != "-"]
    there = {".", *paths, *(str(each) for path in paths for each in PurePosixPath(path).parents)}
    return next((each for each in named if each not in there), "")
