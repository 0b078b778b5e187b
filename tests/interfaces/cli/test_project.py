"""`honed project` and `honed intake`: who may send, by which address, and what came."""

import pytest

from honed.config import Settings
from honed.core.intake import Taken
from honed.core.privacy import Scrubber
from honed.core.signal import Signal, SignalType
from honed.signals.pipeline import Pipeline
from honed.signals.projects import add_project
from honed.storage.db import Database
from honed.storage.store import INTAKE, Store
from honed.testing.commandline import CommandLine


@pytest.fixture
def sent(store: Database) -> None:
    """Let something have been sent today."""
    with store.transaction() as conn:
        project = add_project(conn, "shop")
    with Pipeline(Store(store).database(INTAKE), Settings(), Scrubber(b"key")) as pipeline:
        signals = tuple(
            Signal(SignalType.FEEDBACK, "/cart", pipeline.now(), body={"text": "slow"})
            for _ in range(3)
        )
        pipeline.store_now(project, "feedback", Taken(signals, {"empty": 2}))
        pipeline.refused(project.project_id, "feedback", "malformed")
        pipeline.refused(0, "retired", "no_key")


def test_a_project_is_added_with_the_address_to_send_to(cli: CommandLine) -> None:
    added = cli("project", "add", "shop")
    (listed,) = cli.json("project", "list")
    assert added.stdout.strip() == listed["dsn"]
    key = listed["public_key"]
    assert listed["dsn"] == f"http://{key}@127.0.0.1:8340/{listed['project_id']}"
    assert key in added.stderr
    assert "shop" in cli.text("project", "list")


def test_an_odd_name_is_refused(cli: CommandLine) -> None:
    assert "no name for a project | use lower-case" in cli.refusal("project", "add", "My Shop")
    assert "no target cart | `honed target list`" in cli.refusal(
        "project", "add", "shop", "--target", "cart"
    )
    assert cli.json("project", "list") == []
    assert "there are no projects" in cli.text("project", "list")


def test_a_project_is_disabled_and_enabled(cli: CommandLine) -> None:
    cli.json("project", "add", "shop")
    assert "nothing is taken from shop any more" in cli.text("project", "disable", "shop")
    assert cli.json("project", "list")[0]["disabled_at"]
    assert "are taken" in cli.text("project", "enable", "shop")
    assert cli.json("project", "enable", "shop")["disabled_at"] is None
    assert "no project cart | `honed project list`" in cli.refusal("project", "disable", "cart")


def test_the_status_names_every_source(cli: CommandLine) -> None:
    listed = {each["source"]: each for each in cli.json("intake", "status")}
    assert {"feedback", "sessions"} <= set(listed)
    assert listed["feedback"] == {
        "source": "feedback", "state": "on", "accepted_today": 0, "adjusted_today": {},
        "skipped_today": {}, "refused_today": {}, "last_accepted_at": None,
    }  # fmt: skip


@pytest.mark.usefixtures("sent")
def test_the_status_says_what_came_and_what_did_not(cli: CommandLine) -> None:
    listed = {each["source"]: each for each in cli.json("intake", "status")}
    assert listed["feedback"]["accepted_today"] == 3
    assert listed["feedback"]["skipped_today"] == {"empty": 2}
    assert listed["feedback"]["refused_today"] == {"malformed": 1}
    assert listed["feedback"]["last_accepted_at"]
    assert listed["retired"]["state"] == "not installed"
    table = cli.text("intake", "status")
    assert "empty 2" in table
    assert "malformed 1" in table


def test_a_source_that_is_off_is_shown_so(cli: CommandLine) -> None:
    cli.env["HONED_INTAKE_SOURCES_OFF"] = "feedback"
    states = {each["source"]: each["state"] for each in cli.json("intake", "status")}
    assert (states["feedback"], states["sessions"]) == ("off", "on")
