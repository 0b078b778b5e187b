"""The planted service as a repository with a history, and its database."""

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Final

from honed.storage.databases import create_database
from honed.storage.db import Database
from honed.storage.server import Server
from honed.testing.hire.files import SOURCES
from honed.testing.hire.fixable import FIXABLE
from honed.testing.hire.planted import ROWS, Planted
from honed.testing.hire.suite import SUITE
from honed.testing.repositories import Checkout

#: How the service came to be: what each commit adds.
_HISTORY: Final = (
    ("Begin with bikes and their database", ("schema.sql", "README.md", "pyproject.toml")),
    ("Keep bikes, riders and what is seen of them", ("store", "conftest")),
    ("Know the bikes", ("fleet",)),
    ("Take bookings", ("bookings",)),
    ("Charge for rides", ("prices", "invoices")),
    ("Tell the depot how the day went", ("reports",)),
    ("Listen to partners and keep photos", ("stations",)),
    ("Answer requests", ("web", "__init__", "CHANGELOG.md")),
)
_BEGAN: Final = 1_772_000_000
_DAY_S: Final = 86_400


def plant(folder: Path) -> Checkout:
    """Make the repository in a new folder, with every fault in it, and return a person's checkout.

    Faults came in as people bring them in: with the first version, or by a commit of their own.
    """
    checkout = Checkout(folder)
    days = count()
    text = {path: _begun(path) for path in (*SOURCES, *SUITE)}
    for message, names in _HISTORY:
        chosen = {path: text[path] for path in text if _is_named(path, names)}
        _commit(checkout, chosen, message, next(days))
    for fault in FIXABLE:
        if fault.broke_in:
            text[fault.path] = _replaced(text[fault.path], fault.right, fault.wrong)
            _commit(checkout, {fault.path: text[fault.path]}, fault.broke_in, next(days))
    return checkout


def repaired() -> dict[str, str]:
    """Return the files of the service without any fault, by path."""
    return {path: _written(path) for path in (*SOURCES, *SUITE)}


def checks_of(faults: Sequence[Planted]) -> dict[str, str]:
    """Return files of the tests that tell what is right, by path; no repository has them."""
    return {f"tests/test_right_{number}.py": each.checks for number, each in enumerate(faults)}


def make_database(server: Server, name: str) -> str:
    """Make production's database, with what it holds, and return its URL."""
    create_database(Database(server.url()), name)
    furnish(server.url(name))
    return server.url(name)


def furnish(url: str) -> None:
    """Put into an empty database what production's holds."""
    with Database(url).connect(autocommit=True) as conn:
        conn.execute(SOURCES["schema.sql"].encode())
        conn.execute(ROWS.encode())


def _commit(checkout: Checkout, files: Mapping[str, str], message: str, day: int) -> None:
    for path, text in files.items():
        place = checkout.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    when = f"{_BEGAN + day * _DAY_S} +0000"
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "-m", message, environment=dates)


def _is_named(path: str, names: tuple[str, ...]) -> bool:
    stem = Path(path).stem.removeprefix("test_")
    return path in names or stem in names


def _begun(path: str) -> str:
    """Return a file's text with the faults that it had from the beginning."""
    text = _written(path)
    for fault in FIXABLE:
        if fault.path == path and not fault.broke_in:
            text = _replaced(text, fault.right, fault.wrong)
    return text


def _written(path: str) -> str:
    return {**SOURCES, **SUITE}[path].lstrip("\n")


def _replaced(text: str, right: str, wrong: str) -> str:
    assert text.count(right) == 1, right
    return text.replace(right, wrong)
