"""Archived rows are equal rows, on the way there and back; what would not be is refused."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from honed.core.step import StepState
from honed.errors import ArchiveDamaged, QueryRefused, StepFailed
from honed.targets.postgres.archives.files import Archive, folder_of, list_archives, partial_of
from honed.targets.postgres.archives.query import ask
from honed.targets.postgres.archives.runner import Archivist, act

Connection = psycopg.Connection[tuple[Any, ...]]

#: Every type that is carried, with values that others stumble over, as the server reads them.
COLUMNS = {
    "a": ("boolean", st.sampled_from(["true", "false"])),
    "b": ("smallint", st.integers(-(2**15), 2**15 - 1).map(str)),
    "c": ("integer", st.integers(-(2**31), 2**31 - 1).map(str)),
    "d": ("bigint", st.integers(-(2**63), 2**63 - 1).map(str)),
    "e": ("numeric(38,9)", st.decimals(-(10**20), 10**20, places=9).map(lambda x: f"{x:f}")),
    "f": ("numeric(3,3)", st.decimals("-0.999", "0.999", places=3).map(lambda x: f"{x:f}")),
    "g": (
        "numeric",
        st.one_of(
            st.decimals(allow_nan=False, allow_infinity=False).map(lambda x: f"{x:.60}"),
            st.sampled_from(["NaN", "Infinity", "1.50", "1.5", "0", "1e-300"]),
        ),
    ),
    "h": ("real", st.floats(width=32).map(repr)),
    "i": ("double precision", st.floats().map(repr)),
    "j": ("text", st.text(st.characters(exclude_characters="\0", codec="utf-8"))),
    "k": ("character varying(40)", st.text("\t\n\r\\'\"| N,x", max_size=40)),
    "l": ("character(5)", st.text("a ", max_size=5)),
    "m": ("bytea", st.binary().map(lambda x: rf"\x{x.hex()}")),
    "n": ("uuid", st.uuids().map(str)),
    "o": ("json", st.sampled_from(['{"b": 1,  "a": 1.0}', "null", '"\\\\u00e9\\\\n"', "[]"])),
    "p": ("jsonb", st.sampled_from(['{"b": 1,  "a": 1.00}', "null", '"é\\\\n"', "[1e2]"])),
    "q": ("date", st.sampled_from(["4713-01-01 BC", "0044-03-15 BC", "1-1-1", "5874897-12-31"])),
    "r": ("date", st.dates().map(str)),
    "s": ("timestamp", st.datetimes().map(str)),
    "t": (
        "timestamp(3)",
        st.sampled_from(["0044-03-15 12:00 BC", "290000-01-01 00:00", "1969-12-31 23:59:59.999"]),
    ),
    "u": ("timestamptz", st.datetimes().map(lambda x: f"{x}+05:45")),
}
ROW = st.tuples(*(st.none() | values for _, values in COLUMNS.values()))

VERBS = ("export", "archived", "remove")
TABLE: LiteralString = "CREATE TABLE sale (sale_id integer, day date, amount numeric, note text)"
SALES: LiteralString = """
    INSERT INTO sale SELECT n, date '2024-01-01' + n % 300, n / 4.0, 'it''s a note' || n
      FROM generate_series(1, 1000) n
"""


@pytest.fixture
def connection(empty_database: Callable[[], str]) -> Any:
    with psycopg.connect(empty_database(), autocommit=True) as connection:
        connection.execute(TABLE)
        connection.execute(SALES)
        yield connection


@pytest.fixture
def archivist(tmp_path: Path) -> Archivist:
    return Archivist(tmp_path / "archive", memory_mb=256)


def about(table: str = "sale", **more: object) -> dict[str, Any]:
    folder = folder_of("shop", "public", table)
    return {"folder": folder, "schema": "public", "table": table, **more}


def export(table: str = "sale") -> str:
    return act("export", **about(table, parent=["public", "sales"], bound=""))


def archive_of(archivist: Archivist, table: str = "sale") -> Archive:
    return Archive.open(archivist.root / folder_of("shop", "public", table))


def restoring(archive: Archive) -> dict[str, Any]:
    return about(archive.manifest.table, rows=archive.manifest.proof.rows, sha256=archive.sha256)


def rows(connection: Connection, table: str = "sale") -> list[tuple[Any, ...]]:
    """Return a table's rows as COPY writes them, in any order."""
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} TO STDOUT") as copy:
        return sorted((bytes(line),) for line in copy)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.lists(ROW, min_size=1, max_size=30))
