"""`honed target remove`: refused while something is under way, unless that is to be left behind."""

from dataclasses import replace
from pathlib import Path

import pytest

from honed.config import Settings
from honed.core.forge import ChangeState, Proposal
from honed.core.verdict import State
from honed.improvement.record import get
from honed.ledger.keys import Signer
from honed.storage.db import Database
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Limits, NewChange
from honed.testing.commandline import CommandLine
from honed.testing.improvements import Improvements

REMOVE = ("target", "remove", "shop")


@pytest.fixture
def signer(honed_home: Path) -> Signer:
    """Return the key of this home, with which the ledger is signed."""
    return Signer.load_or_create(Settings(home=honed_home).key_file)


def open_change(store: Database, target_id: int, improvement_id: int) -> int:
    new = NewChange(
        target_id=target_id,
        proposal=Proposal("improvement/total", "main", "Count all", "Why."),
        root_cause="total",
        patch_digest="0" * 64,
        base_commit="a" * 40,
        head_commit="b" * 40,
        improvement_id=improvement_id,
    )
    with replace(store, role="honed_daemon").transaction() as conn:
        return changes.open_change(conn, new, Limits()).change_id


def test_what_is_under_way_is_named_with_what_ends_it(
    cli: CommandLine, improvements: Improvements
) -> None:
    approved = improvements.create(State.APPROVED).improvement_id
    watched = improvements.create(State.WATCHING).improvement_id
    refusal = cli.refusal(*REMOVE)
    assert f"improvement {approved} is approved, improvement {watched} is watching" in refusal
    assert f"`honed improvement reject {approved} --reason ...`" in refusal
    assert f"`honed improvement rollback {watched} --reason ...`" in refusal
    assert [each["name"] for each in cli.json("target", "list")] == ["shop"]


def test_a_request_that_is_open_holds_it_up_too(
    cli: CommandLine, store: Database, improvements: Improvements
) -> None:
    undone = improvements.create(State.ROLLED_BACK).improvement_id
    change_id = open_change(store, improvements.target_id, undone)
    assert f"`honed forge close {change_id} --reason ...`" in cli.refusal(*REMOVE)
    cli.text("forge", "close", str(change_id), "--reason", "we keep it")
    cli.text(*REMOVE)


def test_by_force_everything_ends_and_the_record_holds(
    cli: CommandLine, store: Database, improvements: Improvements
) -> None:
    waiting = improvements.create(State.AWAITING_APPROVAL).improvement_id
    watched = improvements.create(State.WATCHING).improvement_id
    change_id = open_change(store, improvements.target_id, watched)
    said = cli.text(*REMOVE, "--force")
    assert f"improvement {waiting} was awaiting_approval, and is over" in said
    assert f"change {change_id} is withdrawn; its branch improvement/total stays" in said
    assert cli.json("target", "list") == []
    with store.transaction() as conn:
        assert get(conn, waiting).state is State.EXPIRED
        assert get(conn, watched).state is State.FAILED
        change = changes.get(conn, change_id)
    assert (change.state, change.closed_by_person) == (ChangeState.CLOSED, False)
    assert cli("verify").exit_code == 0
    logged = [each["event"] for each in cli.json("ledger", "list")]
    assert {"expired", "failed", "change_closed"} <= set(logged)


def test_what_nobody_decided_about_holds_nothing_up(
    cli: CommandLine, improvements: Improvements
) -> None:
    improvements.create(State.KEPT)
    improvements.create(State.AWAITING_APPROVAL)
    assert cli.json(*REMOVE) == {"removed": "shop", "ended": [2]}


def test_another_target_of_the_same_name_keeps_its_requests(
    cli: CommandLine, store: Database, improvements: Improvements
) -> None:
    made = improvements.create(State.WATCHING).improvement_id
    change_id = open_change(store, improvements.target_id, made)
    with store.transaction() as conn:
        conn.execute("UPDATE honed.target SET removed_at = honed.now()")
    cli.text("target", "add", "shop", "--url", "postgresql:///shop")
    cli.text(*REMOVE)
    with store.transaction() as conn:
        assert changes.get(conn, change_id).state is ChangeState.OPEN
