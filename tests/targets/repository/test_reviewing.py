"""Changes between the store and a forge: the store says first what shall be."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from honed.config import Settings
from honed.core.forge import ChangeState, CheckState, Forge, MergeMethod, Proposal
from honed.errors import (
    ChangeConflict,
    ChangeWithheld,
    ConfigurationError,
    ForgeUnavailable,
    WrongChangeState,
)
from honed.forge.connect import Place, connect
from honed.ledger.keys import Signer
from honed.storage.db import Database
from honed.targets.registry import TargetRecord
from honed.targets.repository.git.branches import Branches
from honed.targets.repository.requests import changes, reviewing
from honed.targets.repository.requests.change import Change, Limits, NewChange
from honed.targets.repository.requests.forges import limits_of, open_forge, terms_of
from honed.targets.repository.requests.reviewing import Attention, Desk, Terms
from honed.testing.forges.gitea import GITEA
from honed.testing.forges.github import GITHUB
from honed.testing.forges.gitlab import GITLAB
from honed.testing.forges.server import FakeForge, Said, Trouble, serving
from honed.testing.forges.state import FakeCheck
from honed.testing.forges.waits import Waits


@pytest.fixture(params=[GITHUB, GITLAB, GITEA], ids=lambda each: each.name)
def fake(request: pytest.FixtureRequest) -> Iterator[FakeForge]:
    with serving(request.param) as running:
        yield running
    assert running.undocumented == []


@pytest.fixture
def forge(fake: FakeForge) -> Forge:
    place = Place(fake.dialect.name, "shop/cart", fake.url, "T")
    return connect(place, clock=Waits().clock, environment={"T": fake.token})


@pytest.fixture
def desk(daemon: Database, forge: Forge, signer: Signer) -> Desk:
    return Desk(daemon, forge, signer)


@pytest.fixture
def new(target_id: int, fake: FakeForge) -> NewChange:
    branches = fake.repository.branches
    return NewChange(
        target_id=target_id,
        proposal=Proposal("improvement/12", "main", "Count from one", "Why."),
        root_cause="AttributeError at shop.cart",
        patch_digest="d" * 64,
        base_commit=branches["main"],
        head_commit=branches["improvement/12"],
        forge=fake.dialect.name,
        ledger_index=7,
    )


#: Opens the change on the forge.
Publish = Callable[[], Change]


@pytest.fixture
def publish(desk: Desk, new: NewChange) -> Publish:
    def published() -> Change:
        return reviewing.publish(desk, new, Limits(), Attention(["ada", "nobody"]))

    return published


def test_a_change_is_opened_checked_and_merged(
    desk: Desk, fake: FakeForge, publish: Publish
) -> None:
    opened = publish()
    theirs = fake.repository.changes[1]
    assert (opened.number, theirs.labels, theirs.reviewers) == (1, ["honed"], ["ada"])
    assert opened.url.startswith("https://")
    fake.repository.checks[opened.head_commit] = [FakeCheck("tests", CheckState.PENDING, "running")]
    with pytest.raises(ChangeConflict, match="pending"):
        reviewing.merge(desk, opened.change_id)
    fake.repository.checks[opened.head_commit] = [
        FakeCheck("tests", CheckState.PASSED, "12 passed")
    ]
    merged = reviewing.merge(desk, opened.change_id)
    assert (merged.state, merged.merge_commit) == (ChangeState.MERGED, theirs.merge_commit)
    assert merged.checks[0].tests is not None
    assert merged.checks[0].tests.passed == 12
    assert reviewing.merge(desk, opened.change_id).state is ChangeState.MERGED


def test_a_crash_between_row_and_request_opens_one(
    daemon: Database, fake: FakeForge, publish: Publish
) -> None:
    fake.troubles.append(Trouble(Said(500, {}), where="^POST", acts=True))
    with pytest.raises(ForgeUnavailable):
        publish()
    assert publish().number == 1
    assert len(fake.repository.changes) == 1
    with daemon.transaction() as conn:
        assert len(changes.changes(conn)) == 1


def test_what_a_person_closes_there_is_known_here(
    desk: Desk, fake: FakeForge, publish: Publish, new: NewChange
) -> None:
    opened = publish()
    fake.repository.changes[1].is_open = False
    fake.repository.changes[1].version += 1
    found = reviewing.refresh(desk, opened.change_id)
    assert (found.state, found.closed_by_person) == (ChangeState.CLOSED, True)
    again = replace(new, head_commit=fake.repository.commit("improvement/13"))
    with pytest.raises(ChangeWithheld) as refused:
        reviewing.publish(desk, again, Limits(cooldown=timedelta(seconds=0)), Attention())
    assert refused.value.reason == "closed_by_person"
    assert len(fake.repository.changes) == 1


def test_what_honed_withdraws_is_closed_there_whatever_happens_between(
    desk: Desk, daemon: Database, fake: FakeForge, publish: Publish
) -> None:
    opened = publish()
    fake.troubles.append(Trouble(Said(500, {}), times=9))
    with pytest.raises(ForgeUnavailable):
        reviewing.withdraw(desk, opened.change_id, "another settled it")
    fake.troubles.clear()
    assert fake.repository.changes[1].is_open
    (closed,) = reviewing.settle(desk, "shop")
    assert closed.state is ChangeState.CLOSED
    assert fake.repository.changes[1].comments == ["another settled it"]
    assert reviewing.settle(desk, "shop") == []
    with daemon.transaction() as conn:
        assert not changes.get(conn, opened.change_id).closed_by_person


def test_what_somebody_pushes_is_not_merged(desk: Desk, fake: FakeForge, publish: Publish) -> None:
    opened = publish()
    fake.repository.checks[opened.head_commit] = [FakeCheck("tests", CheckState.PASSED)]
    reviewing.refresh(desk, opened.change_id)
    theirs = fake.repository.commit("improvement/12")
    fake.repository.checks[theirs] = [FakeCheck("tests", CheckState.PASSED)]
    with pytest.raises(ChangeConflict) as refused:
        reviewing.merge(desk, opened.change_id)
    assert refused.value.reason == "head_moved"
    assert fake.repository.changes[1].is_open


def test_what_people_ask_for_is_carried_out(
    desk: Desk, daemon: Database, fake: FakeForge, publish: Publish
) -> None:
    opened = publish()
    assert reviewing.carry_out(desk, "shop") == {}
    with replace(daemon, role="honed_approver").transaction() as conn:
        changes.ask_merge(conn, opened.change_id, head_commit=opened.head_commit)
    waits = reviewing.carry_out(desk, "shop")
    assert "pending" in waits[opened.change_id]
    fake.repository.checks[opened.head_commit] = [FakeCheck("tests", CheckState.PASSED)]
    assert reviewing.carry_out(desk, "shop") == {opened.change_id: ""}
    assert fake.repository.changes[1].merge_commit
    assert reviewing.carry_out(desk, "shop") == {}


def test_a_no_of_a_person_is_carried_out(
    desk: Desk, daemon: Database, fake: FakeForge, publish: Publish
) -> None:
    opened = publish()
    with replace(daemon, role="honed_operator").transaction() as conn:
        changes.close(conn, opened.change_id, "we do it in another way")
    reviewing.carry_out(desk, "shop")
    assert not fake.repository.changes[1].is_open
    assert fake.repository.changes[1].comments == ["we do it in another way"]


def test_a_no_of_a_person_outlasts_every_look_until_it_is_carried_out(
    desk: Desk, daemon: Database, fake: FakeForge, publish: Publish
) -> None:
    opened = publish()
    fake.repository.checks[opened.head_commit] = [FakeCheck("tests", CheckState.PASSED)]
    with replace(daemon, role="honed_operator").transaction() as conn:
        changes.close(conn, opened.change_id, "we do it in another way")
    # Somebody pushes meanwhile: the forge's own time goes on.
    fake.repository.commit("improvement/12")
    for _ in range(2):
        found = reviewing.refresh(desk, opened.change_id)
        assert (found.state, found.closed_by_person) == (ChangeState.CLOSED, True)
        assert found.end_reason == "we do it in another way"
    with pytest.raises(WrongChangeState):
        reviewing.merge(desk, opened.change_id)
    (closed,) = reviewing.settle(desk, "shop")
    assert closed.state is ChangeState.CLOSED
    with daemon.transaction() as conn:
        told = [each.event for each in changes.events(conn, opened.change_id)]
    assert "reopened" not in told


def test_what_a_person_opens_again_there_is_open_here(
    desk: Desk, daemon: Database, fake: FakeForge, publish: Publish
) -> None:
    opened = publish()
    reviewing.withdraw(desk, opened.change_id, "another settled it")
    assert not fake.repository.changes[1].is_open
    fake.repository.changes[1].is_open = True
    fake.repository.changes[1].version += 1
    assert reviewing.settle(desk, "shop") == []
    with daemon.transaction() as conn:
        assert changes.get(conn, opened.change_id).state is ChangeState.OPEN


def test_what_is_merged_there_although_it_was_closed_here_is_known(
    desk: Desk, daemon: Database, fake: FakeForge, publish: Publish
) -> None:
    opened = publish()
    with daemon.transaction() as conn:
        changes.withdraw(conn, opened.change_id, "another settled it")
    fake.repository.merge(fake.repository.changes[1])
    found = reviewing.refresh(desk, opened.change_id)
    assert (found.state, found.closed_by_person) == (ChangeState.MERGED, False)


@pytest.mark.parametrize("was", [{"forge": "local"}, {"branch": "improvement/other"}])
def test_a_number_of_another_forge_closes_nothing(
    desk: Desk, daemon: Database, fake: FakeForge, new: NewChange, was: dict[str, str]
) -> None:
    proposal = replace(new.proposal, branch=was.get("branch", new.proposal.branch))
    old = replace(new, proposal=proposal, forge=was.get("forge", new.forge))
    with daemon.transaction() as conn:
        moved = changes.open_change(conn, old, Limits())
        there = replace(moved.to_request(), number=1, url="https://forge.example/1")
        changes.record(conn, moved.change_id, there)
        changes.withdraw(conn, moved.change_id, "another settled it")
    theirs = fake.repository.open("Theirs", "", "improvement/12", "main")
    assert reviewing.settle(desk, "shop") == []
    assert theirs.is_open


def test_settings_and_a_targets_own_options_name_the_forge(
    daemon: Database, fake: FakeForge
) -> None:
    settings = Settings.model_validate(
        {"forge": fake.dialect.name, "forge_url": fake.url, "forge_repository": "shop/other"}
    )
    record = TargetRecord("shop", "", sort="repository", options={"forge_repository": "shop/cart"})
    branches = Branches(Path("/nowhere"))
    environment = {"HONED_FORGE_TOKEN": fake.token}
    made = open_forge(settings, record, daemon, branches, environment=environment)
    assert made.repository().full_name == "shop/cart"
    with pytest.raises(ConfigurationError, match="HONED_FORGE_TOKEN is not set"):
        open_forge(settings, record, daemon, branches, environment={})
    local = open_forge(Settings(), record, daemon, branches)
    assert (local.name, local.repository().full_name) == ("local", "shop")
    limits = limits_of(settings)
    assert (limits.review, limits.automerge, limits.cooldown) == (3, 3, timedelta(hours=24))
    assert terms_of(settings, record) == Terms(MergeMethod.MERGE, risk_limit=5)


def test_expected_checks_are_named_in_settings_or_by_the_target(fake: FakeForge) -> None:
    said = {"forge": fake.dialect.name, "forge_expected_checks": " tests (3.11, linux);"}
    settings = Settings.model_validate(said)
    record = TargetRecord("shop", "", sort="repository")
    assert terms_of(settings, record).expected == {"tests (3.11, linux)"}
    own = replace(record, options={"forge_expected_checks": "style; tests"})
    assert terms_of(settings, own).expected == {"style", "tests"}
    # Nobody runs checks by name in honed itself.
    assert terms_of(settings, replace(own, options={"forge": "local"})).expected == frozenset()
    with pytest.raises(ConfigurationError, match="no text"):
        terms_of(settings, replace(own, options={"forge_expected_checks": ["tests"]}))


def test_one_quick_check_is_not_all_that_is_expected(
    desk: Desk, daemon: Database, fake: FakeForge, publish: Publish
) -> None:
    opened = publish()
    terms = Terms(expected=frozenset({"style", "tests"}))
    quick, slow = FakeCheck("style", CheckState.PASSED), FakeCheck("tests", CheckState.PASSED)
    fake.repository.checks[opened.head_commit] = [quick]
    with pytest.raises(ChangeConflict, match="pending"):
        reviewing.merge(replace(desk, terms=terms), opened.change_id)
    with daemon.transaction() as conn:
        assert changes.get(conn, opened.change_id).checks_state is CheckState.PENDING
    fake.repository.checks[opened.head_commit] = [quick, slow]
    merged = reviewing.merge(replace(desk, terms=terms), opened.change_id)
    assert merged.state is ChangeState.MERGED
