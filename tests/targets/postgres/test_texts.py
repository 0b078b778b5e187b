import pytest

from honed.targets.postgres.texts import LONGEST_PARSED, StatementText, without_constants


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


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("SELECT * FROM a WHERE b = 'it''s' AND c=17", "SELECT * FROM a WHERE b = $1 AND c=$2"),
        ("SELECT $1 + 4, $3 - 5", "SELECT $1 + $4, $3 - $5"),
        (r"SELECT E'it\'s', U&'d\0061t', B'01', x'1F', n'x'", "SELECT $1, $2, $3, $4, $5"),
        ("SELECT $$it's$$, $tag$a $$ b$tag$ FROM t", "SELECT $1, $2 FROM t"),
        ("SELECT 1.5, .5, 1., 1e10, 2.5E-3, 0xFF, 1_000", "SELECT $1, $2, $3, $4, $5, $6, $7"),
        ('SELECT a1, t2.b3, "it\'s 5", "a""4" FROM t2', None),
        ("SELECT a$1 FROM t", None),
        ("SELECT date '2020-02-02', interval '1 day'", "SELECT date $1, interval $2"),
        (
            "SELECT a -- of 4711\nFROM t /* for 'bob' /* 2 */ */ WHERE b",
            "SELECT a  \nFROM t   WHERE b",
        ),
        ("/*+ SeqScan(t) */ SELECT a FROM t /* honed */", None),
        ("SELECT a FROM t WHERE b IN ($1 /*, ... */)", None),
        ("SELECT a FROM t WHERE b = 'cut o", "SELECT a FROM t WHERE b = $1"),
        ("SELECT a FROM t /* cut o", "SELECT a FROM t"),
        (r"SELECT E'cut\\", "SELECT $1"),
        ("SELECT $a$cut o", "SELECT $1"),
        ("", None),
    ],
)
def test_a_text_without_constants_is_the_same_but_for_them(text: str, clean: str | None) -> None:
    assert without_constants(text) == (text if clean is None else clean)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("SELECT a, b::varchar(10) FROM t WHERE c = $1 ORDER BY 2", None),
        ("SELECT a FROM t WHERE card = 4111111111111111", "SELECT a FROM t WHERE card = $1"),
        ("SELECT a FROM t WHERE mail = 'bob@example.com'", "SELECT a FROM t WHERE mail = $1"),
    ],
)
def test_what_the_server_forgot_to_normalise_is(text: str, clean: str | None) -> None:
    assert without_constants(text, is_normalised=True) == (text if clean is None else clean)


@pytest.mark.parametrize("quote", ["'", '"', "$$", "/*", "E'", "--"])
def test_a_long_text_is_freed_of_constants_at_once(quote: str) -> None:
    assert len(without_constants("SELECT " + f"{quote} x 1 " * 100_000)) < 1_500_000


@pytest.mark.parametrize(
    ("text", "is_named"),
    [
        ("UPDATE orders SET state = $1", True),
        ("DELETE FROM app.orders", True),
        ("INSERT INTO other.orders VALUES ($1)", False),
        ("INSERT INTO orders_old SELECT * FROM app.orders", True),
        ("INSERT INTO orders_old VALUES ($1)", False),
        ("COPY orders FROM STDIN", False),
    ],
)
def test_a_statement_names_its_tables(text: str, is_named: bool) -> None:  # noqa: FBT001 - a case
    assert StatementText.parse(text).names_any({("app", "orders")}) is is_named