def test_every_value_of_every_type_comes_back(
    values: list[tuple[str | None, ...]], connection: Connection, archivist: Archivist
) -> None:
    columns = ", ".join(f'"{name}" {type_name}' for name, (type_name, _) in COLUMNS.items())
    connection.execute(f"DROP TABLE IF EXISTS every; CREATE TABLE every ({columns})".encode())
    shutil.rmtree(archivist.root, ignore_errors=True)
    row = ", ".join(f"%s::{type_name}" for type_name, _ in COLUMNS.values())
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO every VALUES ({row})".encode(), values)  # noqa: S608 - likewise
    before = rows(connection, "every")
    archivist.run(connection, export("every"))
    archive = archive_of(archivist, "every")
    archivist.run(connection, act("empty", **restoring(archive)))
    assert rows(connection, "every") == []
    archivist.run(connection, act("load", **restoring(archive)))
    assert rows(connection, "every") == before


REFUSED = {
    "integer[]": ("{1}", "type integer"),
    "interval": ("1 month", "type interval"),
    "int4range": ("[1,2)", "type int4range"),
    "mood": ("well", "type mood"),
    "positive": ("1", "type positive"),
    "time": ("24:00", "type time"),
    "inet": ("::1", "type inet"),
    "date": ("infinity", "infinite"),
    "timestamptz": ("-infinity", "infinite"),
    "timestamp": ("infinity", "infinite"),
    "numeric(5,2)": ("NaN", "not a number"),
}


def test_what_does_not_survive_is_refused(connection: Connection, archivist: Archivist) -> None:
    connection.execute("CREATE TYPE mood AS ENUM ('well'); CREATE DOMAIN positive AS integer")
    for number, (type_name, (value, reason)) in enumerate(REFUSED.items()):
        connection.execute(f"CREATE TABLE odd_{number} (it {type_name})".encode())
        connection.execute(f"INSERT INTO odd_{number} VALUES ('{value}')".encode())  # noqa: S608 - a test's own words
        with pytest.raises(StepFailed, match=re.escape(reason)):
            archivist.run(connection, export(f"odd_{number}"))
    assert list_archives(archivist.root) == []


def test_names_and_generated_columns_come_back(
    connection: Connection, archivist: Archivist
) -> None:
    name = 'odd "name". {c}%s é'
    table = sql.Identifier(name)
    connection.execute(
        sql.SQL(
            'CREATE TABLE {} ("say ""{{c}}"" % {{w}}" text, "select" integer,'
            ' twice integer GENERATED ALWAYS AS ("select" * 2) STORED,'
            " id integer GENERATED ALWAYS AS IDENTITY)"
        ).format(table)
    )
    connection.execute(sql.SQL("INSERT INTO {} VALUES ('x', 4), (NULL, NULL)").format(table))
    archivist.run(connection, export(name))
    archive = archive_of(archivist, name)
    for verb in ("empty", "load"):
        archivist.run(connection, act(verb, **restoring(archive)))
    found = connection.execute(sql.SQL("SELECT * FROM {} ORDER BY id").format(table)).fetchall()
    assert found == [("x", 4, 8, 1), (None, None, None, 2)]


def test_an_archive_appears_whole_and_goes_whole(
    connection: Connection, archivist: Archivist
) -> None:
    question = act("archived", **about())
    assert archivist.inspect(connection, question) is StepState.ABSENT
    archivist.run(connection, export())
    assert archivist.inspect(connection, question) is StepState.DONE
    facts = archivist.facts(export())
    assert facts["archive_sha256"] == archive_of(archivist).sha256
    assert facts["archived_rows"] == 1000
    archivist.run(connection, act("remove", **about()))
    assert archivist.inspect(connection, question) is StepState.ABSENT
    # What a kill leaves behind is partial, is removed, and is no hindrance.
    partial = partial_of(archivist.root / folder_of("shop", "public", "sale"))
    partial.mkdir()
    (partial / "part-00000.txt").write_text("half a line")
    assert archivist.inspect(connection, question) is StepState.PARTIAL
    archivist.run(connection, act("remove", **about()))
    assert archivist.inspect(connection, question) is StepState.ABSENT


