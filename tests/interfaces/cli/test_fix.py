"""`honed fix` of a ticket for which there is no repository to look at, and what to do about it."""

from pathlib import Path

import pytest

from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.testing.commandline import CommandLine
from honed.testing.repositories import Checkout
from honed.testing.repository_worlds import RAISED_ELSEWHERE, raised, require_sandbox
from honed.testing.sender import sending


def test_a_ticket_of_no_repository_is_refused_with_what_would_help(
    cli: CommandLine, store: Database
) -> None:
    cli.text("ticket", "add", "A wish of nobody's code")
    refusal = cli.refusal("fix", "--ticket", "1")
    assert "is about no target and no project, so it is for people" in refusal
    assert "`honed ticket resolve 1 --reason ...`" in refusal
    cli.text("ticket", "add", "Search forgets the filter", "--project", "cart")
    refusal = cli.refusal("fix", "--ticket", "2", "--dry-run")
    assert "is about the project cart, which is of no repository" in refusal
    assert "--sort repository --url ... --project cart` adds the one" in refusal
    for name in ("here", "there"):
        record = TargetRecord(name, f"/srv/{name}", "", "repository", {"project": "cart"})
        add_target(store, record)
    refusal = cli.refusal("fix", "--ticket", "2")
    assert "is of several repositories: here, there" in refusal
    assert "`honed target remove NAME`" in refusal


def test_a_ticket_that_is_not_there_is_refused(cli: CommandLine) -> None:
    assert "there is no ticket 7" in cli.refusal("fix", "--ticket", "7")


@pytest.mark.slow
def test_what_was_searched_in_vain_is_said_of_this_ticket_alone(
    cli: CommandLine, store: Database, tmp_path: Path
) -> None:
    require_sandbox()
    checkout = Checkout(tmp_path / "shop")
    files = RAISED_ELSEWHERE.files
    checkout.commit({path: text.encode() for path, text in files.items()})
    url = str(checkout.folder)
    with sending(store) as sender:
        for event in (*RAISED_ELSEWHERE.raised, raised("OSError", "no route")):
            sender.event(**event)
    options = {"tests": ["tests"], "branch": "main", "project": "shop"}
    add_target(store, TargetRecord("shop", url, url, "repository", options))
    cli.text("scan")
    first = cli("fix", "--ticket", "1", "--dry-run")
    second = cli("fix", "--ticket", "2", "--dry-run")
    for done in (first, second, cli("fix", "--ticket", "1", "--dry-run", "--again")):
        assert done.exit_code == 1
        assert done.output.count("searched in vain") == 1
    with store.transaction() as conn:
        rows = conn.execute("SELECT cause FROM honed.code_search").fetchall()
    assert len(rows) == 2
