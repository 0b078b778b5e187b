"""What honed asks of a forge comes to the same on GitHub, GitLab and Gitea."""

import pytest

from honed.core.forge import (
    ChangeRequest,
    ChangeState,
    Check,
    CheckState,
    Forge,
    Merge,
    MergeMethod,
    Proposal,
    Tally,
    verdict,
)
from honed.errors import ChangeConflict, ForgeRefused, UnknownChange, WrongChangeState
from honed.testing.forges.server import FakeForge, Said, Trouble
from honed.testing.forges.state import FakeCheck

PROPOSAL = Proposal("improvement/12", "main", "Count from one", "Why: the cart was empty.")


@pytest.fixture
def change(forge: Forge) -> ChangeRequest:
    return forge.open(PROPOSAL)


def proven(change: ChangeRequest, **said: str) -> Merge:
    return Merge(head_commit=change.head_commit, **said)  # type: ignore[arg-type]  # texts alone


def test_the_repository_is_known(forge: Forge) -> None:
    found = forge.repository()
    assert (found.full_name, found.default_branch) == ("shop/cart", "main")
    assert (found.is_private, found.is_archived, found.can_push) == (True, False, True)
    assert MergeMethod.MERGE in found.methods
    assert MergeMethod.REBASE not in found.methods


def test_a_change_is_opened_read_and_written(fake: FakeForge, forge: Forge) -> None:
    opened = forge.open(PROPOSAL)
    assert (opened.number, opened.state) == (1, ChangeState.OPEN)
    assert (opened.branch, opened.base) == ("improvement/12", "main")
    assert opened.head_commit == fake.repository.branches["improvement/12"]
    assert (opened.title, opened.body) == (PROPOSAL.title, PROPOSAL.body)
    assert opened.url.startswith("https://")
    written = forge.update(1, title="Count from 1", body="Because.")
    assert (written.title, written.body) == ("Count from 1", "Because.")
    assert forge.update(1, body="Still.").title == "Count from 1"
    read = forge.get(1)
    assert (read.body, read.is_mergeable) == ("Still.", True)
    assert read.updated_at is not None
    assert opened.updated_at is not None
    assert read.updated_at > opened.updated_at


def test_a_change_is_opened_once(fake: FakeForge, forge: Forge, change: ChangeRequest) -> None:
    assert forge.open(PROPOSAL).number == change.number
    assert len(fake.repository.changes) == 1


def test_a_change_whose_answer_was_lost_is_found_again(fake: FakeForge, forge: Forge) -> None:
    """Between looking and opening somebody was faster, or an answer did not arrive."""
    fake.troubles.append(Trouble(Said(502, b"bad gateway"), where="^POST", acts=True))
    with pytest.raises(Exception, match="502"):
        forge.open(PROPOSAL)
    assert forge.open(PROPOSAL).number == 1
    assert len(fake.repository.changes) == 1


def test_somebody_elses_branch_of_this_name_is_not_ours(fake: FakeForge, forge: Forge) -> None:
    theirs = fake.repository.open("Mine", "", "improvement/99", "main")
    theirs.is_from_fork = True
    fake.repository.branches["improvement/99"] = fake.repository.branches["main"]
    assert forge.own_open("improvement/") == []


def test_what_is_open_is_listed_over_all_pages(fake: FakeForge, forge: Forge) -> None:
    for number in range(120):
        fake.repository.commit(f"improvement/{number}")
        fake.repository.open("x", "", f"improvement/{number}", "main")
    fake.repository.commit("feature/1")
    fake.repository.open("x", "", "feature/1", "main")
    found = forge.own_open("improvement/")
    assert len({each.branch for each in found}) == 120


def test_a_change_that_is_closed_says_why_and_stays_closed(
    fake: FakeForge, forge: Forge, change: ChangeRequest
) -> None:
    assert forge.close(change.number, comment="not now").state is ChangeState.CLOSED
    assert forge.close(change.number, comment="not now").state is ChangeState.CLOSED
    assert fake.repository.changes[1].comments == ["not now"]
    with pytest.raises(WrongChangeState):
        forge.merge(change.number, proven(change))
    assert fake.repository.changes[1].merge_commit == ""