def test_the_only_copy_is_never_removed(connection: Connection, archivist: Archivist) -> None:
    archivist.run(connection, export())
    for damage in ("DELETE FROM sale WHERE sale_id = 1", "DROP TABLE sale"):
        connection.execute(damage)
        with pytest.raises(StepFailed, match=r"rows that .* lacks"):
            archivist.run(connection, act("remove", **about()))
    archive_of(archivist).verify()


def test_an_archive_that_its_table_outgrew_is_set_aside(
    connection: Connection, archivist: Archivist
) -> None:
    archivist.run(connection, export())
    connection.execute("INSERT INTO sale VALUES (0)")
    archivist.run(connection, act("remove", **about()))
    assert archivist.inspect(connection, act("archived", **about())) is StepState.ABSENT
    assert list_archives(archivist.root) == []
    (aside,) = (archivist.root / "shop").iterdir()
    assert Archive.open(aside).manifest.proof.rows == 1000


CHANGES: tuple[tuple[LiteralString, ...], ...] = (
    ("UPDATE sale SET note = note || ' ' WHERE sale_id = 7",),
    ("UPDATE sale SET amount = trim_scale(amount) WHERE sale_id = 4",),
    ("UPDATE sale SET day = NULL WHERE sale_id = 7",),
    ("UPDATE sale SET sale_id = 8 WHERE sale_id = 7",),
    ("DELETE FROM sale WHERE sale_id = 7",),
    ("INSERT INTO sale VALUES (0)",),
    ("ALTER TABLE sale ADD COLUMN more integer",),
    # The same values in every column, but in other rows.
    (
        "UPDATE sale SET note = 'it''s a note8' WHERE sale_id = 7",
        "UPDATE sale SET note = 'it''s a note7' WHERE sale_id = 8",
    ),
)


def test_no_row_is_deleted_that_is_not_in_the_archive(
    connection: Connection, archivist: Archivist
) -> None:
    archivist.run(connection, export())
    empty = act("empty", **restoring(archive_of(archivist)))
    for statements in CHANGES:
        with connection.transaction() as transaction:
            for statement in statements:
                connection.execute(statement)
            before = rows(connection)
            with pytest.raises(StepFailed, match=r"no longer equal|other columns"):
                archivist.run(connection, empty)
            assert rows(connection) == before
            raise psycopg.Rollback(transaction)
    archivist.run(connection, empty)
    assert rows(connection) == []


def test_an_archive_of_another_table_of_this_name_is_not_taken_for_this_ones(
    connection: Connection, archivist: Archivist
) -> None:
    first, second = (
        [act(verb, **about(parent=["public", "sales"], bound="", claim=claim)) for verb in VERBS]
        for claim in ("first", "second")
    )
    archivist.run(connection, first[0])
    assert archivist.inspect(connection, first[1]) is StepState.DONE
    assert archivist.inspect(connection, second[1]) is StepState.ABSENT
    assert archivist.facts(second[0]) == {}
    with pytest.raises(StepFailed, match="already"):
        archivist.run(connection, second[0])
    archivist.run(connection, second[2])
    archive_of(archivist).verify()
    assert archivist.inspect(connection, first[1]) is StepState.DONE


@pytest.mark.parametrize("which", ["TABLE sale", "ALL TABLES", "TABLES IN SCHEMA public"])
def test_nothing_is_deleted_that_subscribers_would_lose_too(
    connection: Connection, archivist: Archivist, which: LiteralString
) -> None:
    archivist.run(connection, export())
    connection.execute("CREATE PUBLICATION told FOR " + which)
    empty = act("empty", **restoring(archive_of(archivist)))
    with pytest.raises(StepFailed, match="published \\(told\\)"):
        archivist.run(connection, empty)
    assert len(rows(connection)) == 1000
    connection.execute("DROP PUBLICATION told")
    archivist.run(connection, empty)
    assert rows(connection) == []


