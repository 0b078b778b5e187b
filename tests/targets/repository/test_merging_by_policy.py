"""What a policy lets in without a person, when it does not, and what the ledger says of it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from honed.approval.policy import write_policy
from honed.config import Autonomy, Settings
from honed.core.forge import ChangeState, CheckState, Forge, Proposal
from honed.core.risk import Danger
from honed.core.verdict import State
from honed.forge.connect import Place, connect
from honed.improvement.record import Improvement
from honed.ledger.keys import Signer
from honed.ledger.log import read_entries, read_head
from honed.ledger.statement import Statement, unseal
from honed.ledger.verify import verify_log
from honed.storage.db import Database
from honed.targets.repository.requests import changes, reviewing
from honed.targets.repository.requests.change import Change, Lane, Limits, NewChange
from honed.targets.repository.requests.reviewing import Attention, Desk, Terms
from honed.testing.forges.github import GITHUB
from honed.testing.forges.server import FakeForge, Said, Trouble, serving
from honed.testing.forges.state import FakeCheck
from honed.testing.forges.waits import Waits
from honed.testing.improvements import Claim, Improvements

PASSED = {"gate": "allowed_paths", "passed": True, "reason": "x", "evidence": {}, "refutes": True}
FREE = Settings(autonomy=Autonomy.FULL, require_human_approval=False)


@pytest.fixture
def fake() -> Iterator[FakeForge]:
    with serving(GITHUB) as running:
        yield running
    assert running.undocumented == []


@pytest.fixture
def forge(fake: FakeForge) -> Forge:
    place = Place("github", "shop/cart", fake.url, "T")
    return connect(place, clock=Waits().clock, environment={"T": fake.token})


@pytest.fixture
def desk(daemon: Database, forge: Forge, signer: Signer) -> Desk:
    return Desk(daemon, forge, signer, Terms(expected=frozenset({"tests"})))


#: Makes an improvement that was published, of this claim and with these gates.
Make = Callable[..., Improvement]


@pytest.fixture
def make(improvements: Improvements, store: Database) -> Make:
    def made(claim: Claim | None = None, gates: tuple[object, ...] = (PASSED,)) -> Improvement:
        found = improvements.create(State.WATCHING, claim=claim)
        with store.transaction() as conn:
            conn.execute(
                "UPDATE honed.improvement SET evidence = %s WHERE improvement_id = %s",
                (json.dumps({"gates": gates}), found.improvement_id),
            )
        return found

    return made


def opened(desk: Desk, fake: FakeForge, improvement: Improvement) -> Change:
    """Return a change of it, in the lane that the policy gives it."""
    branches = fake.repository.branches
    new = NewChange(
        target_id=improvement.target_id,
        proposal=Proposal("improvement/12", "main", "Count from one", "Why."),
        root_cause="AttributeError at shop.cart",
        patch_digest="d" * 64,
        base_commit=branches["main"],
        head_commit=branches["improvement/12"],
        forge="github",
        improvement_id=improvement.improvement_id,
        lane=reviewing.lane_at(desk, improvement.improvement_id),
    )
    return reviewing.publish(desk, new, Limits(), Attention())


def let_pass(fake: FakeForge) -> None:
    head = fake.repository.branches["improvement/12"]
    fake.repository.checks[head] = [FakeCheck("tests", CheckState.PASSED, "12 passed")]


def told(desk: Desk) -> list[Statement]:
    """Return what the ledger says of changes, once all of it is verified."""
    assert desk.signer is not None
    key = desk.signer.public_key
    with desk.store.transaction() as conn:
        verify_log(conn, key, ())
        entries = read_entries(conn, 0, read_head(conn).size)
    said = [unseal(each.envelope.encode(), key) for each in entries]
    return [each for each in said if each.event.startswith("change_")]


def test_what_is_harmless_is_merged_once_its_checks_have_passed(
    desk: Desk, fake: FakeForge, make: Make
) -> None:
    change = opened(desk, fake, make())
    assert change.lane is Lane.AUTOMERGE
    assert reviewing.carry_out(desk, "shop") == {}
    assert fake.repository.changes[1].is_open, "its checks have not come"
    let_pass(fake)
    assert reviewing.carry_out(desk, "shop") == {change.change_id: ""}
    assert reviewing.carry_out(desk, "shop") == {}
    merged = desk.read(change.change_id)
    assert (merged.state, merged.merge_asked_by) == (ChangeState.MERGED, "the policy")
    assert merged.checks[0].tests is not None
    asked, ended = told(desk)
    assert (asked.event, ended.event) == ("change_merge_asked", "change_merged")
    assert "policy" in str(asked.detail["detail"])
    assert ended.detail["merge_commit"] == merged.merge_commit
    assert ended.detail["improvement_id"] == merged.improvement_id
    assert asked.parents
    assert ended.parents != asked.parents


@pytest.mark.parametrize(
    ("claim", "rules", "why"),
    [
        (Claim(danger=Danger.EXTERNAL), {}, "danger external"),
        (Claim(risk=8), {}, "above 7"),
        (Claim(priority=1), {"auto_approve_threshold": 2}, "priority 1 is below 2"),
        (Claim(), {"autonomy": Autonomy.SUPERVISED}, "supervised"),
        (Claim(), {"require_human_approval": True}, "wants a person"),
        (Claim(), {"autonomy": Autonomy.LIMITED}, "no target area"),
        (Claim(), {"autonomy": Autonomy.LIMITED, "target_area": "quality"}, "area quality"),
    ],
)
def test_what_needs_a_person_waits_for_one(
    desk: Desk,
    fake: FakeForge,
    make: Make,
    store: Database,
    *,
    claim: Claim,
    rules: dict[str, object],
    why: str,
) -> None:
    improvement = make(claim)
    with store.transaction() as conn:
        write_policy(conn, FREE.model_copy(update=rules))
    with desk.store.transaction() as conn:
        lane, reason = changes.lane_of(conn, improvement.improvement_id)
    assert lane is Lane.REVIEW
    assert why in reason
    change = opened(desk, fake, improvement)
    let_pass(fake)
    assert reviewing.carry_out(desk, "shop") == {}
    assert desk.read(change.change_id).state is ChangeState.OPEN


@pytest.mark.parametrize("proposer", ["language_model", "revert_commit"])
def test_what_does_more_than_tests_can_tell_waits_for_a_person(
    desk: Desk, make: Make, store: Database, proposer: str
) -> None:
    improvement = make()
    assert reviewing.lane_at(desk, improvement.improvement_id) is Lane.AUTOMERGE
    with store.transaction() as conn:
        conn.execute(
            "UPDATE honed.improvement SET hypothesis ="
            " jsonb_set(hypothesis, '{parameters,proposer}', to_jsonb(%s::text))",
            [proposer],
        )
    with desk.store.transaction() as conn:
        lane, reason = changes.lane_of(conn, improvement.improvement_id)
    assert (lane, reason) == (Lane.REVIEW, f"only a person lets in what {proposer} proposes")


def test_without_settings_a_person_lets_everything_in(make: Make, store: Database) -> None:
    improvement = make()
    with store.transaction() as conn:
        write_policy(conn, Settings())
        assert changes.lane_of(conn, improvement.improvement_id)[0] is Lane.REVIEW
        assert changes.lane_of(conn, None) == (Lane.REVIEW, "it is in no record")


@pytest.mark.parametrize(
    "gates", [(), ({**PASSED, "passed": False},), ({**PASSED, "gate": "coverage"},)]
)
def test_what_no_gate_found_harmless_waits_for_a_person(
    desk: Desk, make: Make, gates: tuple[object, ...]
) -> None:
    improvement = make(gates=gates)
    assert reviewing.lane_at(desk, improvement.improvement_id) is Lane.REVIEW


def test_where_no_check_is_named_a_person_decides_when_all_have_passed(
    desk: Desk, make: Make
) -> None:
    unnamed = replace(desk, terms=Terms())
    assert reviewing.lane_at(unnamed, make().improvement_id) is Lane.REVIEW


def test_a_policy_that_was_narrowed_meanwhile_merges_nothing(
    desk: Desk, fake: FakeForge, make: Make, store: Database
) -> None:
    change = opened(desk, fake, make())
    let_pass(fake)
    with store.transaction() as conn:
        write_policy(conn, FREE.model_copy(update={"autonomy": Autonomy.SUPERVISED}))
    for _ in range(2):
        assert reviewing.carry_out(desk, "shop") == {}
    waits = desk.read(change.change_id)
    assert (waits.state, waits.lane) == (ChangeState.OPEN, Lane.REVIEW)
    with desk.store.transaction() as conn:
        told = [
            each for each in changes.events(conn, change.change_id) if each.event == "to_review"
        ]
    assert [each.reason for each in told] == ["the autonomy is supervised"]


def test_what_was_proven_on_an_older_base_waits_for_a_person(
    desk: Desk, fake: FakeForge, make: Make, store: Database
) -> None:
    change = opened(desk, fake, make())
    let_pass(fake)
    fake.repository.commit("main")
    assert reviewing.carry_out(desk, "shop") == {}
    waits = desk.read(change.change_id)
    assert (waits.state, waits.lane) == (ChangeState.OPEN, Lane.REVIEW)
    with desk.store.transaction() as conn:
        (told,) = (e for e in changes.events(conn, change.change_id) if e.event == "to_review")
    assert told.reason == "main has moved since it was proven"
    with replace(store, role="honed_approver").transaction() as conn:
        changes.ask_merge(conn, change.change_id)
    assert reviewing.carry_out(desk, "shop") == {change.change_id: ""}, "a person may"


def test_a_base_that_moves_once_the_policy_has_asked_is_not_merged_into(
    desk: Desk, fake: FakeForge, make: Make
) -> None:
    change = opened(desk, fake, make())
    let_pass(fake)

    def meanwhile() -> str:
        fake.repository.commit("main")
        return ""

    said = reviewing.carry_out(desk, "shop", why_not=meanwhile)
    assert said == {change.change_id: "main has moved since the change was proven"}
    assert fake.repository.changes[1].is_open
    assert reviewing.carry_out(desk, "shop") == {}
    assert desk.read(change.change_id).lane is Lane.REVIEW


def test_where_nobody_knows_the_base_the_policy_merges_nothing(
    desk: Desk, fake: FakeForge, make: Make
) -> None:
    change = opened(desk, fake, make())
    let_pass(fake)
    assert reviewing.refresh(desk, change.change_id).checks_state is CheckState.PASSED
    with desk.store.transaction() as conn:
        said = changes.merge_by_policy(conn, change.change_id, base_head="")
    assert said == (False, "nobody knows where main is")


def test_what_the_forge_did_not_take_is_asked_once_more_before_it_is_tried_again(
    desk: Desk, fake: FakeForge, make: Make, store: Database
) -> None:
    change = opened(desk, fake, make())
    let_pass(fake)
    fake.troubles.append(Trouble(Said(409, {"message": "try again"}), where="/merge$"))
    assert reviewing.carry_out(desk, "shop")[change.change_id]
    assert desk.read(change.change_id).merge_asked_by == "the policy"
    with store.transaction() as conn:
        write_policy(conn, FREE.model_copy(update={"require_human_approval": True}))
    assert reviewing.carry_out(desk, "shop") == {}
    waits = desk.read(change.change_id)
    assert (waits.state, waits.lane, waits.merge_asked_by) == (ChangeState.OPEN, Lane.REVIEW, "")
    with replace(store, role="honed_approver").transaction() as conn:
        changes.ask_merge(conn, change.change_id)
    assert reviewing.carry_out(desk, "shop") == {change.change_id: ""}


def test_what_the_policy_asked_for_waits_while_nobody_names_checks_or_they_run_again(
    desk: Desk, fake: FakeForge, make: Make
) -> None:
    change = opened(desk, fake, make())
    let_pass(fake)
    fake.troubles.append(Trouble(Said(409, {"message": "try again"}), where="/merge$"))
    assert reviewing.carry_out(desk, "shop")[change.change_id]
    assert reviewing.carry_out(replace(desk, terms=Terms()), "shop") == {}
    head = fake.repository.branches["improvement/12"]
    fake.repository.checks[head] = [FakeCheck("tests", CheckState.PENDING, "")]
    assert reviewing.carry_out(desk, "shop") == {}
    assert fake.repository.changes[1].is_open
    let_pass(fake)
    assert reviewing.carry_out(desk, "shop") == {change.change_id: ""}


def test_a_person_may_let_in_what_the_policy_would(
    desk: Desk, fake: FakeForge, make: Make, store: Database
) -> None:
    change = opened(desk, fake, make())
    with replace(store, role="honed_approver").transaction() as conn:
        changes.ask_merge(conn, change.change_id)
    assert "pending" in reviewing.carry_out(desk, "shop")[change.change_id]
    let_pass(fake)
    with store.transaction() as conn:
        write_policy(conn, Settings())
    assert reviewing.carry_out(desk, "shop") == {change.change_id: ""}


def test_what_goes_into_another_branch_by_now_is_not_merged(
    desk: Desk, fake: FakeForge, make: Make
) -> None:
    change = opened(desk, fake, make())
    let_pass(fake)
    fake.repository.branches["production"] = fake.repository.branches["main"]
    fake.repository.changes[1].base = "production"
    said = reviewing.carry_out(desk, "shop")
    assert said == {change.change_id: "change 1 was proposed to main, and goes into production now"}
    assert fake.repository.changes[1].is_open


def test_who_may_not_merge_says_why_and_merges_nothing(
    desk: Desk, fake: FakeForge, make: Make
) -> None:
    change = opened(desk, fake, make())
    let_pass(fake)
    said = reviewing.carry_out(desk, "shop", why_not=lambda: "the primary merges")
    assert said == {change.change_id: "the primary merges"}
    assert fake.repository.changes[1].is_open


def test_a_check_that_failed_keeps_it_open(desk: Desk, fake: FakeForge, make: Make) -> None:
    change = opened(desk, fake, make())
    head = fake.repository.branches["improvement/12"]
    fake.repository.checks[head] = [FakeCheck("tests", CheckState.FAILED, "1 failed")]
    assert reviewing.carry_out(desk, "shop") == {}
    assert desk.read(change.change_id).checks_state is CheckState.FAILED


def test_what_people_decide_without_the_key_is_in_the_ledger_at_the_next_look(
    desk: Desk, fake: FakeForge, make: Make
) -> None:
    change = opened(desk, fake, make(Claim(danger=Danger.EXTERNAL)))
    with replace(desk.store, role="honed_operator").transaction() as conn:
        changes.close(conn, change.change_id, "Ada wants it otherwise", acting_for="Ada")
    assert told(desk) == []
    for _ in range(2):
        reviewing.carry_out(desk, "shop")
    (closed,) = told(desk)
    assert closed.event == "change_closed"
    assert closed.subject == {"patch": "d" * 64}
    assert "Ada" not in json.dumps(closed.detail)
    assert not fake.repository.changes[1].is_open


def test_what_others_merge_is_in_the_ledger_too(desk: Desk, fake: FakeForge, make: Make) -> None:
    change = opened(desk, fake, make(Claim(danger=Danger.EXTERNAL)))
    fake.repository.merge(fake.repository.changes[1])
    reviewing.carry_out(desk, "shop")
    assert [each.event for each in told(desk)] == ["change_merged"]
    reviewing.refresh(desk, change.change_id)
    assert len(told(desk)) == 1
