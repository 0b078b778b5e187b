"""`honed forge`: what waits for a review, and what a person says of it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from honed.core.forge import ChangeState, Check, CheckState, Proposal, Tally
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Lane, Limits, NewChange
from honed.testing.commandline import CommandLine

HEAD = "b" * 40
#: Opens a change for a root cause and returns its id.
Open = Callable[..., int]


@pytest.fixture
def open_(store: Database, target_id: int) -> Open:
    def opened(cause: str, lane: Lane = Lane.REVIEW, ticket_id: int | None = None) -> int:
        new = NewChange(
            target_id=target_id,
            proposal=Proposal(
                f"improvement/{cause}", "main", f"Settle {cause}", "## Why\n\nEmpty."
            ),
            root_cause=cause,
            patch_digest=f"{len(cause):064x}",
            base_commit="a" * 40,
            head_commit=HEAD,
            lane=lane,
            ticket_id=ticket_id,
            ledger_index=7,
        )
        with replace(store, role="honed_daemon").transaction() as conn:
            return changes.open_change(conn, new, Limits()).change_id

    return opened


def test_what_waits_is_listed(cli: CommandLine, open_: Open) -> None:
    assert "no change waits" in cli.text("forge", "list")
    first, second = open_("KeyError"), open_("lint", Lane.AUTOMERGE)
    assert [each["change_id"] for each in cli.json("forge", "list")] == [second, first]
    cli.text("forge", "close", str(first), "--reason", "no")
    assert [each["change_id"] for each in cli.json("forge", "list")] == [second]
    for options, expected in {
        ("--all",): [second, first],
        ("--state", "closed"): [first],
        ("--target", "other"): [],
        ("--all", "--limit", "1"): [second],
    }.items():
        found = [each["change_id"] for each in cli.json("forge", "list", *options)]
        assert found == expected
    assert "Settle lint" in cli.text("forge", "list")


def test_a_change_is_shown_with_its_checks_and_history(
    cli: CommandLine, open_: Open, store: Database
) -> None:
    change_id = open_("KeyError")
    with replace(store, role="honed_daemon").transaction() as conn:
        checks = [
            Check("pytest", CheckState.PASSED, "https://ci.example/1", Tally(12, 0)),
            Check("style", CheckState.FAILED, is_required=False),
        ]
        changes.record_checks(conn, change_id, HEAD, checks)
    text = cli.text("forge", "show", str(change_id))
    for words in (
        "Settle KeyError",
        "improvement/KeyError into main",
        "git diff main...improvement/KeyError, in the repository",
        "a person: it is in no record",
        f"proven        {HEAD}",
        "ledger entry  7",
        "## Why",
        "pytest\tpassed\t12 passed, 0 failed\thttps://ci.example/1",
        "style\tfailed (may fail)",
        "opened",
    ):
        assert words in text
    shown = cli.json("forge", "show", str(change_id))
    assert (shown["state"], shown["checks_state"]) == ("open", "passed")
    assert [each["event"] for each in shown["events"]] == ["opened", "checked"]


def test_what_a_merged_change_changed_is_told_by_its_commits(
    cli: CommandLine, open_: Open, store: Database
) -> None:
    merged, closed = open_("KeyError"), open_("lint", Lane.AUTOMERGE)
    with replace(store, role="honed_daemon").transaction() as conn:
        request = changes.get(conn, merged).to_request()
        done = replace(request, state=ChangeState.MERGED, merge_commit="c" * 40)
        changes.record(conn, merged, done)
    cli.text("forge", "close", str(closed), "--reason", "no")
    assert f"git diff {'a' * 40}...{HEAD}, in" in cli.text("forge", "show", str(merged))
    assert "git diff" not in cli.text("forge", "show", str(closed))


def test_a_merge_is_asked_for(cli: CommandLine, open_: Open) -> None:
    change_id = open_("KeyError")
    refused = cli.refusal("forge", "merge", str(change_id), "--head", "c" * 40)
    assert f"no longer what was read: its head is {HEAD}" in refused
    assert f"`honed forge show {change_id}`" in refused
    said = cli.text("forge", "merge", str(change_id), "--head", HEAD)
    assert f"change {change_id} is to be merged at bbbbbbbbbbbb; no check ran on it" in said
    shown = cli.json("forge", "show", str(change_id))
    assert shown["merge_asked_at"]
    assert shown["events"][-1]["event"] == "merge_asked"
    assert shown["events"][-1]["acting_for"]


def test_a_no_is_for_good_and_says_how_to_take_it_back(
    cli: CommandLine, open_: Open, store: Database
) -> None:
    with store.transaction() as conn:
        (row,) = conn.execute(b"SELECT honed.add_ticket('empty cart') AS ticket_id")
    change_id = open_("KeyError", ticket_id=row["ticket_id"])
    said = cli.text("forge", "close", str(change_id), "--reason", " not so ")
    assert f"`honed ticket reopen {row['ticket_id']} --reason ...`" in said
    shown = cli.json("forge", "show", str(change_id))
    assert (shown["closed_by_person"], shown["end_reason"]) == (True, "not so")
    assert "is closed" in cli.refusal("forge", "merge", str(change_id))
    assert "is closed" in cli.refusal("forge", "close", str(change_id), "--reason", "x")


@pytest.mark.parametrize("number", ["77", "99999999999999999999"])
def test_what_is_not_there_is_said(cli: CommandLine, number: str) -> None:
    for command in (("show",), ("merge",), ("close", "--reason", "x")):
        name, *options = command
        assert f"there is no change {number}" in cli.refusal("forge", name, number, *options)


def test_a_daemon_cannot_decide(cli: CommandLine, open_: Open, daemon_url: str) -> None:
    change_id = open_("KeyError")
    cli.env["HONED_STORE_URL"] = daemon_url
    assert "honed_approver" in cli.refusal("forge", "merge", str(change_id))
    assert "honed_operator" in cli.refusal("forge", "close", str(change_id), "--reason", "x")


def test_what_to_enter_on_a_forge_is_told(cli: CommandLine, store: Database) -> None:
    options = {"forge": "github", "forge_repository": "shop/cart"}
    for name, more in {"cart": {"forge_secret_variable": "HOOK_SECRET"}, "deaf": {}}.items():
        record = TargetRecord(name, "/nowhere", sort="repository", options={**options, **more})
        add_target(store, record)
    said = cli.json("forge", "webhook", "cart")
    assert said["url"].endswith("/hooks/cart")
    assert (said["secret_variable"], said["secret_field"]) == ("HOOK_SECRET", "Secret")
    assert "Pull requests" in said["events"]
    assert "export HOOK_SECRET" in cli.text("forge", "webhook", "cart")
    assert "forge_secret_variable" in cli.refusal("forge", "webhook", "deaf")
    assert "no target nobody" in cli.refusal("forge", "webhook", "nobody")