def test_what_was_tampered_with_is_never_used(connection: Connection, archivist: Archivist) -> None:
    archivist.run(connection, export())
    archive = archive_of(archivist)
    empty, load = (act(verb, **restoring(archive)) for verb in ("empty", "load"))
    path = archive.paths[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveDamaged, match="not what was archived"):
        archive.verify()
    with pytest.raises(StepFailed, match="not what was archived"):
        archivist.run(connection, empty)
    connection.execute("TRUNCATE sale")
    with pytest.raises(StepFailed, match="not what was archived"):
        archivist.run(connection, load)
    # Who rewrites the manifest as well does not know what the approved step says of it.
    manifest = json.loads((archive.folder / "manifest.json").read_text())
    file = manifest["files"][0]
    file["sha256"] = Archive.open(archive.folder).manifest.files[0].sha256[::-1]
    (archive.folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StepFailed, match="not the one that was proven"):
        archivist.run(connection, load)
    path.unlink()
    with pytest.raises(ArchiveDamaged):
        archive.verify()


def test_rows_are_not_restored_beside_others(connection: Connection, archivist: Archivist) -> None:
    archivist.run(connection, export())
    about_it = restoring(archive_of(archivist))
    emptied = act("emptied", **about_it)
    assert archivist.inspect(connection, emptied) is StepState.ABSENT
    archivist.run(connection, act("empty", **about_it))
    assert archivist.inspect(connection, emptied) is StepState.DONE
    connection.execute("INSERT INTO sale VALUES (0)")
    assert archivist.inspect(connection, emptied) is StepState.PARTIAL
    with pytest.raises(StepFailed, match="not empty"):
        archivist.run(connection, act("load", **about_it))
    connection.execute("DROP TABLE sale")
    assert archivist.inspect(connection, emptied) is StepState.DONE


def test_many_files_make_one_table(
    connection: Connection, archivist: Archivist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("honed.targets.postgres.archives.transfer.CHUNK_BYTES", 20_000)
    before = rows(connection)
    archivist.run(connection, export())
    archive = archive_of(archivist)
    assert len(archive.paths) > 2
    assert not list(archive.folder.glob("*.txt"))
    for verb in ("empty", "load"):
        archivist.run(connection, act(verb, **restoring(archive)))
    assert rows(connection) == before


@pytest.fixture
def archives(connection: Connection, archivist: Archivist) -> list[Archive]:
    """Return archives of two tables that were partitions of one."""
    connection.execute("CREATE TABLE sale_2 AS SELECT * FROM sale WHERE sale_id <= 10")
    connection.execute("UPDATE sale_2 SET amount = 'NaN' WHERE sale_id = 1")
    archivist.run(connection, export())
    archivist.run(connection, export("sale_2"))
    return list_archives(archivist.root)


def answer(archives: list[Archive], statement: str) -> tuple[tuple[Any, ...], ...]:
    return ask(archives, statement, 256).rows


def test_archives_answer_like_the_tables(connection: Connection, archives: list[Archive]) -> None:
    question: LiteralString = "SELECT count(*), sum(amount), max(day), min(note) FROM sale"
    (expected,) = connection.execute(question).fetchall()
    ((count, *others),) = answer(archives, question)
    assert count == expected[0]
    assert [float(others[0]), *others[1:]] == [float(expected[1]), str(expected[2]), expected[3]]
    assert answer(archives, "SELECT count(*) FROM public.sales") == ((1010,),)
    assert answer(archives, "SELECT amount FROM sale_2 WHERE sale_id < 3 ORDER BY 1") == (
        ("0.50000000000000000000",),
        ("NaN",),
    )
    named = ask(archives, "FROM sale SELECT sale_id, day, day LIMIT 1;", 256)
    assert named.columns == ("sale_id", "day", "day")


REFUSED_QUESTIONS = [
    "DELETE FROM sale",
    "CREATE TABLE other AS SELECT 1",
    "COPY sale TO '/tmp/sale.csv'",
    "SELECT 1; DROP VIEW sale",
    "ATTACH '/tmp/other.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '100GB'",
    "PRAGMA enable_progress_bar",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_text('{home}/ledger.key')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_parquet('https://127.0.0.1/x.parquet')",
    "SELECT no_such_column FROM sale",
    "SELECT 1) AS t (c); --",
    "",
    "half a sentence",
]


def test_a_question_reads_archives_and_nothing_else(
    archives: list[Archive], archivist: Archivist
) -> None:
    home = archivist.root.parent
    (home / "ledger.key").write_text("secret")
    for statement in REFUSED_QUESTIONS:
        with pytest.raises(QueryRefused):
            ask(archives, statement.replace("{home}", str(home)), 256)
    for archive in archives:
        archive.verify()
    assert {path.name for path in home.iterdir()} == {"archive", "ledger.key"}
