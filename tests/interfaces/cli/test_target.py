"""`honed target`: the registry, the SQL of the roles, and whether a target can be read."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from honed.storage.db import Database
from honed.testing.commandline import CommandLine
from honed.testing.repositories import Checkout
from honed.testing.sender import sending


@pytest.fixture
def shop_url(empty_database: Callable[[], str]) -> str:
    url = empty_database()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE TABLE part (size integer)")
    return url


def test_a_target_is_added_shown_listed_and_removed(cli: CommandLine, shop_url: str) -> None:
    added = cli.json("target", "add", "shop", "--url", shop_url, "--search-path", "app")
    assert added["target"]["options"] == {"search_path": "app"}
    assert cli.json("target", "show", "shop") == added["target"]
    assert [each["name"] for each in cli.json("target", "list")] == ["shop"]
    assert shop_url in cli.text("target", "show", "shop")
    cli.text("target", "remove", "shop")
    assert cli.json("target", "list") == []
    assert "there are no targets" in cli.text("target", "list")


def test_the_sql_of_the_roles_runs_as_printed(cli: CommandLine, shop_url: str) -> None:
    with psycopg.connect(shop_url, autocommit=True) as conn:
        conn.execute("CREATE ROLE shop_owner_of_cli")
        conn.execute("ALTER TABLE part OWNER TO shop_owner_of_cli")
        urls = (
            "--url", shop_url.replace("postgres@", "looks_of_cli@"),
            "--act-url", shop_url.replace("postgres@", "acts_of_cli@"),
        )  # fmt: skip
        try:
            conn.execute(cli.text("target", "add", "both", *urls))
            seen = cli.json("target", "check", "both")
            assert (seen["may_change"], seen["why_not"], seen["warning"]) == (True, "", "")
            conn.execute(cli.text("target", "add", "both", *urls, "--sql"))
        finally:
            conn.execute("DROP OWNED BY looks_of_cli, acts_of_cli")
            conn.execute("DROP ROLE looks_of_cli, acts_of_cli")
            conn.execute("DROP OWNED BY shop_owner_of_cli CASCADE")
            conn.execute("DROP ROLE shop_owner_of_cli")


def test_sql_alone_stores_nothing(cli: CommandLine) -> None:
    sql = cli.text("target", "add", "shop", "--sql")
    assert 'CREATE ROLE "honed_observe_shop" LOGIN' in sql
    assert 'CREATE ROLE "honed_act_shop" LOGIN' in sql
    assert 'GRANT CONNECT ON DATABASE "shop"' in sql
    assert cli.json("target", "list") == []


def test_a_target_without_the_extension_is_refused_with_what_to_do(
    cli: CommandLine, shop_url: str
) -> None:
    cli.text("target", "add", "shop", "--url", shop_url)
    refusal = cli.refusal("target", "check", "shop")
    assert "pg_stat_statements is not installed" in refusal
    assert "CREATE EXTENSION pg_stat_statements" in refusal


def test_a_target_that_honed_may_not_change_says_why(cli: CommandLine, shop_url: str) -> None:
    with psycopg.connect(shop_url, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
        conn.execute("CREATE ROLE stranger_of_cli LOGIN")
    stranger = shop_url.replace("postgres@", "stranger_of_cli@")
    try:
        cli.text("target", "add", "shop", "--url", shop_url, "--act-url", stranger)
        done = cli("target", "check", "shop", "--json")
        assert done.exit_code == 1
        assert "may not change the table part" in json.loads(done.stdout)["why_not"]
        done = cli("target", "check", "shop")
        assert done.exit_code == 1
        assert "no: the acting role may not change the table part" in done.stdout
        assert "hint: `honed target add shop --sql`" in done.stderr
    finally:
        with psycopg.connect(shop_url, autocommit=True) as conn:
            conn.execute("DROP ROLE stranger_of_cli")


def test_a_target_that_is_only_looked_at_passes_with_a_warning_about_a_superuser(
    cli: CommandLine, shop_url: str
) -> None:
    with psycopg.connect(shop_url, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
    cli.text("target", "add", "shop", "--url", shop_url)
    assert "no: it has no URL for changing it" in cli.text("target", "check", "shop")
    assert "the observing role is a superuser" in cli.text("target", "check", "shop")


def test_a_login_that_is_refused_is_answered_by_what_helps(cli: CommandLine, shop_url: str) -> None:
    nobody = shop_url.replace("postgres@", "nobody_of_cli@")
    cli.text("target", "add", "shop", "--url", nobody)
    assert "prints the SQL that creates both roles" in cli.refusal("target", "check", "shop")
    cli.text("target", "add", "moved", "--url", f"{shop_url.replace('/test_', '/gone_')}")
    assert "correct the database's name" in cli.refusal("target", "check", "moved")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("target", "show", "nope"), "there is no target nope"),
        (("target", "remove", "nope"), "there is no target nope"),
        (("target", "check", "nope"), "there is no target nope"),
        (("target", "add", "shop"), "Missing option '--url'"),
        (("target", "add", "shop", "--url", "postgresql://u:pw@h/db"), "HONED_TARGET_SHOP_PASSWO"),
        (("target", "add", "shop", "--url", "::"), "not a URL of PostgreSQL"),
        (("target", "add", "shop", "--url", "::"), "the form is postgresql://"),
        (("target", "add", "shop", "--url", "https://host/a.git"), "--sort repository"),
        (("target", "add", "shop", "--url", "git@host:shop/cart"), "--sort repository"),
        (("target", "add", "Shop!", "--url", "postgresql:///x"), "is no name for a target"),
        (("target", "add", "Shop!", "--sql"), "is no name for a target"),
    ],
)
def test_what_cannot_be_is_refused(
    cli: CommandLine, arguments: tuple[str, ...], words: str
) -> None:
    assert words in cli.refusal(*arguments)


def test_a_password_is_never_repeated(cli: CommandLine, store: Database) -> None:
    done = cli("target", "add", "shop", "--url", "postgresql://u:secretword@h/db")
    assert "secretword" not in done.output
    with store.transaction() as conn:
        assert conn.execute("SELECT FROM honed.target").fetchall() == []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "cart")
    made.commit({"tests/test_cart.py": b"def test_it():\n    assert True\n"})
    return made


def test_a_repository_is_added_with_the_branch_that_it_has(
    cli: CommandLine, checkout: Checkout
) -> None:
    url = str(checkout.folder)
    added = cli.json(
        *("target", "add", "cart", "--sort", "repository", "--url", url, "--act-url", url),
        *("--test", "tests", "--project", "shop"),
    )
    record = added["target"]
    assert (record["sort"], record["observe_url"], record["act_url"]) == ("repository", url, url)
    assert record["options"] == {"tests": ["tests"], "branch": "main", "project": "shop"}
    assert cli.json("target", "show", "cart") == record
    seen = cli.json("target", "check", "cart")
    assert (seen["branch"], seen["forge"], seen["why_not"]) == ("main", "local", "")
    assert seen["commit"] == checkout.git("rev-parse", "main")
    (said,) = [each for each in cli.json("doctor") if each["name"] == "target cart"]
    assert said["status"] == "ok"
    assert "-m pytest tests" in cli.text("target", "check", "cart")


def test_a_folder_that_is_named_from_here_is_found_from_elsewhere(
    cli: CommandLine, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout.folder.parent)
    words = ("target", "add", "cart", "--sort", "repository", "--url", "cart", "--act-url", "cart")
    record = cli.json(*words)["target"]
    assert record["observe_url"] == record["act_url"] == str(checkout.folder)


def test_a_repository_without_a_way_to_change_it_is_said_so(
    cli: CommandLine, checkout: Checkout
) -> None:
    words = ("--sort", "repository", "--url", str(checkout.folder), "--project", "chart")
    said = cli.text("target", "add", "cart", *words)
    assert "nothing is proposed" in said
    assert "there is no project chart yet: `honed project add chart` makes it" in said
    assert cli.json("target", "check", "cart")["forge"] == ""
    (seen,) = [each for each in cli.json("doctor") if each["name"] == "target cart"]
    assert (seen["status"], seen["fix"]) == ("warn", "add it again with --act-url")


def test_a_folder_of_git_is_known_where_a_database_was_asked_for(
    cli: CommandLine, checkout: Checkout
) -> None:
    refused = cli.refusal("target", "add", "cart", "--url", str(checkout.folder))
    assert "not a URL of PostgreSQL" in refused
    assert "--sort repository" in refused


def test_a_repository_without_commits_is_said_to_have_none(
    cli: CommandLine, tmp_path: Path
) -> None:
    url = str(Checkout(tmp_path / "empty").folder)
    words = ("target", "add", "cart", "--sort", "repository", "--url", url)
    assert "has no commits yet" in cli.refusal(*words)


def test_a_test_that_the_branch_does_not_have_fails_the_check(
    cli: CommandLine, checkout: Checkout
) -> None:
    add = ("--sort", "repository", "--url", str(checkout.folder))
    named = {"tests": True, "./tests/": True, "tests/test_cart.py::test_it": True, "nope.py": False}
    for name, is_there in named.items():
        cli.text("target", "add", "cart", *add, "--test", name)
        if is_there:
            cli.text("target", "check", "cart")
        else:
            refused = cli.refusal("target", "check", "cart")
            assert "the branch main of cart has no nope.py" in refused
            assert "another --test" in refused
        cli.text("target", "remove", "cart")


def test_a_repository_without_tests_is_warned_of(cli: CommandLine, tmp_path: Path) -> None:
    made = Checkout(tmp_path / "cart")
    made.commit({"cart.py": b"SIZE = 1\n"})
    url = str(made.folder)
    cli.text("target", "add", "cart", "--sort", "repository", "--url", url, "--act-url", url)
    assert "no file of it is called like a test" in cli.text("target", "check", "cart")
    (seen,) = [each for each in cli.json("doctor") if each["name"] == "target cart"]
    assert seen["status"] == "warn"
    assert "no file of it is called like a test" in seen["seen"]
    made.commit({"test_cart.py": b""})
    assert cli.json("target", "check", "cart")["warning"] == ""


def test_a_project_of_two_repositories_is_warned_of_at_once(
    cli: CommandLine, checkout: Checkout, store: Database
) -> None:
    words = ("--sort", "repository", "--url", str(checkout.folder), "--project", "shop")
    with sending(store) as sender:
        sender.event(exception={"values": [{"type": "KeyError", "value": "'pen'"}]})
    assert "the project shop has sent exceptions" in cli.text("target", "add", "cart", *words)
    said = cli.text("target", "add", "till", *words)
    assert "the project shop is of cart, too" in said
    assert "`honed target remove NAME` takes one away" in said
    checks = [each for each in cli.json("doctor") if each["name"].startswith("signals of")]
    assert [each["status"] for each in checks] == ["warn", "warn"]
    cli.text("target", "remove", "till")
    assert "the project shop has sent exceptions" in cli.text("target", "show", "cart")


def test_whose_exceptions_a_repository_hears_of_is_said(
    cli: CommandLine, checkout: Checkout, store: Database
) -> None:
    add = ("target", "add", "cart", "--sort", "repository", "--url", str(checkout.folder))
    assert "it hears of no exceptions" in cli.text(*add)
    assert "no project's exceptions" in cli.text("target", "show", "cart")
    cli.text("target", "remove", "cart")
    cli.text("project", "add", "chart")
    said = cli.text(*add, "--project", "chrat")
    assert "there is no project chrat yet (is it chart?)" in said
    (check,) = [each for each in cli.json("doctor") if each["name"] == "signals of cart"]
    assert (check["status"], check["fix"]) == ("warn", "`honed project add chrat` makes it")
    cli.text("project", "add", "linked", "--target", "cart")
    assert "the project linked has sent no exception yet" in cli.text("target", "show", "cart")
    cli.text("target", "remove", "cart")
    with sending(store) as sender:
        assert "shop has sent no exception yet" in cli.text(*add, "--project", "shop")
        sender.event(exception={"values": [{"type": "KeyError", "value": "'pen'"}]})
    assert "the project shop has sent exceptions" in cli.text("target", "show", "cart")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--url", "https://ada:secret@example.org/cart"], "holds a password"),
        (["--url", "/nowhere/at/all"], "cannot be read"),
        ([], "Missing option '--url'"),
    ],
)
def test_a_repository_that_cannot_be_read_is_not_added(
    cli: CommandLine, options: list[str], words: str
) -> None:
    done = cli("target", "add", "cart", "--sort", "repository", *options)
    assert done.exit_code != 0
    assert words in done.stderr
    assert "secret" not in done.stderr
    assert cli.json("target", "list") == []


def test_a_repository_names_the_database_that_it_asks(cli: CommandLine, checkout: Checkout) -> None:
    words = ("target", "add", "cart", "--sort", "repository", "--url", str(checkout.folder))
    refused = cli(*words, "--database", "carts")
    assert refused.exit_code != 0
    assert "there is no target carts" in refused.stderr
    cli.text("target", "add", "carts", "--url", "postgresql:///carts?host=/nowhere")
    record = cli.json(*words, "--database", "carts")["target"]
    assert record["options"] == {"branch": "main", "database": "carts"}


def test_what_is_of_repositories_is_refused_for_databases(cli: CommandLine) -> None:
    done = cli("target", "add", "shop", "--url", "postgresql://a@b/c", "--branch", "main")
    assert done.exit_code == 2
    assert "are of repositories" in done.stderr
