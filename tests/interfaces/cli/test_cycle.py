"""`honed cycle`, `honed run` and `honed worker`: the loop from the command line."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from honed.approval.policy import current_policy, write_policy
from honed.config import Autonomy, Settings
from honed.core.verdict import State
from honed.storage.db import Database
from honed.testing.commandline import CommandLine
from honed.testing.improvements import Improvements


@pytest.fixture
def quiet_url(empty_database: Callable[[], str]) -> str:
    """Return the URL of a database that honed can read, and in which nothing is to be found."""
    url = empty_database()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
    return url


def cycles(store: Database) -> list[dict[str, object]]:
    with store.transaction() as conn:
        return conn.execute("SELECT * FROM honed.cycle ORDER BY cycle_id").fetchall()


def test_a_turn_on_the_only_target_is_a_dry_run(
    cli: CommandLine, store: Database, quiet_url: str
) -> None:
    cli.text("target", "add", "shop", "--url", quiet_url)
    report = cli.json("cycle")
    assert report["cycle"]["target"] == "shop"
    assert report["cycle"]["phase"] == "finished"
    assert report["improvements"] == []
    assert cycles(store)[0]["dry_run"] is True


def test_a_turn_may_follow_at_once_although_a_timer_waits(
    cli: CommandLine, store: Database, quiet_url: str
) -> None:
    cli.text("target", "add", "shop", "--url", quiet_url)
    first, second = (cli("cycle", "shop") for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "nothing to improve was found" in second.stdout
    assert [row["phase"] for row in cycles(store)] == [
        "finished",
        "superseded",
        "finished",
        "waiting",
    ]


def test_options_are_those_of_the_cycle_alone(
    cli: CommandLine, store: Database, quiet_url: str
) -> None:
    cli.text("target", "add", "shop", "--url", quiet_url)
    done = cli(
        "cycle", "shop", "--apply", "--max-changes", "3", "--no-require-approval",
        "--target-area", "quality", "--lookback", "1.5", "--debug",
    )  # fmt: skip
    assert done.exit_code == 0
    assert "the autonomy is observe, so this is a dry run" in done.stderr
    assert '"event": "CycleStarted"' in done.stderr
    cycle = cycles(store)[0]
    assert (cycle["dry_run"], cycle["max_changes"], cycle["require_approval"]) == (False, 3, False)
    assert (cycle["target_area"], str(cycle["lookback"])) == ("quality", "1:30:00")
    policy = cli.json("status")["policy"]
    assert (policy["max_changes_per_run"], policy["require_human_approval"]) == (1, True)


def test_a_turn_leaves_the_policy_as_it_is_and_says_so(
    cli: CommandLine, store: Database, quiet_url: str
) -> None:
    cli.text("target", "add", "shop", "--url", quiet_url)
    with store.transaction() as conn:
        before = write_policy(conn, Settings(autonomy=Autonomy.SUPERVISED))
    done = cli("cycle", "shop", "--apply")
    assert done.exit_code == 0
    assert "policy 1 is in force, and not these settings: autonomy is supervised, not observe" in (
        done.stderr
    )
    assert "so this is a dry run" not in done.stderr
    with store.transaction() as conn:
        assert current_policy(conn) == before


def test_the_first_turn_on_a_store_makes_its_settings_the_policy(
    cli: CommandLine, store: Database, quiet_url: str
) -> None:
    cli.text("target", "add", "shop", "--url", quiet_url)
    cli.env["HONED_AUTONOMY"] = "supervised"
    done = cli("cycle", "shop")
    assert (done.exit_code, "is in force" in done.stderr) == (0, False)
    with store.transaction() as conn:
        assert current_policy(conn).autonomy is Autonomy.SUPERVISED


def test_which_target_must_be_clear(cli: CommandLine, quiet_url: str) -> None:
    assert "there is no target to look at" in cli.refusal("cycle")
    for name in ("shop", "stock"):
        cli.text("target", "add", name, "--url", quiet_url)
    assert "one of shop, stock" in cli.refusal("cycle")
    assert "there is no target nope" in cli.refusal("cycle", "nope")
    assert "not in the range" in cli.refusal("cycle", "shop", "--lookback", "0")
    assert "is not one of" in cli.refusal("cycle", "shop", "--target-area", "beauty")


def test_the_first_turn_knows_what_production_asked_before(
    cli: CommandLine, quiet_url: str
) -> None:
    with psycopg.connect(quiet_url, autocommit=True) as conn:
        conn.execute("CREATE TABLE part AS SELECT generate_series(1, 20000) AS size")
        for size in range(5):
            conn.execute("SELECT count(*) FROM part WHERE size > %s", (size,))
    cli.text("target", "add", "shop", "--url", quiet_url)
    assert cli("cycle", "shop", "--target-area", "features").exit_code == 0
    titles = [each["title"] for each in cli.json("finding", "list")]
    assert any("from part where size" in title.lower() for title in titles)


def test_a_target_that_is_away_is_said_at_once(cli: CommandLine, store: Database) -> None:
    cli.text("target", "add", "shop", "--url", "postgresql:///shop?host=/nowhere")
    assert "/nowhere" in cli.refusal("cycle", "shop")
    assert cycles(store) == []


def test_a_cycle_that_failed_says_why(cli: CommandLine, store: Database, quiet_url: str) -> None:
    cli.env["HONED_MAX_ATTEMPTS"] = "1"
    cli.text("target", "add", "shop", "--url", quiet_url)
    with store.transaction() as conn:
        conn.execute("REVOKE INSERT ON honed.analysis FROM honed_daemon")
    done = cli("cycle", "shop")
    assert done.exit_code == 1
    said, hint = done.stderr.splitlines()[-2:]
    assert said.startswith("honed: cycle 1 failed: dead letter 1: ")
    assert "permission denied for table analysis" in said
    assert hint == "  hint: `honed deadletter list` tells what was given up"


def test_a_worker_ends_when_nothing_is_due(
    cli: CommandLine, store: Database, quiet_url: str
) -> None:
    cli.text("target", "add", "shop", "--url", quiet_url)
    assert "the store has no policy yet" in cli.refusal("worker", "--until-idle")
    with store.transaction() as conn:
        write_policy(conn, Settings())
        conn.execute("SELECT honed.run_cycle('shop')")
    done = cli("worker", "--until-idle", "--json")
    assert done.exit_code == 0
    told = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert told == ["CycleStarted", "CycleEnded"]
    assert cycles(store)[0]["phase"] == "finished"


def test_a_worker_says_what_it_leaves_to_others(
    cli: CommandLine, store: Database, quiet_url: str
) -> None:
    cli.text("target", "add", "shop", "--url", quiet_url)
    with store.transaction() as conn:
        write_policy(conn, Settings())
        conn.execute("SELECT honed.run_cycle('shop')")
        # Another worker took it a moment ago, and has not been silent for long.
        conn.execute(
            "WITH other AS (INSERT INTO honed.procrastinate_workers DEFAULT VALUES RETURNING id)"
            " UPDATE honed.procrastinate_jobs"
            "    SET status = 'doing', worker_id = (SELECT id FROM other)"
        )
    done = cli("worker", "--until-idle")
    assert done.exit_code == 0
    assert "analyze: 1 message is with another worker and 0 are due" in done.stderr


def test_a_worker_needs_no_more_than_the_daemons_role(
    cli: CommandLine, store: Database, quiet_url: str, daemon_url: str
) -> None:
    cli.text("target", "add", "shop", "--url", quiet_url)
    with store.transaction() as conn:
        write_policy(conn, Settings())
        conn.execute("SELECT honed.run_cycle('shop')")
    cli.env["HONED_STORE_URL"] = daemon_url
    done = cli("worker", "--until-idle")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (0, "honed has ended")
    assert cycles(store)[0]["phase"] == "finished"


def test_a_worker_without_the_ledgers_key_does_not_begin(
    cli: CommandLine, improvements: Improvements, honed_home: Path
) -> None:
    improvements.create(State.PROPOSED)
    assert "copy the file ledger.key" in cli.refusal("worker", "--until-idle")
    assert not (honed_home / "ledger.key").exists()


def run_until_a_cycle_ended(cli: CommandLine) -> tuple[list[str], int, list[str]]:
    """Return what the daemon told, its exit code, and what it said beside."""
    with subprocess.Popen(
        [sys.executable, "-m", "honed", "run", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Nobody asks the target anything: its first cycle begins when the pause is over.
        env={**os.environ, **cli.env, "HONED_CYCLE_INTERVAL_S": "1"},
    ) as daemon:
        assert daemon.stdout is not None
        told = []
        for line in daemon.stdout:
            told.append(json.loads(line)["event"])
            if told[-1] == "CycleEnded":
                break
        daemon.send_signal(signal.SIGTERM)
        _, said = daemon.communicate(timeout=60)
    return told, daemon.returncode, said.splitlines()


@pytest.mark.slow
def test_the_daemon_writes_the_policy_begins_a_cycle_and_ends_when_told(
    cli: CommandLine, store: Database, quiet_url: str
) -> None:
    cli.text("target", "add", "shop", "--url", quiet_url)
    with store.transaction() as conn:
        write_policy(conn, Settings())
    cli.env["HONED_AUTONOMY"] = "limited"
    told, exit_code, said = run_until_a_cycle_ended(cli)
    assert (told, exit_code) == (["CycleStarted", "CycleEnded"], 0)
    warning, ready, over = said
    assert warning.startswith("the daemon's login postgres owns the store, so it could write")
    assert (ready, over) == ("honed runs; Ctrl-C ends it", "honed has ended")
    assert cycles(store)[0]["phase"] == "finished"
    with store.transaction() as conn:
        assert current_policy(conn).autonomy is Autonomy.LIMITED


@pytest.mark.slow
def test_the_daemon_needs_no_more_than_its_role_and_keeps_the_owners_policy(
    cli: CommandLine, store: Database, quiet_url: str, daemon_url: str
) -> None:
    cli.text("target", "add", "shop", "--url", quiet_url)
    cli.text("config", "apply")
    cli.env.update({"HONED_STORE_URL": daemon_url, "HONED_AUTONOMY": "full"})
    told, exit_code, said = run_until_a_cycle_ended(cli)
    assert (told, exit_code) == (["CycleStarted", "CycleEnded"], 0)
    policy, ready, over = said
    assert "in force, and not these settings: autonomy is observe, not full" in policy
    assert (ready, over) == ("honed runs; Ctrl-C ends it", "honed has ended")
    with store.transaction() as conn:
        assert current_policy(conn).autonomy is Autonomy.OBSERVE


def test_the_daemon_does_not_begin_without_a_policy(cli: CommandLine, daemon_url: str) -> None:
    cli.env["HONED_STORE_URL"] = daemon_url
    assert "the store has no policy yet" in cli.refusal("run")


def test_while_honed_is_stopped_a_turn_is_refused(cli: CommandLine, quiet_url: str) -> None:
    cli.text("target", "add", "shop", "--url", quiet_url)
    cli.text("stop", "--reason", "the pager rings")
    refusal = cli.refusal("cycle", "shop")
    assert refusal.startswith("postgres told honed to stop: the pager rings | `honed start`")


@pytest.mark.slow
def test_a_turn_that_is_interrupted_says_who_goes_on(
    cli: CommandLine, store: Database, quiet_url: str
) -> None:
    cli.text("target", "add", "shop", "--url", quiet_url)
    with store.transaction() as conn:
        # Another cycle of the target is at work, so this one waits for it.
        conn.execute(
            """
            INSERT INTO honed.cycle (target_id, phase)
            SELECT target_id, 'acting' FROM honed.target
            """
        )
    with subprocess.Popen(
        [sys.executable, "-m", "honed", "cycle", "shop"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **cli.env},
    ) as turn:
        assert turn.stdout is not None
        first = turn.stdout.readline()
        turn.send_signal(signal.SIGINT)
        _, said = turn.communicate(timeout=60)
    assert "analyze waits cycle 1 of this target is at work" in first
    assert turn.returncode == 1
    assert said.splitlines() == [
        "honed: cycle 2 is waiting and was left",
        "  hint: `honed run` or `honed worker` goes on with it",
    ]