def test_a_change_is_merged_once(fake: FakeForge, forge: Forge, change: ChangeRequest) -> None:
    how = proven(change, title="Count from one", message="Honed-Ledger: 7")
    merged = forge.merge(change.number, how)
    assert (merged.state, merged.merge_commit) == (
        ChangeState.MERGED,
        fake.repository.branches["main"],
    )
    assert forge.merge(change.number, how).merge_commit == merged.merge_commit
    assert forge.contains("main", change.head_commit)
    with pytest.raises(WrongChangeState):
        forge.close(change.number)


def test_a_conflict_is_told_apart_from_what_is_not_ready(
    fake: FakeForge, forge: Forge, change: ChangeRequest
) -> None:
    theirs = fake.repository.changes[1]
    theirs.is_in_conflict = True
    with pytest.raises(ChangeConflict) as refused:
        forge.merge(change.number, proven(change))
    assert refused.value.reason == "conflict"
    theirs.is_in_conflict, theirs.is_blocked = False, True
    with pytest.raises(ChangeConflict) as refused:
        forge.merge(change.number, proven(change))
    assert refused.value.reason == "not_ready"


def test_another_head_than_the_proven_one_is_not_merged(
    fake: FakeForge, forge: Forge, change: ChangeRequest
) -> None:
    fake.repository.commit("improvement/12")
    with pytest.raises(ChangeConflict) as refused:
        forge.merge(change.number, proven(change))
    assert refused.value.reason == "head_moved"
    assert fake.repository.changes[1].is_open


def test_a_head_that_moves_at_the_last_moment_is_not_merged(
    fake: FakeForge, forge: Forge, change: ChangeRequest
) -> None:
    fake.just_before["/merge$"] = lambda: fake.repository.commit("improvement/12")
    with pytest.raises(ChangeConflict) as refused:
        forge.merge(change.number, proven(change))
    assert refused.value.reason == "head_moved"
    assert fake.repository.changes[1].is_open


def test_a_base_that_was_rewritten_is_not_merged_into(
    fake: FakeForge, forge: Forge, change: ChangeRequest
) -> None:
    base = fake.repository.branches["main"]
    fake.repository.rewrite("main")
    with pytest.raises(ChangeConflict) as refused:
        forge.merge(change.number, proven(change, base_commit=base))
    assert refused.value.reason == "base_rewritten"
    assert fake.repository.changes[1].is_open


def test_a_base_that_went_on_is_merged_into(
    fake: FakeForge, forge: Forge, change: ChangeRequest
) -> None:
    base = fake.repository.branches["main"]
    fake.repository.commit("main")
    merged = forge.merge(change.number, proven(change, base_commit=base))
    assert merged.state is ChangeState.MERGED


def test_a_base_that_moved_is_not_merged_into_where_it_must_not(
    fake: FakeForge, forge: Forge, change: ChangeRequest
) -> None:
    base = fake.repository.branches["main"]
    fake.repository.commit("main")
    with pytest.raises(ChangeConflict) as refused:
        forge.merge(change.number, proven(change, base_head=base))
    assert refused.value.reason == "base_moved"
    assert fake.repository.changes[1].is_open
    base = fake.repository.branches["main"]
    assert forge.merge(change.number, proven(change, base_head=base)).state is ChangeState.MERGED


def test_where_a_branch_is(fake: FakeForge, forge: Forge) -> None:
    assert forge.head("improvement/12") == fake.repository.branches["improvement/12"]
    assert forge.head("improvement/none") == ""


def test_what_a_branch_contains(fake: FakeForge, forge: Forge) -> None:
    main = fake.repository.branches["main"]
    assert forge.contains("improvement/12", main)
    assert not forge.contains("main", fake.repository.branches["improvement/12"])
    assert not forge.contains("main", "f" * 40)


def test_labels_are_made_and_added(forge: Forge, change: ChangeRequest) -> None:
    forge.add_labels(change.number, ["honed", "bug"])
    forge.add_labels(change.number, ["honed"])
    forge.add_labels(change.number, [])
    assert sorted(forge.get(change.number).labels) == ["bug", "honed"]


def test_a_label_is_found_among_many(fake: FakeForge, forge: Forge, change: ChangeRequest) -> None:
    fake.repository.labels = [*(f"label {n}" for n in range(120)), "honed"]
    for _ in range(2):
        forge.add_labels(change.number, ["honed"])
    assert fake.repository.labels.count("honed") == 1
    assert forge.get(change.number).labels == ("honed",)


