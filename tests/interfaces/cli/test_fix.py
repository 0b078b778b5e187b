"""`honed fix` of a ticket for which there is no repository to look at, and what to do about it."""

from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.testing.commandline import CommandLine


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
