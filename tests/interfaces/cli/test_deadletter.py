"""`honed deadletter`: what is no longer tried is shown whole, replayed or discarded."""

import json

import pytest

from honed.jobs.delivery import JobContext
from honed.testing.commandline import CommandLine
from honed.testing.desk import Desk, Probe


@pytest.fixture
def letter_id(desk: Desk) -> str:
    """Return the id of the dead letter of a message whose handler always raised."""

    def fail(_context: JobContext, _message: Probe) -> None:
        msg = "the disk said \x1b[31mno"
        raise OSError(msg)

    desk.on_probe = fail
    desk.send(Probe(number=1))
    for _ in range(desk.settings.max_attempts):
        desk.work()
        desk.make_due()
    (row,) = desk.rows("SELECT dead_letter_id FROM honed.dead_letter")
    return str(row["dead_letter_id"])


def test_a_dead_letter_is_listed_and_shown_whole(cli: CommandLine, letter_id: str) -> None:
    assert "the disk said" in cli.text("deadletter", "list")
    shown = cli.json("deadletter", "show", letter_id)
    assert json.loads(shown["message"])["number"] == 1
    assert (shown["cause"], shown["exceptions"]) == ("exceptions", 3)
    assert "not yet" in cli.text("deadletter", "show", letter_id)


def test_what_a_terminal_would_obey_is_not_printed(cli: CommandLine, letter_id: str) -> None:
    for text in (cli.text("deadletter", "list"), cli.text("deadletter", "show", letter_id)):
        assert "said" in text
        assert "\x1b" not in text


def test_a_replayed_letter_is_handled_again(cli: CommandLine, desk: Desk, letter_id: str) -> None:
    desk.on_probe = lambda _context, _message: None
    job_id = cli.json("deadletter", "replay", letter_id)["job_id"]
    desk.work()
    assert desk.statuses() == ["failed", "succeeded"]
    assert cli.json("deadletter", "list") == []
    (kept,) = cli.json("deadletter", "list", "--all")
    assert (kept["resolution"], kept["replay_job_id"]) == ("replayed", job_id)


def test_a_discarded_letter_is_settled_once(cli: CommandLine, letter_id: str) -> None:
    assert "its row stays" in cli.text("deadletter", "discard", letter_id)
    assert "there are no dead letters" in cli.text("deadletter", "list")
    assert "was discarded before" in cli.refusal("deadletter", "replay", letter_id)


@pytest.mark.parametrize("verb", ["show", "replay", "discard"])
def test_a_letter_that_is_not_there_is_refused(cli: CommandLine, verb: str) -> None:
    assert "there is no dead letter 7 | `honed deadletter list`" in cli.refusal(
        "deadletter", verb, "7"
    )
