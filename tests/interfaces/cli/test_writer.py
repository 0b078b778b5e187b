"""`honed writer`: the SQL of the register, and who is in it."""

from collections.abc import Callable

import psycopg
import pytest

from honed.targets.postgres.batches.writers import size_step
from honed.testing.commandline import CommandLine


@pytest.fixture
def shop_url(cli: CommandLine, empty_database: Callable[[], str]) -> str:
    url = empty_database()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute('CREATE TABLE "Part" (size integer)')
    cli.json("target", "add", "shop", "--url", url)
    return url


def added(cli: CommandLine, *options: str) -> str:
    words = ("writer", "add", "parts", "--target", "shop", "--table", 'public."Part"')
    return cli.text(*words, *options)


def test_the_sql_of_a_writer_runs_as_printed_and_again(cli: CommandLine, shop_url: str) -> None:
    assert "no writers are registered" in cli.text("writer", "list", "--target", "shop")
    with psycopg.connect(shop_url, autocommit=True) as conn:
        conn.execute(added(cli, "--batch-size", "10").encode())
        assert conn.execute("SELECT honed.batch_size('parts')").fetchone() == (10,)
        conn.execute(added(cli, "--batch-size", "20", "--max", "50").encode())
        assert conn.execute("SELECT honed.batch_size('parts')").fetchone() == (20,)
        assert conn.execute("SELECT honed.batch_size('nobody')").fetchone() == (None,)
    (writer,) = cli.json("writer", "list", "--target", "shop")
    assert writer == {
        "name": "parts",
        "relation": 'public."Part"',
        "batch_size": 20,
        "least": 1,
        "most": 50,
        "may_change": True,
    }
    assert "parts" in cli.text("writer", "list", "--target", "shop")


def test_the_acting_role_may_change_the_size_and_nothing_else(
    cli: CommandLine, empty_database: Callable[[], str]
) -> None:
    url = empty_database()
    act_url = url.replace("postgres@", "acts_on_writers@")
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE ROLE acts_on_writers LOGIN")
        conn.execute('CREATE TABLE "Part" (size integer)')
        try:
            cli.json("target", "add", "shop", "--url", url, "--act-url", act_url)
            conn.execute(added(cli, "--batch-size", "10").encode())
            (writer,) = cli.json("writer", "list", "--target", "shop")
            assert writer["may_change"]
            step = size_step("parts", before=10, after=40)
            with psycopg.connect(act_url, autocommit=True) as acting:
                acting.execute(step.do[0].encode())
                assert acting.execute("SELECT honed.batch_size('parts')").fetchone() == (40,)
                for change in ("most = 9", "relation = 'other'", "name = 'other'"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        acting.execute(b"UPDATE honed.writer SET " + change.encode())
                acting.execute(step.undo[0].encode())
                with pytest.raises(psycopg.errors.CheckViolation):
                    acting.execute(size_step("parts", before=10, after=20_000).do[0].encode())
            assert conn.execute("SELECT honed.batch_size('parts')").fetchone() == (10,)
            conn.execute("REVOKE UPDATE (batch_size) ON honed.writer FROM acts_on_writers")
            assert "no" in cli.text("writer", "list", "--target", "shop").split()
        finally:
            conn.execute("DROP OWNED BY acts_on_writers")
            conn.execute("DROP ROLE acts_on_writers")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--batch-size", "0"), "0 is not between 1 and 10000"),
        (("--batch-size", "60", "--max", "50"), "60 is not between 1 and 50"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(
    cli: CommandLine, shop_url: str, options: tuple[str, ...], words: str
) -> None:
    del shop_url
    command = ("writer", "add", "parts", "--target", "shop", "--table", "part")
    assert words in cli.refusal(*command, *options)
