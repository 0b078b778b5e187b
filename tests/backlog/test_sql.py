"""The backlog from psql: each role does what it is for, and errors tell what to do next."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from honed.backlog.store import answers
from honed.core.answer import Answer
from honed.errors import NotAllowed
from honed.storage.db import Database

At = Callable[..., Database]

#: Calls by the least role of persons that may make them; the daemon is another branch.
PERSONS = [
    "honed.add_ticket('another')",
    "honed.edit_ticket(1, priority => 'high')",
    "honed.reject_ticket(1, 'no')",
    "honed.resolve_ticket(1, 'done')",
    "honed.reopen_ticket(2, 'again')",
    "honed.answer_ticket(1, 'total([])', returns => '0')",
]
DAEMONS = [
    "honed.move_ticket(1, 'in_progress')",
    "honed.begin_attempt(1)",
    "honed.end_attempt(1, false)",
]


def ask(database: Database, statement: str, *values: object) -> Any:
    """Return the one value that a statement returns."""
    with database.transaction() as conn:
        (row,) = conn.execute(statement.encode(), values)
    (value,) = row.values()
    return value


def refusal(database: Database, statement: str, *values: object) -> tuple[str, str]:
    """Return SQLSTATE and hint of the error that a statement ends in."""
    try:
        ask(database, statement, *values)
    except Exception as error:  # noqa: BLE001 - the driver's, or one of honed's around it
        cause: Any = error.__cause__ or error
        return cause.sqlstate, cause.diag.message_hint
    pytest.fail(f"not refused: {statement}")


@pytest.fixture
def backlog(store: Database) -> Database:
    """Return a store with an open ticket 1, with an attempt that goes on, and 2, rejected."""
    daemon = replace(store, role="honed_daemon")
    for title in ("first", "second"):
        ask(store, "SELECT honed.add_ticket(%s)", title)
    ask(store, "SELECT honed.reject_ticket(2, 'no')")
    ask(daemon, "SELECT honed.begin_attempt(1)")
    ask(daemon, "SELECT honed.move_ticket(1, 'open')")
    return store


@pytest.mark.parametrize(
    ("role", "calls"),
    [
        ("honed_viewer", []),
        ("honed_operator", PERSONS),
        ("honed_approver", PERSONS),
        ("honed_daemon", DAEMONS),
    ],
)
def test_each_role_may_do_what_it_is_for(backlog: Database, role: str, calls: list[str]) -> None:
    person = replace(backlog, role=role)
    for call in (*PERSONS, *DAEMONS):
        statement = f"SELECT {call}".encode()
        if call in calls:
            with person.transaction() as conn, conn.transaction(force_rollback=True):
                conn.execute(statement)
        else:
            with pytest.raises(NotAllowed), person.transaction() as conn:
                conn.execute(statement)


def test_whom_to_ask_is_said(backlog: Database) -> None:
    for role, call, who in (
        ("honed_daemon", PERSONS[2], "honed_operator"),
        ("honed_operator", DAEMONS[0], "honed_daemon"),
    ):
        with (
            pytest.raises(NotAllowed) as refused,
            replace(backlog, role=role).transaction() as conn,
        ):
            conn.execute(f"SELECT {call}".encode())
        assert who in refused.value.hint


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("honed.edit_ticket(77)", "HN404"),
        ("honed.reject_ticket(77, 'no')", "HN404"),
        ("honed.reopen_ticket(null, 'no')", "HN404"),
        ("honed.answer_ticket(77, 'total([])', '0')", "HN404"),
        ("honed.move_ticket(77, 'open')", "HN404"),
        ("honed.begin_attempt(77)", "HN404"),
        ("honed.end_attempt(77, true)", "HN404"),
        ("honed.add_ticket('x', target => 'nowhere')", "HN404"),
        ("honed.add_ticket('first')", "HN411"),
        ("honed.reject_ticket(2, 'no')", "HN411"),
        ("honed.move_ticket(2, 'open')", "HN411"),
        ("honed.end_attempt(1, true)", ""),
    ],
)
def test_what_is_refused_says_what_to_ask_next(backlog: Database, call: str, code: str) -> None:
    if not code:
        # It goes on although its ticket was taken back, and can still say how it ended.
        ask(backlog, f"SELECT {call}")
        code = "HN411"
    found, hint = refusal(backlog, f"SELECT {call}")
    assert found == code
    # A hint that is SQL works.
    with backlog.transaction() as conn:
        conn.execute(hint.encode())


@pytest.mark.parametrize("reason", ["''", "'  '", "null"])
def test_a_decision_needs_a_reason(backlog: Database, reason: str) -> None:
    code, hint = refusal(backlog, f"SELECT honed.reject_ticket(1, {reason})")
    assert (code, "say in words why" in hint) == ("22023", True)


@pytest.mark.parametrize(
    "wrong",
    [
        "honed.add_ticket(' ')",
        "honed.add_ticket('x', priority => 'urgent')",
        "honed.add_ticket('x', risk_level => 11)",
        "honed.edit_ticket(1, estimated_effort => 0)",
        "honed.edit_ticket(1, category => 'chore')",
    ],
)
def test_a_value_that_makes_no_sense_is_not_stored(backlog: Database, wrong: str) -> None:
    assert refusal(backlog, f"SELECT {wrong}")[0] == "23514"


def test_what_is_added_and_edited_by_sql_is_kept_with_its_terms(backlog: Database) -> None:
    assert ask(backlog, "SELECT honed.edit_ticket(1, risk_level => 2, reason => 'small')")
    assert not ask(backlog, "SELECT honed.edit_ticket(1, risk_level => 2)")
    with backlog.transaction() as conn:
        (row,) = conn.execute(
            "SELECT risk_level, priority, terms -> 'risk_level' -> 0 AS term FROM honed.ticket"
            " WHERE ticket_id = 1"
        )
        (event,) = conn.execute(
            "SELECT detail, reason, done_by FROM honed.ticket_event WHERE event = 'edited'"
        )
    assert (row["risk_level"], row["priority"]) == (2, "medium")
    assert row["term"] == {"name": "a person", "value": "postgres", "contribution": "2"}
    assert event == {"detail": {"risk_level": [5, 2]}, "reason": "small", "done_by": "postgres"}


@pytest.mark.parametrize("schema", ["pg_temp", "public"])
def test_nobody_can_slip_his_own_objects_in(backlog: Database, schema: str) -> None:
    """A function that runs as its owner must not find tables of its caller."""
    with backlog.transaction() as conn:
        conn.execute("GRANT CREATE ON SCHEMA public TO public")
    with replace(backlog, role="honed_operator").transaction() as conn:
        conn.execute(f"SET search_path = {schema}, honed, public".encode())
        for table in ("ticket", "ticket_event"):
            conn.execute(f"CREATE TABLE {schema}.{table} (LIKE honed.{table})".encode())
        conn.execute("SELECT honed.resolve_ticket(1, 'done')")
        for table in ("ticket", "ticket_event"):
            conn.execute(f"DROP TABLE {schema}.{table}".encode())
    assert ask(backlog, "SELECT state FROM honed.ticket WHERE ticket_id = 1") == "applied"


@pytest.mark.parametrize(
    "wrong",
    [
        "honed.answer_ticket(1, ' ', returns => '0')",
        "honed.answer_ticket(1, 'total([])')",
        "honed.answer_ticket(1, 'total([])', returns => '0', raises => 'KeyError')",
        "honed.answer_ticket(1, null, returns => '0')",
    ],
)
def test_an_answer_names_a_call_and_one_end_of_it(backlog: Database, wrong: str) -> None:
    code, hint = refusal(backlog, f"SELECT {wrong}")
    assert code == "22023"
    ask(backlog, hint)


def test_answers_are_only_ever_added_to(backlog: Database) -> None:
    for returns in ("0", "None"):
        ask(backlog, "SELECT honed.answer_ticket(1, 'total([])', %s)", returns)
    with replace(backlog, role="honed_daemon").transaction() as conn:
        found = answers(conn, 1)
        assert answers(conn, 2) == []
    assert [each.answer for each in found] == [
        Answer("total([])", "0"),
        Answer("total([])", "None"),
    ]
    assert found[0].done_by == "postgres"
    for change in ("UPDATE honed.ticket_answer SET returns = '1'", "TRUNCATE honed.ticket_answer"):
        with pytest.raises(NotAllowed), backlog.transaction() as conn:
            conn.execute(change.encode())
