"""`honed stop` and `honed start`, and `honed status`, which tells of both and of all else."""

from collections.abc import Callable

from honed.approval.policy import write_policy
from honed.config import Autonomy, Settings
from honed.core.verdict import State
from honed.jobs.queue import defer
from honed.loop.messages import Act
from honed.storage.db import Database
from honed.testing.commandline import CommandLine
from honed.testing.improvements import Improvements


def test_the_switch_is_set_shown_and_set_again(cli: CommandLine) -> None:
    stopped = cli.json("stop", "--reason", "the pager rings")
    assert (stopped["stopped"], stopped["reason"]) == (True, "the pager rings")
    assert "STOPPED by postgres" in cli.text("status")
    assert "the pager rings" in cli.text("status")
    assert "allowed again" in cli.text("start")
    assert cli.json("status")["switch"]["stopped"] is False


def test_a_fresh_store_says_what_to_do(cli: CommandLine) -> None:
    text = cli.text("status")
    assert "not started on this store yet" in text
    assert "`honed target add` adds one" in text
    assert "`honed cycle` takes a turn now" in text


def test_what_is_done_and_what_waits_is_shown(
    cli: CommandLine,
    store: Database,
    improvements: Improvements,
    empty_database: Callable[[], str],
) -> None:
    waiting = improvements.create(State.AWAITING_APPROVAL)
    improvements.create(State.REFUTED)
    watching = improvements.create(State.WATCHING)
    cli.text("target", "add", "another", "--url", empty_database())
    with store.transaction() as conn:
        write_policy(conn, Settings(autonomy=Autonomy.SUPERVISED))
        defer(conn, Act(target_id=improvements.target_id, improvement_id=waiting.improvement_id))
    status = cli.json("status")
    assert [each["improvement_id"] for each in status["open"]] == [
        watching.improvement_id,
        waiting.improvement_id,
    ]
    assert status["states"] == {"awaiting_approval": 1, "refuted": 1, "watching": 1}
    assert [each["name"] for each in status["targets"]] == ["another", "shop"]
    assert {each["queue"]: each["depth"] for each in status["queues"]}["act"] == 1
    assert len(status["cycles"]) == 3
    text = cli.text("status")
    assert "supervised, a person approves" in text
    assert waiting.hypothesis.claim in text
