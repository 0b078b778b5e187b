"""`honed improvement show` of a change of code: what a reviewer wants to see of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from honed.approval.decisions import approve
from honed.approval.policy import write_policy
from honed.core.canonical import Json
from honed.core.gate import GateResult
from honed.core.verdict import State
from honed.improvement.record import Improvement, improvements
from honed.interfaces.cli.code_page import print_question
from honed.loop.cycle import Options, request
from honed.loop.parts import Parts
from honed.loop.proposed_code import ProposedCode
from honed.storage.db import Database
from honed.testing.commandline import CommandLine
from honed.testing.given_change import FAILING, GivenChange, know_what_fails, repository_parts
from honed.testing.pets import pet_worker
from honed.testing.repository_worlds import WRONG_SLICE, make_repository_world

QUESTION: dict[str, Json] = {
    "function": "total",
    "arguments": ["[1, \x1b[2J2]"],
    "outputs": {"1": "3", "2": "raises IndexError"},
}

TRIED = ("revert_commit: stopped by size: 900 lines of ann@example.org",)


@dataclass
class Turned:
    """A change of code at the end of a turn, and the command line beside it."""

    store: Database
    parts: Parts
    cli: CommandLine

    @property
    def improvement(self) -> Improvement:
        with self.store.transaction() as conn:
            return improvements(conn)[0]

    def approve(self) -> None:
        with self.store.transaction() as conn:
            approve(conn, 1, self.improvement.digest)
        pet_worker(self.parts).run(until_idle=True)

    def shown(self) -> str:
        """Return the page, to which nothing is written that a terminal would obey."""
        said = self.cli.text("improvement", "show", "1")
        assert "-    for price in prices[1:]:\n+    for price in prices:\n" in said
        assert FAILING in said
        assert "given: it" in said
        assert '"act"' not in said, "acts are told in words"
        assert "\x1b" not in said
        return said


Turn = Callable[[GivenChange], Turned]


@pytest.fixture
def turn(store: Database, tmp_path: Path) -> Turn:
    """Return what takes one turn of the loop with a kind."""

    def turned(kind: GivenChange) -> Turned:
        world = make_repository_world(WRONG_SLICE, store, tmp_path, autonomy="supervised")
        settings = world.target.settings
        settings.home.mkdir(exist_ok=True)
        know_what_fails(world, FAILING)
        parts = repository_parts(store, settings, kind)
        with store.transaction() as conn:
            write_policy(conn, settings)
            request(conn, "shop", Options(dry_run=False))
        pet_worker(parts).run(until_idle=True)
        env = {"HONED_STORE_URL": store.url, "HONED_HOME": str(settings.home)}
        return Turned(store, parts, CommandLine(env))

    return turned


def test_a_reviewer_sees_the_question_where_it_abstained(turn: Turn) -> None:
    turned = turn(GivenChange(doubt="two answers", question=QUESTION, tried=TRIED))
    assert turned.improvement.state is State.INCONCLUSIVE
    said = turned.shown()
    assert "STOPPED\tcertainty" in said
    assert "What is right: total([1, \N{REPLACEMENT CHARACTER}[2J2])?" in said
    assert "1 of 2 changes answer raises IndexError" in said
    assert "tried beside it\nproposer\twhat came of it\nrevert_commit\tstopped by size" in said
    # What a person must not be named in is kept without it.
    assert "ann@example.org" not in said


def test_what_was_answered_is_not_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ProposedCode(
        base_commit="1" * 40,
        base_branch="main",
        branch="",
        commit="",
        made_by="",
        message="",
        repairs=(),
        diff="",
        paths=(),
        doubt="no input was found that runs them",
        gates=(GateResult("certainty", passed=False, reason="in doubt", refutes=False),),
        ticket_id=6,
        call="shop.total(prices=[1])",
    )
    print_question(asked)
    assert "`honed fix --ticket 6 --returns VALUE` settles it" in capsys.readouterr().out
    print_question(replace(asked, is_answered=True))
    said = capsys.readouterr().out
    assert "What you said of shop.total(prices=[1]) does not tell which change is right." in said
    assert "--returns" not in said


def test_a_reviewer_sees_diff_gates_and_request(turn: Turn, tmp_path: Path) -> None:
    turned = turn(GivenChange())
    said = turned.shown()
    assert "passed\tsecret_scan" in said
    assert "judged by" in said
    turned.approve()
    code = turned.cli.json("improvement", "show", "1")["code"]
    (change,) = code["requests"]
    assert change["branch"] == code["branch"]
    said = turned.shown()
    assert f"push commit {code['commit']} as {code['branch']}" in said
    assert "request: change 1" in said
    # Elsewhere honed's clone is not: what is changed is told without its lines.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cli = CommandLine({**turned.cli.env, "HONED_HOME": str(elsewhere)})
    assert "it changes shop/prices.py" in cli.text("improvement", "show", "1")
