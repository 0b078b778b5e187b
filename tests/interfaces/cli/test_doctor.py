"""`honed doctor`: what is missing is named, with what to do."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from honed.config import Settings
from honed.core.verdict import State
from honed.ledger.keys import Signer
from honed.sandbox.probe import probe
from honed.storage.db import Database
from honed.testing.commandline import CommandLine
from honed.testing.improvements import Improvements


def checks(cli: CommandLine) -> dict[str, Any]:
    done = cli("doctor", "--json")
    assert done.exit_code in {0, 1}
    return {check["name"]: check for check in json.loads(done.stdout)}


def test_a_machine_with_everything_passes(
    cli: CommandLine,
    empty_database: Callable[[], str],
    daemon_url: str,
) -> None:
    url = empty_database()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
        conn.execute("CREATE ROLE doctor_observer LOGIN IN ROLE pg_monitor, pg_read_all_data")
    observer = url.replace("postgres@", "doctor_observer@")
    cli.text("target", "add", "shop", "--url", observer, "--act-url", url)
    cli.env["HONED_STORE_URL"] = daemon_url
    try:
        found = checks(cli)
        # A machine may have everything but this; tests/sandbox says what it has to hold.
        assert found.pop("sandbox")["status"] == ("ok" if probe().is_safe else "warn")
        assert {check["status"] for check in found.values()} == {"ok"}
        assert "ok   store: PostgreSQL" in cli.text("doctor")
    finally:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("DROP ROLE doctor_observer")


def test_a_target_that_cannot_be_changed_as_its_url_says_fails(
    cli: CommandLine, empty_database: Callable[[], str]
) -> None:
    url = empty_database()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
    cli.text("target", "add", "looks", "--url", url)
    nobody = url.replace("postgres@", "nobody_of_doctor@")
    cli.text("target", "add", "acts", "--url", url, "--act-url", nobody)
    found = checks(cli)
    assert (found["target looks"]["status"], found["target acts"]["status"]) == ("warn", "fail")
    assert "does not exist" in found["target acts"]["seen"]
    assert "prints the SQL that creates both roles" in found["target acts"]["fix"]


def test_rows_that_a_conversion_left_half_way_would_refuse_are_told(
    cli: CommandLine, empty_database: Callable[[], str]
) -> None:
    url = empty_database()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
        conn.execute('CREATE TABLE "Event" (day int, CHECK (day < 9))')
        conn.execute('ALTER TABLE "Event" ADD CONSTRAINT "Event_honed_cut" CHECK (day < 7)')
    cli.text("target", "add", "shop", "--url", url)
    (check,) = (check for name, check in checks(cli).items() if name.startswith("promise"))
    assert check["status"] == "warn"
    assert 'public."Event" takes only rows of CHECK ((day < 7))' in check["seen"]
    remedy = check["fix"].rpartition("else: ")[2]
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(remedy.encode())
    assert not any(name.startswith("promise") for name in checks(cli))


def test_what_is_missing_is_named_with_what_to_do(
    cli: CommandLine, empty_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    cli.text("target", "add", "shop", "--url", empty_database())
    cli.text("stop", "--reason", "the pager rings")
    found = checks(cli)
    assert found["switch"]["status"] == "warn"
    assert "the pager rings" in found["switch"]["seen"]
    assert found["sandbox"]["status"] == "warn"
    assert "install bubblewrap" in found["sandbox"]["fix"]
    assert found["target shop"]["status"] == "fail"
    assert "CREATE EXTENSION pg_stat_statements" in found["target shop"]["fix"]
    assert cli("doctor").exit_code == 1


def test_a_store_that_does_not_answer_is_one_failed_check(honed_home: Path) -> None:
    url = "postgresql:///store?host=/nowhere"
    cli = CommandLine({"HONED_STORE_URL": url, "HONED_HOME": str(honed_home)})
    found = checks(cli)
    assert found["store"]["status"] == "fail"
    assert "store_url" in found["store"]["fix"]
    assert found["postgresql programs"]["status"] == "ok"


def test_checkpoints_beside_an_embedded_store_are_said(honed_home: Path, tmp_path: Path) -> None:
    cli = CommandLine({"HONED_HOME": str(honed_home)})
    found = checks(cli)
    assert "store_url" in found["login"]["fix"]
    check = found["checkpoints"]
    assert check["status"] == "warn"
    assert "checkpoint_file" in check["fix"]
    cli.env["HONED_CHECKPOINT_FILE"] = str(tmp_path / "checkpoints")
    assert checks(cli)["checkpoints"]["status"] == "ok"
    cli.env["HONED_CHECKPOINT_FILE"] = str(tmp_path / "not mounted" / "checkpoints")
    check = checks(cli)["checkpoints"]
    assert (check["status"], "there is no folder" in check["seen"]) == ("fail", True)


def test_checkpoints_that_should_be_there_are_missed(
    cli: CommandLine, improvements: Improvements, honed_home: Path
) -> None:
    key = Signer.load_or_create(Settings(home=honed_home).key_file)
    past = replace(improvements.store, fake_now=datetime.now(UTC) - timedelta(hours=2))
    replace(improvements, store=past, signer=key).create(State.PROPOSED)
    check = checks(cli)["checkpoints"]
    assert (check["status"], "holds no checkpoints" in check["seen"]) == ("fail", True)
    cli.text("ledger", "checkpoint")
    assert checks(cli)["checkpoints"]["status"] == "ok"


def test_a_login_that_may_more_than_a_daemon_needs_is_found(
    cli: CommandLine, store: Database, daemon_url: str
) -> None:
    check = checks(cli)["login"]
    assert (check["status"], "postgres owns the store" in check["seen"]) == ("warn", True)
    assert "honed_daemon alone" in check["fix"]
    with store.transaction() as conn:
        conn.execute("GRANT honed_approver TO dora_of_cli")
    cli.env["HONED_STORE_URL"] = daemon_url
    check = checks(cli)["login"]
    assert (check["status"], "could approve" in check["seen"]) == ("warn", True)


def test_wrong_programs_are_found(cli: CommandLine, tmp_path: Path) -> None:
    cli.env["HONED_POSTGRES_BIN"] = str(tmp_path)
    check = checks(cli)["postgresql programs"]
    assert check["status"] == "fail"
    assert "postgres_bin" in check["fix"]


def test_a_key_that_others_may_read_is_found(cli: CommandLine, honed_home: Path) -> None:
    assert checks(cli)["ledger key"]["status"] == "ok"
    key_file = Settings(home=honed_home).key_file
    Signer.load_or_create(key_file)
    assert checks(cli)["ledger key"]["status"] == "ok"
    key_file.chmod(0o644)
    check = checks(cli)["ledger key"]
    assert check["status"] == "fail"
    assert "chmod 600" in check["fix"]


def test_a_ledger_of_another_key_is_found(
    cli: CommandLine, improvements: Improvements, honed_home: Path
) -> None:
    assert checks(cli)["ledger"]["seen"] == "it has no entries yet"
    improvements.create(State.PROPOSED)
    check = checks(cli)["ledger"]
    assert check["status"] == "fail"
    assert str(honed_home / "ledger.key") in check["fix"]
    Signer.load_or_create(honed_home / "ledger.key")
    check = checks(cli)["ledger"]
    assert (check["status"], "another key" in check["seen"]) == ("fail", True)


def test_a_misspelt_variable_is_found(cli: CommandLine) -> None:
    cli.env.update({"HONED_TARGET_SHOP_PASSWORD": "x"})
    assert checks(cli)["environment"]["status"] == "ok"
    cli.env["HONED_AUTONMY"] = "full"
    check = checks(cli)["environment"]
    assert (check["status"], check["fix"]) == ("warn", "is it HONED_AUTONOMY?")
    del cli.env["HONED_AUTONMY"]
    cli.env["HONED_TARGET_AREAS"] = "performance"
    check = checks(cli)["environment"]
    assert (check["status"], check["fix"]) == ("warn", "is it HONED_TARGET_AREA?")


def test_a_password_of_no_target_is_found(
    cli: CommandLine, empty_database: Callable[[], str]
) -> None:
    cli.text("target", "add", "shop", "--url", empty_database())
    cli.env.update({"HONED_TARGET_SHOP_ACT_PASSWORD": "x"})
    assert checks(cli)["passwords"]["status"] == "ok"
    cli.env.update({"HONED_TARGET_SHOPP_PASSWORD": "x"})
    check = checks(cli)["passwords"]
    assert (check["status"], check["fix"]) == ("warn", "is it HONED_TARGET_SHOP_PASSWORD?")


def test_a_wrong_setting_is_one_failed_check(cli: CommandLine) -> None:
    cli.env["HONED_WATCH_INTERVALS"] = "3"
    found = checks(cli)
    assert found["settings"]["status"] == "fail"
    assert "watch_intervals (HONED_WATCH_INTERVALS)" in found["settings"]["seen"]
    assert found["environment"]["status"] == "ok"
    assert cli("doctor").exit_code == 1


def test_the_language_model_is_told_without_asking_it(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(**env: str) -> Any:
        cli.env.update({f"HONED_LLM_{name.upper()}": value for name, value in env.items()})
        return checks(cli)["language model"]

    assert "none is named" in seen()["seen"]
    half = seen(provider="anthropic")
    assert (half["status"], half["fix"]) == ("warn", "name it as its provider does")
    missing = seen(model="claude-haiku-4-5", key_variable="KEY_OF_DOCTOR")
    assert "there is no variable KEY_OF_DOCTOR" in missing["seen"]
    monkeypatch.setenv("KEY_OF_DOCTOR", "sk-ant-something")
    found = seen()
    assert found["status"] == "ok"
    assert found["seen"] == (
        "claude-haiku-4-5 of anthropic, the key is in KEY_OF_DOCTOR, 2.00 of 2.00 USD are left"
        " today; whether it answers is not tried"
    )
    assert "today's budget is spent" in seen(budget_usd_day="0")["seen"]
    assert "what own-1 of anthropic costs is not known" in seen(model="own-1")["seen"]
    assert "recordings alone answer; there are 0" in seen(mode="replay")["seen"]
