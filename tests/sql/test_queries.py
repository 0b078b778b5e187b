"""Every named query is valid SQL on the schema as it is migrated."""

import re

import pytest

from honed.storage.db import Database
from honed.storage.queries import load_queries

PACKAGES = ["honed.jobs", "honed.improvement", "honed.approval", "honed.backlog", "honed.llm"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_query_can_be_prepared_by_the_daemon(daemon: Database, package: str) -> None:
    queries = load_queries(package)
    assert queries
    for name, query in queries.items():
        if query.startswith("LOCK"):
            continue
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", query)))
        numbered = re.sub(r"%\((\w+)\)s", lambda found, n=names: f"${n.index(found[1]) + 1}", query)  # type: ignore[misc]  # the names of this query
        with daemon.transaction() as conn:
            conn.execute(f"PREPARE {name} AS {numbered}".encode())
