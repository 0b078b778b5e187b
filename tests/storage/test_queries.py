"""Named queries: the form of their files, and that each of them fits the schema it runs on."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

import honed
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries
from honed.targets.postgres.batches.writers import Writer, register_sql
from honed.targets.postgres.phantom import _CASTS
from honed.targets.postgres.shadow import _CREATE_MARKER

SOURCE = Path(honed.__file__).parent
NAME = re.compile(r"^-- [a-z0-9_]+ --$", re.MULTILINE)
NAMED = [path for path in sorted(SOURCE.rglob("*.sql")) if NAME.search(path.read_text())]
#: Those that run on the store; the others of the folder of databases run on a target.
OF_STORE = [
    path
    for path in NAMED
    if path.name == "queries.sql" or "postgres" not in path.relative_to(SOURCE).parts
]
#: A target has no clock of honed's, and the queue compares with times that procrastinate wrote by
#: the real one.
CLOCKED = [path for path in OF_STORE if path.parent.name != "jobs"]
PARAMETER = re.compile(r"%\(([a-z0-9_]+)\)s")
#: The clock of the session, of the transaction, of the machine: none of them can be set.
UNSETTABLE_CLOCK = re.compile(
    r"(?<![.\w])(now|clock_timestamp|statement_timestamp)\(|\bcurrent_(timestamp|date|time)\b",
    re.IGNORECASE,
)

#: What the code puts into a query because it differs from target to target.
PLACEHOLDERS = {
    "{schema}": "public",
    "{buffercache}": "public",
    "{table}": "pg_class",
    "{stats_since}": "NULL::timestamptz",
}
#: What a target, or the lab's copy of one, has before its queries run.
TARGET = (
    "CREATE EXTENSION pg_stat_statements",
    "CREATE EXTENSION pg_buffercache",
    _CREATE_MARKER,
    *(load_queries("honed.targets.postgres", "phantom.sql")[name] for name in _CASTS),
    "CREATE SCHEMA hint_plan",
    "CREATE TABLE hint_plan.hints (id integer, query_id bigint, application_name text, hints text)",
    (
        "CREATE FUNCTION pg_get_advice_stashes(OUT stash_name text) RETURNS SETOF text"
        " RETURN NULL::text"
    ),
    (
        "CREATE FUNCTION pg_get_advice_stash_contents(wanted text, OUT stash_name text,"
        " OUT query_id bigint, OUT advice_string text) RETURNS SETOF record"
        " LANGUAGE sql AS 'SELECT NULL::text, NULL::bigint, NULL::text'"
    ),
    register_sql(Writer("any", "pg_class", 1, 1, 1), actor="nobody"),
)


def package_of(path: Path) -> str:
    return ".".join(("honed", *path.parent.relative_to(SOURCE).parts))


def as_prepared(query: str) -> str:
    """Return ``query`` with $1, $2 ... instead of named parameters."""
    for placeholder, words in PLACEHOLDERS.items():
        query = query.replace(placeholder, words)
    names = list(dict.fromkeys(PARAMETER.findall(query)))
    if not names:
        return query
    numbered = PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", query)
    return numbered.replace("%%", "%")


def refusals(connection: Connection, path: Path) -> Iterator[str]:
    for name, query in load_queries(package_of(path), path.name).items():
        result = connection.pgconn.prepare(b"", as_prepared(query).encode())
        if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
            yield f"{name}: {result.error_message.decode().strip()}"


def write(folder: Path, name: str, text: str) -> str:
    """Make a package with a file of queries in ``folder`` and return its name."""
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "queries.sql").write_text(text)
    return name


@pytest.mark.parametrize("path", NAMED, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_named_query_fits_its_schema(
    path: Path, store: Database, empty_database: Callable[[], str]
) -> None:
    database = store
    if path not in OF_STORE:
        # It runs on a target, which has nothing of honed's.
        database = Database(empty_database())
        with database.transaction() as connection:
            for statement in TARGET:
                connection.execute(statement)
    elif (schema := path.with_name("schema.sql")).exists():
        # It runs on a database of its own, whose schema lies beside it.
        database = Database(empty_database())
        with database.transaction() as connection:
            connection.execute(schema.read_bytes())
    with database.connect(autocommit=True) as connection:
        assert list(refusals(connection, path)) == []


@pytest.mark.parametrize("path", CLOCKED, ids=lambda path: str(path.relative_to(SOURCE)))
def test_named_queries_read_the_time_from_the_settable_clock(path: Path) -> None:
    queries = load_queries(package_of(path), path.name)
    assert [name for name, query in queries.items() if UNSETTABLE_CLOCK.search(query)] == []


def test_a_query_that_does_not_fit_is_found(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = write(
        tmp_path, "misfit", "-- read --\n-- Reads.\nSELECT nothing FROM honed.migration;\n"
    )
    query = load_queries(package)["read"]
    with store.connect(autocommit=True) as connection:
        result = connection.pgconn.prepare(b"", as_prepared(query).encode())
    assert b'column "nothing" does not exist' in result.error_message


def test_queries_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = write(
        tmp_path,
        "pair",
        "-- one --\n-- The first.\nSELECT %(n)s;\n\n-- two --\n-- The second.\nSELECT 2\n  AS n;\n",
    )
    assert dict(load_queries(package)) == {"one": "SELECT %(n)s", "two": "SELECT 2\n  AS n"}


@pytest.mark.parametrize(
    "text",
    [
        "-- one --\nSELECT 1;\n",
        "-- one --\n-- It has no statement.\n",
        "-- one --\n-- Once.\nSELECT 1;\n-- one --\n-- Twice.\nSELECT 2;\n",
    ],
    ids=["without a sentence", "without a statement", "twice"],
)
def test_a_file_of_another_form_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = write(tmp_path, f"form_{abs(hash(text))}", text)
    with pytest.raises(ValueError, match="one comes twice, or lacks"):
        load_queries(package)
