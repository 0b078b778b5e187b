"""`honed store`: migrated on demand, and who may do what in it."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg

from honed.storage.db import Database
from honed.storage.server import Server
from honed.testing.commandline import CommandLine


def test_a_store_elsewhere_is_migrated_on_demand(
    empty_database: Callable[[], str], honed_home: Path
) -> None:
    cli = CommandLine({"HONED_STORE_URL": empty_database(), "HONED_HOME": str(honed_home)})
    assert "run `honed store migrate`" in cli.refusal("store", "status")
    applied = cli.json("store", "migrate")["applied"]
    assert applied[0] == "0001_create_clock_and_roles"
    assert cli.json("store", "migrate")["applied"] == []
    assert f"{len(applied)}, the last is {applied[-1]}" in cli.text("store", "status")


def test_the_store_says_how_psql_reaches_it(cli: CommandLine, postgres_server: Server) -> None:
    program, *arguments = shlex.split(cli.json("store", "status")["psql"])
    assert " ".join((program, *arguments)) in cli.text("store", "status")
    done = subprocess.run(
        [postgres_server.program(program), *arguments, "-Atc", "SELECT count(*) FROM honed.policy"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0\n"


def test_the_members_of_each_role_are_named(cli: CommandLine, store: Database) -> None:
    with psycopg.connect(store.url, autocommit=True) as conn:
        conn.execute("CREATE ROLE alice_of_cli LOGIN")
        try:
            conn.execute("GRANT honed_operator TO alice_of_cli")
            logins = {each["name"]: each["logins"] for each in cli.json("store", "roles")}
        finally:
            conn.execute("DROP ROLE alice_of_cli")
    assert "alice_of_cli" in logins["honed_operator"]
    # An operator may all that a viewer may.
    assert "alice_of_cli" in logins["honed_viewer"]
    assert "alice_of_cli" not in logins["honed_approver"]


def test_the_embedded_store_starts_and_stops_with_the_command(honed_home: Path) -> None:
    cli = CommandLine({"HONED_HOME": str(honed_home)})
    assert cli.json("store", "status")["data_dir"] == str(honed_home / "store")
    assert not Server(honed_home / "store").is_running()
