"""Every named query of a source is valid SQL on the schema as it is migrated, for the daemon."""

import re
from dataclasses import replace
from importlib import resources

import pytest

from honed.storage.db import Database
from honed.storage.queries import load_queries

PACKAGE = "honed.backlog.sources"
FILES = [("honed.backlog", "settled.sql")] + [
    (PACKAGE, each.name)
    for each in resources.files(PACKAGE).iterdir()
    if each.name.endswith(".sql")
]


@pytest.mark.parametrize(("package", "file"), FILES)
def test_every_query_can_be_prepared(store: Database, package: str, file: str) -> None:
    for name, query in load_queries(package, file).items():
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", query)))
        numbers = {each: f"${number}" for number, each in enumerate(names, start=1)}
        numbered = re.sub(r"%\((\w+)\)s", lambda found, of=numbers: of[found[1]], query)  # type: ignore[misc]  # the numbers of this query
        with replace(store, role="honed_daemon").transaction() as conn:
            conn.execute(f"PREPARE {name} AS {numbered}".encode())
