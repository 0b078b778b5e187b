import pytest

from honed.targets.postgres.texts import LONGEST_PARSED, StatementText


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("SELECT * FROM orders WHERE day > $1", "select"),
        ("  -- why\n/* what */ (SELECT 1 FROM orders)", "select"),
        ("WITH o AS (SELECT * FROM orders) SELECT count(*) FROM o", "select"),
        ("SELECT * FROM a UNION ALL SELECT * FROM b", "select"),
        ("SELECT report($1)", "select"),
        ("SELECT * FROM orders WHERE order_id = $1 FOR UPDATE SKIP LOCKED", "update"),
        ("WITH gone AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM gone", "delete"),
        ("INSERT INTO orders SELECT * FROM orders", "insert"),
        ("UPDATE orders SET state = $1", "update"),
        ("DELETE FROM orders", "delete"),
        (
            "MERGE INTO orders o USING a ON a.id = o.id WHEN MATCHED THEN DELETE",
            "merge",
        ),
        ("SELECT * INTO copy FROM orders", "utility"),
        ("CREATE INDEX ON orders (day)", "utility"),
        ("SET work_mem = '1GB'", "utility"),
        ("EXPLAIN SELECT 1", "utility"),
        ("BEGIN", "utility"),
        ("", "utility"),
        ("SELECT relname FROM pg_catalog.pg_class", "own"),
        ("SELECT * FROM pg_stat_activity", "own"),
        ("SELECT set_config($1, $2, $3)", "own"),
        ("SELECT $1", "own"),
        ("SELECT * FROM orders /* honed */", "own"),
    ],
)
def test_a_statement_is_of_the_sort_of_what_it_does(text: str, sort: str) -> None:
    assert StatementText.parse(text).sort() == sort


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("SELECT ((((", "select"),
        ("WITH gone AS (((( DELETE FROM orders", "delete"),
        ("UPDATE ((((", "update"),
        ("SELECT * FROM orders WHERE day IN (" + "1, " * LONGEST_PARSED + "1)", "select"),  # noqa: S608 - it is parsed, never run
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000 + " FROM orders", "select"),
    ],
)
def test_what_the_parser_does_not_understand_is_told_by_its_words(text: str, sort: str) -> None:
    assert StatementText.parse(text).sort() == sort


def test_names_that_a_statement_defines_itself_are_no_tables() -> None:
    statement = StatementText.parse("WITH o AS (SELECT * FROM orders) SELECT * FROM o JOIN app.o b")
    named = sorted((table.db, table.name) for table in statement.tables())
    assert named == [("", "orders"), ("app", "o")]
