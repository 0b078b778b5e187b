"""What people do from psql: they may do what their role allows, and errors tell what to do next."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from honed.approval.policy import write_policy
from honed.config import Autonomy, Settings
from honed.core.verdict import State
from honed.errors import NotAllowed
from honed.jobs.messages import Message, parse
from honed.jobs.queue import defer
from honed.loop.messages import Act, Analyze
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target, list_targets, remove_target
from honed.testing.improvements import Improvements

LogIn = Callable[[str], Database]


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


def sent(store: Database, message_type: type[Message]) -> list[tuple[Message, str | None]]:
    """Return the messages of a type that wait, checked against their contract, with their locks."""
    with store.transaction() as conn:
        rows = conn.execute(
            """
            SELECT args::text AS text, lock, queueing_lock FROM honed.procrastinate_jobs
             WHERE queue_name = %s AND task_name = %s AND status = 'todo' ORDER BY id
            """,
            (message_type.queue, message_type.task),
        ).fetchall()
    messages = [parse(message_type, row["text"]) for row in rows]
    for message, row in zip(messages, rows, strict=True):
        assert (message.lock(), message.queueing_lock()) == (row["lock"], row["queueing_lock"])
    return [(message, row["lock"]) for message, row in zip(messages, rows, strict=True)]


CALLS = {
    "honed.run_cycle('shop')": "honed_operator",
    "honed.reject(%(waiting)s, 'no')": "honed_operator",
    "honed.rollback(%(kept)s, 'no')": "honed_operator",
    "honed.stop('lunch')": "honed_operator",
    "honed.start()": "honed_operator",
    "honed.replay_dead_letter(%(letter)s)": "honed_operator",
    "honed.discard_dead_letter(%(letter)s)": "honed_operator",
    "honed.approve(%(waiting)s, %(digest)s)": "honed_approver",
}
RANKS = ["", "honed_viewer", "honed_operator", "honed_approver"]


@pytest.fixture
def world(improvements: Improvements) -> dict[str, object]:
    """Return what the calls need: an improvement that waits, one that was kept, a dead letter."""
    waiting = improvements.create(State.AWAITING_APPROVAL)
    kept = improvements.create(State.KEPT)
    letter = ask(
        improvements.store,
        "INSERT INTO honed.dead_letter (job_id, queue, task, message, cause, error)"
        " VALUES (1, 'act', 'act', '{}', 'contract', 'broken') RETURNING dead_letter_id",
    )
    return {
        "waiting": waiting.improvement_id,
        "digest": waiting.digest,
        "kept": kept.improvement_id,
        "letter": letter,
    }


@pytest.mark.parametrize("role", RANKS)
def test_each_role_may_do_what_it_is_for(
    world: dict[str, object], log_in: LogIn, role: str
) -> None:
    person = log_in(role)
    for call, needed in CALLS.items():
        statement = f"SELECT {call}".encode()
        if RANKS.index(role) >= RANKS.index(needed):
            with person.transaction() as conn, conn.transaction(force_rollback=True):
                conn.execute(statement, world)
        else:
            with pytest.raises(NotAllowed), person.transaction() as conn:
                conn.execute(statement, world)


MOVES = [
    b"UPDATE honed.target SET name = 'production'",
    b"UPDATE honed.target SET act_url = 'postgresql:///production'",
    b"UPDATE honed.target SET observe_url = 'postgresql:///production'",
    b"UPDATE honed.target SET options = '{}'",
]
DETOURS = [
    b"UPDATE honed.improvement SET state = 'approved'",
    (
        b"INSERT INTO honed.approval (improvement_id, decision, authority, decided_by)"
        b" VALUES (1, 'rejected', 'person', 'me')"
    ),
    b"UPDATE honed.policy SET autonomy = 'full'",
    b"UPDATE honed.switch SET stopped = false",
    b"INSERT INTO honed.procrastinate_jobs (queue_name, task_name) VALUES ('act', 'act')",
    b"SELECT honed.defer_message('act', 'act', '{}')",
    b"SELECT honed.approve_by_policy(1)",
    b"SELECT honed.decision_time()",
    b"DELETE FROM honed.log_entry",
    *MOVES,
]


@pytest.mark.parametrize("role", RANKS)
def test_nobody_goes_around_the_functions(store: Database, log_in: LogIn, role: str) -> None:
    assert store.role == ""
    person = log_in(role)
    for statement in DETOURS:
        with pytest.raises(NotAllowed), person.transaction() as conn:
            conn.execute(statement)


def test_an_operator_adds_and_removes_targets(log_in: LogIn) -> None:
    operator = log_in("honed_operator")
    add_target(operator, TargetRecord("stock", "postgresql:///stock"))
    remove_target(operator, "stock")
    assert list_targets(operator) == []


def test_the_daemon_neither_adds_a_target_nor_moves_one(improvements: Improvements) -> None:
    daemon = replace(improvements.store, role="honed_daemon")
    assert [target.name for target in list_targets(daemon)] == ["shop"]
    with pytest.raises(NotAllowed):
        add_target(daemon, TargetRecord("stock", "postgresql:///stock"))
    for move in MOVES:
        with pytest.raises(NotAllowed), daemon.transaction() as conn:
            conn.execute(move)


def test_run_cycle_sends_what_the_loop_understands(
    improvements: Improvements, log_in: LogIn
) -> None:
    operator = log_in("honed_operator")
    cycle_id = ask(
        operator,
        """
        SELECT honed.run_cycle('shop', dry_run => false, max_changes => 3,
          require_approval => false, target_area => 'performance', lookback => '48 hours',
          storage_budget_mb => 50, write_budget => 2.5)
        """,
    )
    message = Analyze(target_id=improvements.target_id, cycle_id=cycle_id)
    assert sent(improvements.store, Analyze) == [(message, None)]
    with improvements.store.transaction() as conn:
        (cycle,) = conn.execute(
            """
            SELECT phase, dry_run, max_changes, require_approval, target_area, requested_by,
                   storage_budget_mb, write_budget,
                   extract(epoch FROM lookback) / 3600 AS lookback_hours
              FROM honed.cycle WHERE cycle_id = %s
            """,
            (cycle_id,),
        )
    assert cycle == {
        "phase": "waiting",
        "dry_run": False,
        "max_changes": 3,
        "require_approval": False,
        "target_area": "performance",
        "requested_by": ask(operator, "SELECT session_user::text"),
        "storage_budget_mb": 50,
        "write_budget": 2.5,
        "lookback_hours": 48,
    }


def test_run_cycle_is_a_dry_run_of_one_day_by_default(improvements: Improvements) -> None:
    cycle_id = ask(improvements.store, "SELECT honed.run_cycle('shop')")
    with improvements.store.transaction() as conn:
        (cycle,) = conn.execute(
            """
            SELECT dry_run, max_changes, require_approval, target_area,
                   lookback = interval '24 hours' AS is_a_day
              FROM honed.cycle WHERE cycle_id = %s
            """,
            (cycle_id,),
        )
    assert list(cycle.values()) == [True, 1, True, "", True]


def test_a_cycle_for_now_takes_the_place_of_the_timer(improvements: Improvements) -> None:
    timer = improvements.cycle()
    store, target_id = improvements.store, improvements.target_id
    ask(
        store,
        "SELECT honed.defer_message('analyze', 'analyze', jsonb_build_object('version', 1,"
        " 'target_id', %s::bigint, 'cycle_id', %s::bigint), 0, null, %s, 900)",
        target_id,
        timer,
        f"analyze:{target_id}",
    )
    now = ask(store, "SELECT honed.run_cycle('shop')")
    assert sent(store, Analyze) == [(Analyze(target_id=target_id, cycle_id=now), None)]
    assert ask(store, "SELECT phase FROM honed.cycle WHERE cycle_id = %s", timer) == "superseded"
    assert refusal(store, "SELECT honed.run_cycle('shop')")[0] == "HN410"


@pytest.mark.parametrize(
    "options",
    [
        "max_changes => -1",
        "max_changes => null",
        "lookback => '-1 hour'",
        "storage_budget_mb => 0",
        "write_budget => 1",
        "write_budget => 'NaN'",
        "write_budget => 'infinity'",
        "lookback => '0'",
        "target_area => 'world peace'",
        "dry_run => null",
    ],
)
def test_a_cycle_that_makes_no_sense_is_refused(improvements: Improvements, options: str) -> None:
    code, hint = refusal(improvements.store, f"SELECT honed.run_cycle('shop', {options})")
    assert code == "22023"
    assert "target_area" in hint


def test_who_wants_changes_under_observe_is_told(improvements: Improvements) -> None:
    with improvements.store.transaction() as conn:
        write_policy(conn, Settings())
    notices: list[str] = []
    with improvements.store.transaction() as conn:
        conn.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        conn.execute("SELECT honed.run_cycle('shop', dry_run => false)")
    assert notices == ["the autonomy is observe, so this will be a dry run"]


def test_an_approval_is_recorded_with_its_login_and_sent(
    improvements: Improvements, log_in: LogIn
) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    approver = log_in("honed_approver")
    login = ask(approver, "SELECT session_user::text")
    approval_id = ask(
        approver,
        "SELECT honed.approve(%s, %s)",
        improvement.improvement_id,
        improvement.digest.upper(),
    )
    with improvements.store.transaction() as conn:
        (row,) = conn.execute(
            """
            SELECT decision, authority, digest, decided_by, expires_at - decided_at AS ttl
              FROM honed.approval WHERE approval_id = %s
            """,
            (approval_id,),
        )
    assert (row["decision"], row["authority"], row["decided_by"]) == ("approved", "person", login)
    assert row["digest"] == improvement.digest
    assert row["ttl"].total_seconds() == pytest.approx(72 * 3600, abs=1)
    act = Act(target_id=improvement.target_id, improvement_id=improvement.improvement_id)
    assert sent(improvements.store, Act) == [(act, f"target:{improvement.target_id}")]


def test_a_refused_approval_leaves_nothing(improvements: Improvements, log_in: LogIn) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    approver = log_in("honed_approver")
    approve = "SELECT honed.approve(%s, %s)"
    which = improvement.improvement_id
    assert refusal(approver, approve, which, "0" * 64)[0] == "HN409"
    assert refusal(approver, approve, which, None)[0] == "HN409"
    assert refusal(approver, approve, 4711, improvement.digest)[0] == "HN404"
    assert refusal(approver, approve, None, improvement.digest)[0] == "HN404"
    assert sent(improvements.store, Act) == []
    assert ask(improvements.store, "SELECT count(*) FROM honed.approval") == 0


def test_only_what_waits_is_approved(improvements: Improvements) -> None:
    for state in set(State) - {State.AWAITING_APPROVAL}:
        improvement = improvements.create(state)
        which = improvement.improvement_id
        approve = "SELECT honed.approve(%s, %s)"
        code, hint = refusal(improvements.store, approve, which, improvement.digest)
        assert code == "HN410"
        assert str(which) in hint


def test_what_is_decided_is_not_decided_again(improvements: Improvements) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    which, store = improvement.improvement_id, improvements.store
    ask(store, "SELECT honed.approve(%s, %s)", which, improvement.digest)
    approve = "SELECT honed.approve(%s, %s)"
    assert refusal(store, approve, which, improvement.digest)[0] == "HN410"
    ask(store, "SELECT honed.reject(%s, 'no')", which)
    assert refusal(store, "SELECT honed.reject(%s, 'no')", which)[0] == "HN410"
    assert refusal(store, approve, which, improvement.digest)[0] == "HN410"


def test_nothing_is_approved_under_observe(improvements: Improvements) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    with improvements.store.transaction() as conn:
        write_policy(conn, Settings())
    which, store = improvement.improvement_id, improvements.store
    approve = "SELECT honed.approve(%s, %s)"
    code, hint = refusal(store, approve, which, improvement.digest)
    assert code == "HN410"
    assert "supervised, limited or full" in hint
    assert sent(store, Act) == []
    assert ask(store, "SELECT count(*) FROM honed.approval") == 0


def test_an_approval_under_an_old_policy_is_stale(improvements: Improvements) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    with improvements.store.transaction() as conn:
        write_policy(conn, Settings(autonomy=Autonomy.SUPERVISED))
    code, hint = refusal(
        improvements.store,
        "SELECT honed.approve(%s, %s)",
        improvement.improvement_id,
        improvement.digest,
    )
    assert code == "HN409"
    assert "present digest" in hint


def test_what_waited_too_long_is_not_approved(improvements: Improvements) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    late = replace(improvements.store, fake_now=datetime.now(UTC) + timedelta(hours=73))
    code, hint = refusal(
        late, "SELECT honed.approve(%s, %s)", improvement.improvement_id, improvement.digest
    )
    assert code == "HN409"
    assert "a later cycle" in hint


def test_an_approver_cannot_turn_the_clock(improvements: Improvements, log_in: LogIn) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    with log_in("honed_approver").transaction() as conn:
        conn.execute("SET honed.fake_now = '2100-01-01'")
        conn.execute(
            "SELECT honed.approve(%s, %s)", (improvement.improvement_id, improvement.digest)
        )
    assert ask(
        improvements.store,
        "SELECT expires_at < now() + interval '73 hours' FROM honed.approval",
    )


def test_a_rejection_is_sent(improvements: Improvements) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    ask(improvements.store, "SELECT honed.reject(%s, 'no')", improvement.improvement_id)
    act = Act(target_id=improvement.target_id, improvement_id=improvement.improvement_id)
    assert sent(improvements.store, Act) == [(act, f"target:{improvement.target_id}")]


def test_what_is_applied_is_rolled_back_and_what_is_not_is_rejected(
    improvements: Improvements,
) -> None:
    store = improvements.store
    reject, rollback = "SELECT honed.reject(%s, 'no')", "SELECT honed.rollback(%s, 'no')"
    for state in State:
        improvement = improvements.create(state)
        which = improvement.improvement_id
        if state in {State.AWAITING_APPROVAL, State.APPROVED}:
            ask(store, reject, which)
        else:
            assert refusal(store, reject, which)[0] == "HN410"
        if state in {State.APPLYING, State.WATCHING, State.KEPT}:
            ask(store, rollback, which)
            message, _ = sent(store, Act)[-1]
            assert message == Act(
                target_id=improvement.target_id, improvement_id=which, roll_back=True, reason="no"
            )
        else:
            assert refusal(store, rollback, which)[0] == "HN410"


def test_a_long_reason_is_cut_for_the_message_and_kept_for_the_record(
    improvements: Improvements,
) -> None:
    improvement = improvements.create(State.KEPT)
    words = "ü" * 5000
    ask(improvements.store, "SELECT honed.rollback(%s, %s)", improvement.improvement_id, words)
    ((message, _),) = sent(improvements.store, Act)
    assert isinstance(message, Act)
    assert message.reason == words[:1000]
    assert ask(improvements.store, "SELECT reason FROM honed.approval") == words


def test_unknown_things_are_named(improvements: Improvements) -> None:
    for statement in (
        "SELECT honed.run_cycle('nowhere')",
        "SELECT honed.run_cycle(null)",
        "SELECT honed.reject(4711, 'no')",
        "SELECT honed.rollback(4711, 'no')",
        "SELECT honed.replay_dead_letter(4711)",
        "SELECT honed.discard_dead_letter(4711)",
    ):
        code, hint = refusal(improvements.store, statement)
        assert code == "HN404"
        assert hint.startswith("select ")
        # A hint that is SQL works.
        with improvements.store.transaction() as conn:
            conn.execute(hint.encode())


def test_a_removed_target_has_no_cycles(improvements: Improvements) -> None:
    ask(improvements.store, "UPDATE honed.target SET removed_at = now() RETURNING 1")
    assert refusal(improvements.store, "SELECT honed.run_cycle('shop')")[0] == "HN404"


def test_stop_says_who_and_why(improvements: Improvements, log_in: LogIn) -> None:
    operator = log_in("honed_operator")
    login = ask(operator, "SELECT session_user::text")
    with operator.transaction() as conn:
        conn.execute("SELECT honed.stop('lunch')")
    with improvements.store.transaction() as conn:
        (switch,) = conn.execute("SELECT stopped, reason, changed_by FROM honed.switch")
    assert switch == {"stopped": True, "reason": "lunch", "changed_by": login}


def test_start_lets_changes_that_waited_go_on_at_once(
    improvements: Improvements, log_in: LogIn
) -> None:
    operator, daemon = log_in("honed_operator"), replace(improvements.store, role="honed_daemon")
    improvement = improvements.create(State.APPROVED)
    which, target_id = improvement.improvement_id, improvement.target_id

    def still_waiting() -> set[str]:
        with improvements.store.transaction() as conn:
            rows = conn.execute(
                """
                SELECT queue_name FROM honed.procrastinate_jobs
                 WHERE status = 'todo' AND scheduled_at > clock_timestamp()
                """
            )
            return {row["queue_name"] for row in rows}

    with daemon.transaction() as conn:
        defer(conn, Act(target_id=target_id, improvement_id=which), delay_s=3600)
        defer(conn, Analyze(target_id=target_id, cycle_id=improvement.cycle_id), delay_s=3600)
    with operator.transaction() as conn:
        conn.execute("SELECT honed.start()")
    assert still_waiting() == {"act", "analyze"}
    with operator.transaction() as conn:
        conn.execute("SELECT honed.stop('lunch')")
        conn.execute("SELECT honed.start()")
    assert still_waiting() == {"analyze"}
    assert ask(operator, "SELECT stopped FROM honed.switch") is False


@pytest.mark.parametrize("schema", ["pg_temp", "public"])
def test_nobody_can_slip_his_own_objects_in(
    improvements: Improvements, log_in: LogIn, schema: str
) -> None:
    """A function that runs as its owner must not find tables of its caller."""
    improvement = improvements.create(State.AWAITING_APPROVAL)
    with improvements.store.transaction() as conn:
        conn.execute("GRANT CREATE ON SCHEMA public TO public")
    with log_in("honed_approver").transaction() as conn:
        conn.execute(f"SET search_path = {schema}, honed, public".encode())
        conn.execute(f"CREATE TABLE {schema}.policy (LIKE honed.policy)".encode())
        conn.execute(f"CREATE TABLE {schema}.improvement (LIKE honed.improvement)".encode())
        conn.execute(f"CREATE TABLE {schema}.procrastinate_jobs (id bigint)".encode())
        conn.execute(
            "SELECT honed.approve(%s, %s)", (improvement.improvement_id, improvement.digest)
        )
        conn.execute(f"DROP TABLE {schema}.policy, {schema}.improvement".encode())
        conn.execute(f"DROP TABLE {schema}.procrastinate_jobs".encode())
    assert len(sent(improvements.store, Act)) == 1
