"""`honed improvement`: what is shown is what is decided, and only who may decides."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from honed.approval.policy import write_policy
from honed.config import Settings
from honed.core.target import Interval
from honed.core.trial import GUARD, TrialDesign, Unit
from honed.core.verdict import State
from honed.experiments.record import add_block, finish_trial, start_trial
from honed.experiments.trial import run_trial
from honed.improvement.record import Improvement
from honed.interfaces.cli.output import percent
from honed.loop.evidence import Pair, store_pairs
from honed.storage.db import Database
from honed.testing.commandline import CommandLine
from honed.testing.improvements import STEP, Improvements
from honed.testing.simulated import Noise, SimulatedTrial


@pytest.fixture
def waiting(improvements: Improvements) -> Improvement:
    return improvements.create(State.AWAITING_APPROVAL)


@pytest.fixture
def viewer(cli: CommandLine, store: Database) -> Iterator[CommandLine]:
    """Return the command line of a login that may only look."""
    with psycopg.connect(store.url, autocommit=True) as conn:
        conn.execute("CREATE ROLE bob_of_cli LOGIN")
        conn.execute("GRANT honed_viewer TO bob_of_cli")
        url = store.url.replace("postgres@", "bob_of_cli@")
        yield replace(cli, env={**cli.env, "HONED_STORE_URL": url})
        conn.execute("DROP ROLE bob_of_cli")


def test_improvements_are_listed_by_state(cli: CommandLine, improvements: Improvements) -> None:
    kept = improvements.create(State.KEPT)
    refuted = improvements.create(State.REFUTED)
    listed = [each["improvement_id"] for each in cli.json("improvement", "list")]
    assert listed == [refuted.improvement_id, kept.improvement_id]
    (only,) = cli.json("improvement", "list", "--state", "kept", "--state", "watching")
    assert only["improvement_id"] == kept.improvement_id
    assert "there are no improvements" in cli.text("improvement", "list", "--state", "failed")
    assert "-39.3 %" in cli.text("improvement", "list")


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize(("columns", "titles"), [
    (80, "id state trial claim"),
    (200, "id state kind predicted trial claim"),
])  # fmt: skip
def test_a_terminal_lists_first_what_tells_claims_apart(
    cli: CommandLine, store: Database, columns: int, titles: str
) -> None:
    claim = "an index (12.3 MB) brings the cost per statement to 53%: orders (customer, day)"
    with store.transaction() as conn:
        conn.execute(
            "UPDATE honed.improvement"
            " SET hypothesis = jsonb_set(hypothesis, '{claim}', to_jsonb(%s::text))",
            (claim,),
        )
    _, said = cli.typed("", "improvement", "list", columns=columns)
    title, first, *more = said.splitlines()
    assert title.split() == titles.split()
    start = title.index("claim")
    assert first[start:].startswith("orders (customer, day): an index")
    assert " ".join(line[start:].strip() for line in (first, *more)).endswith("to 53%")


def test_everything_about_an_improvement_is_shown(cli: CommandLine, waiting: Improvement) -> None:
    shown = cli.text("improvement", "show", str(waiting.improvement_id))
    assert waiting.digest in shown
    assert waiting.hypothesis.claim in shown
    assert f"{STEP.do[0]};" in shown
    assert f"{STEP.undo[0]};" in shown
    dossier = cli.json("improvement", "show", str(waiting.improvement_id))
    assert dossier["improvement"]["digest"] == waiting.digest
    assert [event["to_state"] for event in dossier["events"]] == [
        "proposed",
        "on_trial",
        "proven",
        "awaiting_approval",
    ]


def test_what_people_and_services_say_of_a_change_is_shown(
    cli: CommandLine, improvements: Improvements
) -> None:
    kept = improvements.create(State.KEPT)
    with improvements.store.transaction() as conn:
        conn.execute(
            "INSERT INTO honed.aftermath (improvement_id, standing, reason, score)"
            " VALUES (%s, 'well', 'it is gone', 0.876)",
            [kept.improvement_id],
        )
    shown = cli.text("improvement", "show", str(kept.improvement_id))
    assert "it is gone" in shown
    assert "0.88" in shown
    said = cli.json("improvement", "show", str(kept.improvement_id))["aftermath"]
    assert (said["standing"], said["score"]) == ("well", 0.876)


def test_an_approval_off_a_terminal_needs_the_digest(
    cli: CommandLine, waiting: Improvement
) -> None:
    name = str(waiting.improvement_id)
    assert "needs the digest" in cli.refusal("improvement", "approve", name, "--yes")
    assert "is not what this digest names" in cli.refusal(
        "improvement", "approve", name, "--digest", "0" * 64
    )
    assert "hexadecimal digits" in cli.refusal("improvement", "approve", name, "--digest", "3fa9")
    cli.json("improvement", "approve", name, "--digest", waiting.digest)
    (decision,) = cli.json("improvement", "show", name)["decisions"]
    assert (decision["decision"], decision["digest"]) == ("approved", waiting.digest)
    assert decision["authority"] == "person"


def test_what_does_not_wait_is_refused_before_a_digest_is_asked_for(
    cli: CommandLine, improvements: Improvements
) -> None:
    tried = improvements.create(State.DRY_RUN)
    name = str(tried.improvement_id)
    for options in ((), ("--digest", tried.digest)):
        refusal = cli.refusal("improvement", "approve", name, *options)
        assert f"improvement {name} does not wait for an approval: it is dry_run" in refusal
        assert "HONED_AUTONOMY=supervised" in refusal
        assert "under a new number" in refusal


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.AWAITING_APPROVAL, "and waits: `honed improvement approve {}`"),
        (State.ON_TRIAL, "and is on_trial: `honed improvement show {}`"),
    ],
)
def test_what_makes_the_same_claim_now_is_named(
    cli: CommandLine, store: Database, improvements: Improvements, state: State, words: str
) -> None:
    tried = improvements.create(State.DRY_RUN)
    again = improvements.create(state)
    with store.transaction() as conn:
        conn.execute(
            "UPDATE honed.improvement SET subject = %s WHERE improvement_id = %s",
            (tried.subject, again.improvement_id),
        )
    code, said = cli.typed("y\n", "improvement", "approve", str(tried.improvement_id))
    assert code == 1
    assert f"improvement {again.improvement_id} makes the same claim" in said
    assert words.format(again.improvement_id) in said


def test_a_decision_while_honed_is_stopped_says_that_it_waits(
    cli: CommandLine, improvements: Improvements, waiting: Improvement
) -> None:
    cli.text("stop", "--reason", "the pager rings")
    name = str(waiting.improvement_id)
    for said in (
        cli.text("improvement", "approve", name, "--digest", waiting.digest),
        cli.text(
            "improvement", "rollback", str(improvements.create(State.KEPT).improvement_id),
            "--reason", "slower",
        ),
    ):  # fmt: skip
        assert "waits until `honed start`" in said
        assert "the pager rings" in said
        assert "a worker" not in said


@pytest.mark.slow
def test_a_terminal_shows_what_would_be_done_and_asks(
    cli: CommandLine, waiting: Improvement
) -> None:
    name = str(waiting.improvement_id)
    code, said = cli.typed("n\n", "improvement", "approve", name)
    assert code == 130
    assert STEP.do[0] in said
    assert STEP.undo[0] in said
    assert waiting.digest in said
    assert cli.json("improvement", "show", name)["decisions"] == []
    code, said = cli.typed("y\n", "improvement", "approve", name)
    assert (code, "is approved" in said) == (0, True)
    assert cli.json("improvement", "show", name)["decisions"][0]["digest"] == waiting.digest


def test_nothing_is_approved_under_observe_and_what_to_do_is_said(
    cli: CommandLine, store: Database, waiting: Improvement
) -> None:
    with store.transaction() as conn:
        write_policy(conn, Settings())
    name = str(waiting.improvement_id)
    refusal = cli.refusal("improvement", "approve", name, "--digest", waiting.digest)
    assert refusal.startswith("the autonomy is observe, so no change is approved | set autonomy to")
    assert cli.json("improvement", "show", name)["decisions"] == []


@pytest.mark.slow
def test_a_wrong_digest_is_refused_on_a_terminal_too(
    cli: CommandLine, waiting: Improvement
) -> None:
    name = str(waiting.improvement_id)
    code, said = cli.typed("y\n", "improvement", "approve", name, "--digest", "0" * 64)
    assert code == 1
    assert "not what this digest names" in said


def test_an_improvement_is_rejected_with_a_reason(cli: CommandLine, waiting: Improvement) -> None:
    name = str(waiting.improvement_id)
    assert "Missing option '--reason'" in cli.refusal("improvement", "reject", name)
    said = cli.text("improvement", "reject", name, "--reason", "not now")
    assert "is rejected: nothing of it will be done" in said
    assert "worker" not in said
    (decision,) = cli.json("improvement", "show", name)["decisions"]
    assert (decision["decision"], decision["reason"]) == ("rejected", "not now")
    assert "not now" in cli.text("improvement", "show", name)


def test_only_what_is_applied_is_rolled_back(
    cli: CommandLine, improvements: Improvements, waiting: Improvement
) -> None:
    kept = str(improvements.create(State.KEPT).improvement_id)
    said = cli.text("improvement", "rollback", kept, "--reason", "slower on Mondays")
    assert "to be rolled back" in said
    refusal = cli.refusal(
        "improvement", "rollback", str(waiting.improvement_id), "--reason", "why not"
    )
    assert "nothing of improvement" in refusal
    assert "it is awaiting_approval" in refusal


def test_a_viewer_looks_and_does_not_decide(viewer: CommandLine, waiting: Improvement) -> None:
    name = str(waiting.improvement_id)
    assert waiting.digest in viewer.text("improvement", "show", name)
    refusal = viewer.refusal("improvement", "approve", name, "--digest", waiting.digest)
    assert "permission denied for function approve" in refusal
    assert "honed store roles" in refusal


@pytest.mark.parametrize("verb", ["reject", "rollback"])
def test_blanks_are_no_reason(cli: CommandLine, improvements: Improvements, verb: str) -> None:
    state = State.KEPT if verb == "rollback" else State.AWAITING_APPROVAL
    name = str(improvements.create(state).improvement_id)
    for blank in ("", " \t"):
        assert "say in words why" in cli.refusal("improvement", verb, name, "--reason", blank)
    assert cli.json("improvement", "show", name)["decisions"] == []


@pytest.mark.parametrize("number", [str(2**63), "99999999999999999999999"])
@pytest.mark.parametrize(
    ("command", "absence"),
    [
        (("improvement", "show"), "there is no improvement"),
        (("improvement", "approve"), "there is no improvement"),
        (("finding", "show"), "there is no finding"),
        (("deadletter", "show"), "there is no dead letter"),
        (("ledger", "show"), "the ledger has no entry"),
        (("ledger", "graph"), "the ledger has no entry"),
        (("ledger", "export"), "the ledger has no entry"),
    ],
)
def test_a_number_that_nothing_can_have_is_an_unknown_one(
    cli: CommandLine, command: tuple[str, ...], absence: str, number: str
) -> None:
    assert f"{absence} {number}" in cli.refusal(*command, number)
    assert cli(*command, number).exit_code == 2


@pytest.mark.parametrize(
    "verb", [("show",), ("reject", "--reason", "x"), ("rollback", "--reason", "x")]
)
def test_an_improvement_that_is_not_there_is_refused(
    cli: CommandLine, verb: tuple[str, ...]
) -> None:
    name, *options = verb
    refusal = cli.refusal("improvement", name, "7", *options)
    assert refusal == "there is no improvement 7 | `honed improvement list` shows them"


def test_the_trial_is_shown_with_an_interval_for_each_statement(
    cli: CommandLine, store: Database, waiting: Improvement
) -> None:
    design = TrialDesign(
        units=(Unit("q1", weight=0.75), Unit("q2", weight=0.25)), metric="backend_cpu_s"
    )
    trial = SimulatedTrial(
        design, effects={"q1": -0.7, "q2": -0.1}, noise=Noise(environment=0.02, spikes=0), seed=7
    )
    with store.transaction() as conn:
        conn.execute(
            """
            INSERT INTO honed.statement (target_id, statement_id, text, sort)
            VALUES (%s, 'q1', E'SELECT *\n  FROM part', 'select')
            """,
            (waiting.target_id,),
        )
        trial_id = start_trial(conn, improvement_id=waiting.improvement_id, design=design, seed=3)
        result = run_trial(trial, [], seed=3, record=lambda block: add_block(conn, trial_id, block))
        finish_trial(conn, trial_id, result)
    lines = cli.text("improvement", "show", str(waiting.improvement_id)).splitlines()
    assert f"trial {trial_id}: {result.verdict.value}" in lines
    assert result.judgement.reason in lines
    rows = {line.split("\t")[0]: line.split("\t") for line in lines if "\t" in line}
    rows["q1"] = rows["SELECT * FROM part"]
    for unit in result.judgement.units:
        assert rows[unit.unit][3] == percent(unit.effect)
        assert rows[unit.unit][4] == f"{percent(unit.low)} to {percent(unit.high)}"
        assert rows[unit.unit][5] == unit.guardrail.value
    assert rows["A/A control"][2] == str(result.judgement.control.pairs)


def test_the_watch_is_shown_with_an_interval_for_each_statement_and_what_was_foretold(
    cli: CommandLine, store: Database, improvements: Improvements
) -> None:
    watched = improvements.create(State.WATCHING)
    hour = Interval(watched.proposed_at, watched.proposed_at + timedelta(hours=1))
    writer = f"{GUARD}w1"
    pairs = [
        Pair(
            ordinal=number,
            before_at=hour,
            after_at=hour,
            before={"q1": 4.0 + number, writer: 1.0},
            after={"q1": 2.0 + number / 2, writer: 1.0},
            mix={"q1": 10.0},
            pages_before={"q1": 100.0},
            pages_after={"q1": 25.0},
            drift=math.log(2.0),
            controls=5,
        )
        for number in range(4)
    ]
    with store.transaction() as conn:
        store_pairs(conn, watched.improvement_id, pairs)
    lines = cli.text("improvement", "show", str(watched.improvement_id)).splitlines()
    said = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in lines if "  " in line}
    assert said["time"].startswith("-75.0 % (-75.0 % to -75.0 %")
    assert said["pages"].startswith("-75.0 % (-75.0 % to -75.0 %")
    assert said["drift"] == "+100.0 %, taken out"
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in lines if "\t" in line}
    assert [rows["q1"][each] for each in (0, 1, 3)] == ["4", "-75.0 %", "-75.0 %"]
    assert rows[writer][1] == "-50.0 %"
    evidence = cli.json("improvement", "show", str(watched.improvement_id))["evidence"]
    assert [each["unit"] for each in evidence["units"]] == [writer, "q1"]