def test_reviewers_are_asked_as_far_as_the_forge_lets(forge: Forge, change: ChangeRequest) -> None:
    assert forge.request_reviewers(change.number, ["nobody", "ada"]) == ("ada",)
    assert forge.request_reviewers(change.number, ["grace"]) == ("grace",)
    assert set(forge.get(change.number).reviewers) == {"ada", "grace"}
    assert forge.request_reviewers(change.number, ["nobody"]) == ()


def test_who_wrote_a_commit_is_known_by_the_account(fake: FakeForge, forge: Forge) -> None:
    written, foreign = (fake.repository.commit("main") for _ in range(2))
    fake.repository.authors[written] = "ada"
    assert forge.author(written) == "ada"
    assert forge.author(foreign) == ""
    assert forge.author("f" * 40) == ""


def test_a_comment_is_added(fake: FakeForge, forge: Forge, change: ChangeRequest) -> None:
    forge.comment(change.number, "proven again")
    assert fake.repository.changes[1].comments == ["proven again"]


def test_the_state_of_checks_is_the_same_word_everywhere(fake: FakeForge, forge: Forge) -> None:
    head = fake.repository.branches["improvement/12"]
    fake.repository.checks[head] = [
        FakeCheck("lint", CheckState.PASSED),
        FakeCheck("tests", CheckState.FAILED, "1,204 passed, 2 failed, 3 skipped"),
        FakeCheck("docs", CheckState.PENDING),
    ]
    found = {check.name: check for check in forge.checks(head)}
    assert {name: check.state for name, check in found.items()} == {
        "lint": CheckState.PASSED,
        "tests": CheckState.FAILED,
        "docs": CheckState.PENDING,
    }
    assert found["tests"].tests == Tally(passed=1204, failed=2, skipped=3)
    assert found["tests"].url.endswith("/tests")
    assert found["lint"].tests is None


def test_checks_on_many_pages_are_all_read(fake: FakeForge, forge: Forge) -> None:
    head = fake.repository.branches["improvement/12"]
    every = [FakeCheck(f"check {n}", CheckState.PASSED) for n in range(130)]
    fake.repository.checks[head] = [*every, FakeCheck("last", CheckState.FAILED)]
    assert verdict(forge.checks(head)) is CheckState.FAILED


def test_checks_that_come_late_are_pending_till_then(fake: FakeForge, forge: Forge) -> None:
    head = fake.repository.branches["improvement/12"]
    fake.repository.checks[head] = [FakeCheck("tests", CheckState.PASSED)]
    fake.repository.late_answers, fake.repository.is_commit_late = 3, True
    assert verdict(forge.checks(head)) is CheckState.PENDING
    fake.repository.is_commit_late = False
    assert verdict(forge.checks(head)) is CheckState.PENDING
    fake.repository.late_answers = 0
    assert verdict(forge.checks(head)) is CheckState.PASSED
    assert verdict(forge.checks(head), expected={"tests", "docs"}) is CheckState.PENDING


def test_a_file_is_read_as_of_a_commit(fake: FakeForge, forge: Forge) -> None:
    assert forge.file("shop/cart.py", "main") == b"total = 0\n"
    assert forge.file("shop/cart.py", fake.repository.branches["improvement/12"]) == b"total = 1\n"
    assert forge.file("shop/none.py", "main") is None


def test_what_is_not_there_is_named(forge: Forge) -> None:
    with pytest.raises(UnknownChange, match="77"):
        forge.get(77)
    with pytest.raises(UnknownChange, match="77"):
        forge.close(77)


def test_a_branch_that_is_not_there_is_refused_in_the_forges_words(forge: Forge) -> None:
    with pytest.raises((ForgeRefused, UnknownChange), match=r"127\.0\.0\.1 (answers|has no)"):
        forge.open(Proposal("improvement/none", "main", "x", "y"))


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ([], CheckState.PENDING),
        ([Check("a", CheckState.PASSED)], CheckState.PASSED),
        ([Check("a", CheckState.PASSED), Check("b", CheckState.PENDING)], CheckState.PENDING),
        ([Check("a", CheckState.FAILED), Check("b", CheckState.PENDING)], CheckState.FAILED),
        (
            [Check("a", CheckState.PASSED), Check("b", CheckState.FAILED, is_required=False)],
            CheckState.PASSED,
        ),
        ([Check("b", CheckState.PASSED, is_required=False)], CheckState.PENDING),
    ],
)
def test_the_verdict_of_checks(checks: list[Check], said: CheckState) -> None:
    assert verdict(checks) is said
