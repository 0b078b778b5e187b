"""`honed ticket` and `honed scan`: what waits and why, what a person says, what a scan found."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from honed.backlog.draft import Draft, Facts
from honed.backlog.store import Ending, begin_attempt, end_attempt, take_in
from honed.backlog.ticket import TicketSource
from honed.core.risk import Danger
from honed.storage.db import Database
from honed.testing.commandline import CommandLine

SEEN = datetime(2026, 1, 1, tzinfo=UTC)
#: Takes one trouble in and returns its ticket's id.
Trouble = Callable[..., int]


@pytest.fixture
def trouble(store: Database) -> Trouble:
    def taken_in(
        subject: str, facts: Facts | None = None, source: TicketSource = TicketSource.EXCEPTION
    ) -> int:
        draft = Draft(
            source=source,
            subject=subject,
            title=f"{subject} in shop/cart.py",
            first_seen_at=SEEN,
            last_seen_at=SEEN,
            facts=facts or Facts(),
            evidence={"exception": {"type": subject}},
            proposed_solution="look before you ask",
            test_plan="reproduce it",
            files_to_modify=("shop/cart.py",),
        )
        with store.transaction() as conn:
            return take_in(conn, draft, found_by="exceptions")[0]

    return taken_in


@pytest.fixture
def finding(store: Database, target_id: int) -> None:
    """Put an open finding of the target shop into the store, that nobody answers."""
    with store.transaction() as conn:
        conn.execute(
            """
            INSERT INTO honed.finding (target_id, type, subject, title, evidence, weight)
            VALUES (%s, 'slow_statement', 'q1', 'SELECT takes half of the time', '{"calls": 3}', .5)
            """,
            (target_id,),
        )


def test_tickets_are_listed_in_the_order_in_which_they_pay(
    cli: CommandLine, trouble: Trouble
) -> None:
    usual = trouble("KeyError")
    urgent = trouble("AttributeError", Facts(users=500, is_unhandled=True))
    code = trouble("complex", source=TicketSource.CODE)
    listed = cli.json("ticket", "list")
    assert [each["ticket_id"] for each in listed] == [urgent, usual, code]
    assert [each["score"] for each in listed] == sorted(each["score"] for each in listed)
    for options, expected in {
        ("--priority", "high", "--priority", "low"): [urgent, code],
        ("--source", "code"): [code],
        ("--category", "bug_fix"): [urgent, usual],
        ("--state", "rejected"): [],
        ("--limit", "1"): [urgent],
    }.items():
        found = [each["ticket_id"] for each in cli.json("ticket", "list", *options)]
        assert found == expected
    assert "AttributeError in shop/cart.py" in cli.text("ticket", "list")


def test_a_narrow_terminal_has_room_for_the_title(cli: CommandLine, trouble: Trouble) -> None:
    trouble("AttributeError of something with a name that is long enough to be")
    _, said = cli.typed("", "ticket", "list", columns=80)
    titles, first, *_ = said.splitlines()
    assert titles.split() == ["id", "score", "state", "priority", "risk", "seen", "title"]
    assert "AttributeError" in first


def test_an_empty_list_says_what_to_do(cli: CommandLine) -> None:
    assert "`honed scan` looks for troubles now" in cli.text("ticket", "list")


def test_a_ticket_is_shown_with_every_term_of_its_judgement(
    cli: CommandLine, trouble: Trouble, store: Database
) -> None:
    ticket_id = trouble("AttributeError", Facts(times_per_day=21.8))
    with store.transaction() as conn:
        attempt_id = begin_attempt(conn, ticket_id, branch_name="improvement/1")
        end_attempt(conn, attempt_id, Ending(success=False, error_message="no patch"))
    text = cli.text("ticket", "show", str(ticket_id))
    for words in (
        "category bug_fix\n    bug_fix  source: exception\n",
        "priority high (sum 5.63)\n         +4  source: exception\n",
        "\n      +1.63  times a day: 21.8\n",
        "risk 4 (sum 4)\n       +3.5  category: bug_fix\n       +0.5  files: 1\n",
        "score 6.5 (the lowest is taken first)\n         +3  10 - priority: high = 7\n",
        '"type": "AttributeError"',
        "look before you ask",
        "reproduce it",
        "no patch",
        "found by exceptions",
        "attempt 1 failed: no patch",
    ):
        assert words in text
    shown = cli.json("ticket", "show", str(ticket_id))
    assert (shown["score"], shown["state"]) == (6.5, "failed")
    assert [term["contribution"] for term in shown["score_terms"]] == [3.0, 2.0, 1.5]
    assert shown["terms"]["priority"][0] == {
        "name": "source",
        "value": "exception",
        "contribution": 4.0,
    }
    assert [each["event"] for each in shown["events"]] == ["created", "moved", "moved"]
    assert shown["attempts"][0]["branch_name"] == "improvement/1"


def test_a_risk_that_is_never_taken_up_is_said(cli: CommandLine, trouble: Trouble) -> None:
    ticket_id = trouble("migration", Facts(danger=Danger.SCHEMA))
    assert "never taken up without a person" in cli.text("ticket", "show", str(ticket_id))


def test_a_ticket_is_added_by_hand(cli: CommandLine) -> None:
    said = cli.text("ticket", "add", " slow search ")
    assert said == "ticket 1 is added\n"
    shown = cli.json("ticket", "show", "1")
    assert (shown["title"], shown["source"], shown["category"]) == (
        "slow search",
        "manual",
        "bug_fix",
    )
    assert (shown["priority"], shown["risk_level"], shown["estimated_effort"]) == ("medium", 5, 5)
    assert shown["events"][0]["acting_for"]
    assert cli.refusal("ticket", "add", "slow search") == (
        "ticket 1 has this title already: it is open."
        " | `honed ticket show` tells its state and history"
    ).replace(" open.", " open")


def test_a_title_that_is_there_uses_up_no_id(cli: CommandLine) -> None:
    cli.text("ticket", "add", "slow search")
    for _ in range(3):
        cli.refusal("ticket", "add", "slow search")
    assert cli.text("ticket", "add", "slow cart") == "ticket 2 is added\n"


@pytest.mark.usefixtures("target_id")
def test_every_field_can_be_said(cli: CommandLine) -> None:
    fields = {
        "--description": "it takes ten seconds",
        "--category": "performance",
        "--priority": "critical",
        "--risk": "2",
        "--effort": "9",
        "--solution": "ask the index",
        "--test-plan": "ask again",
        "--target": "shop",
        "--project": "search",
    }
    options = [word for pair in fields.items() for word in pair]
    added = cli.json("ticket", "add", "slow search", *options, "--file", "a.py", "--file", "b.py")
    shown = cli.json("ticket", "show", str(added["ticket_id"]))
    assert shown["files_to_modify"] == ["a.py", "b.py"]
    said = ("description", "category", "priority", "proposed_solution", "test_plan")
    assert [shown[name] for name in said] == [
        "it takes ten seconds",
        "performance",
        "critical",
        "ask the index",
        "ask again",
    ]
    assert (shown["risk_level"], shown["estimated_effort"], shown["score"]) == (2, 9, 5.5)
    assert (shown["target"], shown["project"]) == ("shop", "search")


def test_what_a_person_writes_is_scrubbed_before_it_is_kept(
    cli: CommandLine, store: Database, trouble: Trouble
) -> None:
    address, password = "bob" + "@example.com", "Tr0ub4dor" + "&3"
    texts = [f"ask {address}", "pass" + f"word={password}"]
    options = [
        word
        for name in ("--description", "--solution", "--test-plan", "--file", "--project")
        for word in (name, f"{address}: {texts[1]}")
    ]
    added = cli.json("ticket", "add", *texts[:1], *options)["ticket_id"]
    which = str(trouble("KeyError"))
    for title in texts:
        cli.text("ticket", "edit", which, "--title", title, *options[:-2], "--reason", texts[0])
    for verb in ("resolve", "reopen", "reject"):
        cli.text("ticket", verb, which, "--reason", texts[0])
    with store.transaction() as conn:
        rows = conn.execute(
            "SELECT row_to_json(t)::text AS said FROM honed.ticket AS t"
            " UNION ALL SELECT row_to_json(e)::text FROM honed.ticket_event AS e"
        ).fetchall()
    kept = "\n".join(row["said"] for row in rows)
    assert address not in kept
    assert password not in kept
    # Of one value the token is the same everywhere.
    titles = [cli.json("ticket", "show", str(added))["title"]]
    titles += [cli.json("ticket", "show", which)["events"][-1]["reason"]]
    assert titles[0] == titles[1] != texts[0]


def test_an_edit_is_kept_with_who_and_why(cli: CommandLine, trouble: Trouble) -> None:
    which = str(trouble("KeyError"))
    said = cli.text("ticket", "edit", which, "--priority", "low", "--reason", "nobody uses it")
    assert said == f"ticket {which} is written\n"
    assert cli.text("ticket", "edit", which, "--priority", "low").endswith("like that already\n")
    shown = cli.json("ticket", "show", which)
    (_, event) = shown["events"]
    assert (event["event"], event["reason"]) == ("edited", "nobody uses it")
    assert event["detail"] == {"priority": ["medium", "low"]}
    assert event["acting_for"]
    text = cli.text("ticket", "show", which)
    assert "nobody uses it; priority medium -> low" in text
    assert "low  a person: postgres" in text


def test_decisions_move_a_ticket_and_keep_their_reason(cli: CommandLine, trouble: Trouble) -> None:
    which = str(trouble("KeyError"))
    for verb, state in {"reject": "rejected", "reopen": "open", "resolve": "applied"}.items():
        cli.text("ticket", verb, which, "--reason", f"because of {verb}")
        shown = cli.json("ticket", "show", which)
        assert (shown["state"], shown["events"][-1]["reason"]) == (state, f"because of {verb}")
    assert cli.json("ticket", "list") == []
    assert [each["state"] for each in cli.json("ticket", "list", "--all")] == ["applied"]


def test_what_is_not_possible_is_refused_with_what_to_do(
    cli: CommandLine, trouble: Trouble
) -> None:
    which = str(trouble("KeyError"))
    cli.text("ticket", "resolve", which, "--reason", "x")
    assert cli.refusal("ticket", "reject", which, "--reason", "x") == (
        f"ticket {which} is applied; it cannot become rejected"
        " | `honed ticket show` tells its state and history"
    )
    for unknown in ("77", str(2**63)):
        assert cli.refusal("ticket", "show", unknown) == (
            f"there is no ticket {unknown} | `honed ticket list --all` shows them"
        )
    assert cli("ticket", "show", "77").exit_code == 2
    assert "there is no target called stock" in cli.refusal(
        "ticket", "add", "x", "--target", "stock"
    )
    for arguments in (
        ("edit", which),
        ("reject", which),
        ("reject", which, "--reason", " "),
        ("add", " "),
        ("add", "x", "--risk", "11"),
        ("add", "x", "--priority", "urgent"),
        ("list", "--state", "lost"),
    ):
        assert cli("ticket", *arguments).exit_code == 2


def test_the_daemon_cannot_decide(cli: CommandLine, trouble: Trouble, daemon_url: str) -> None:
    which = str(trouble("KeyError"))
    cli.env["HONED_STORE_URL"] = daemon_url
    refusal = cli.refusal("ticket", "reject", which, "--reason", "no")
    assert "permission denied for function reject_ticket" in refusal
    assert "honed_operator" in refusal


def test_the_numbers_are_shown_with_their_formulas(cli: CommandLine, trouble: Trouble) -> None:
    trouble("KeyError")
    found = cli.json("ticket", "metrics")
    assert found["values"]["total_tickets"] == 1
    assert {"health_score", "improvement_velocity", "risk_exposure", "quality_trend"} < set(
        found["values"]
    )
    assert "30 / (30 +" in found["meanings"]["health_score"]
    assert [each["time_window"] for each in found["rates"]] == ["hour", "day", "week", "30 days"]
    text = cli.text("ticket", "metrics")
    assert "points of effort a week" in text
    assert "bug_fix" in text


@pytest.mark.usefixtures("finding")
def test_a_scan_says_what_became_of_what_it_found(cli: CommandLine) -> None:
    cli.env["HONED_TICKETS_PER_SCAN"] = "0"
    (report,) = [each for each in cli.json("scan") if each["source"] == "findings"]
    assert (report["found"], report["created"], report["left_out"]) == (1, 0, 1)
    del cli.env["HONED_TICKETS_PER_SCAN"]
    (report,) = cli.json("scan", "--source", "findings")
    assert (report["found"], report["created"]) == (1, 1)
    (ticket,) = cli.json("ticket", "list")
    assert (ticket["target"], ticket["priority"]) == ("shop", "high")
    lines = cli.text("scan", "--source", "findings").splitlines()
    assert lines[1].split("\t")[:6] == ["findings", "1", "0", "0", "0", "0"]


def test_a_scan_that_cannot_be_is_refused(cli: CommandLine) -> None:
    assert "there is no source called 'logs'" in cli.refusal("scan", "--source", "logs")
    cli.env["SELF_IMPROVEMENT_ENABLED"] = "false"
    refusal = cli.refusal("scan")
    assert refusal.startswith("the backlog is switched off")
    assert cli("scan").exit_code == 2


def test_analysis_without_a_repository_is_refused(cli: CommandLine) -> None:
    done = cli("scan", "--source", "code")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "honed: code: no repository is named that could be analysed",
        "  hint: set code_path to the folder of a repository",
    ]


def test_a_source_that_fails_is_named_and_the_others_are_scanned(cli: CommandLine) -> None:
    cli.env["HONED_CODE_PATH"] = "/nowhere/at/all"
    cli.env["HONED_TICKET_SOURCES"] = "code, performance"
    done = cli("scan", "--json")
    assert done.exit_code == 1
    reports = {each["source"]: each for each in json.loads(done.stdout)}
    assert reports["findings"]["error"] == ""
    assert "/nowhere/at/all" in reports["code"]["error"]
    said = json.loads(done.stderr)
    assert (said["error"], "code_path" in said["hint"]) == ("SourceFailed", True)
