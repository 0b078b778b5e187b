"""The local forge on real git: a row and a branch, and nobody's checkout is touched."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from honed.core.forge import (
    ChangeState,
    Check,
    CheckState,
    Merge,
    MergeMethod,
    Proposal,
)
from honed.core.verdict import State
from honed.errors import ChangeConflict, ForgeError, ForgeRefused, UnknownChange, WebhookRefused
from honed.ledger.keys import Signer
from honed.storage.db import Database
from honed.targets.repository.git.branches import Branches
from honed.targets.repository.requests import changes, reviewing
from honed.targets.repository.requests.change import Change, Lane, Limits, NewChange
from honed.targets.repository.requests.local import LocalForge
from honed.targets.repository.requests.reviewing import Attention, Desk, Terms
from honed.testing.improvements import Improvements


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with a repository, and git in it."""

    folder: Path

    def git(self, *words: str) -> str:
        """Return what git says."""
        who = ["-c", "user.name=ada", "-c", "user.email=ada@localhost"]
        done = subprocess.run(
            ["git", *who, "-C", str(self.folder), *words],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, **files: str) -> str:
        """Commit files where it stands; return the commit."""
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(text)
        self.git("add", ".")
        self.git("commit", "-qm", "x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def user(tmp_path: Path) -> Checkout:
    """Return a repository with a commit on main."""
    made = Checkout(tmp_path / "shop")
    made.folder.mkdir()
    made.git("init", "-qb", "main")
    made.commit(cart="total = 0\n", other="")
    return made


@pytest.fixture
def clone(tmp_path: Path, user: Checkout) -> Checkout:
    """Return a clone with the branch improvement/12; it stands on no branch of use."""
    user.git("clone", "-q", str(user.folder), str(tmp_path / "clone"))
    made = Checkout(tmp_path / "clone")
    made.git("switch", "-qc", "improvement/12")
    made.commit(cart="total = 1\n")
    made.git("switch", "-q", "--detach")
    return made


@pytest.fixture
def forge(daemon: Database, clone: Checkout) -> LocalForge:
    return LocalForge(daemon, "shop", Branches(clone.folder / ".git"))


@pytest.fixture
def desk(daemon: Database, forge: LocalForge, signer: Signer) -> Desk:
    return Desk(daemon, forge, signer)


@pytest.fixture
def new(target_id: int, clone: Checkout) -> NewChange:
    return NewChange(
        target_id=target_id,
        proposal=Proposal("improvement/12", "main", "Count from one", "Why."),
        root_cause="AttributeError at shop.cart",
        patch_digest="d" * 64,
        base_commit=clone.git("rev-parse", "main"),
        head_commit=clone.git("rev-parse", "improvement/12"),
        ledger_index=7,
    )


#: Opens the change, whose test command has passed.
Publish = Callable[[], Change]


@pytest.fixture
def publish(desk: Desk, daemon: Database, new: NewChange) -> Publish:
    def published() -> Change:
        made = reviewing.publish(desk, new, Limits(), Attention(["ada"]))
        with daemon.transaction() as conn:
            checks = [Check("pytest", CheckState.PASSED)]
            changes.record_checks(conn, made.change_id, made.head_commit, checks)
        return made

    return published


def test_a_change_is_merged_by_objects_alone(desk: Desk, clone: Checkout, publish: Publish) -> None:
    opened = publish()
    state = ("status", "--porcelain", "--branch")
    before = clone.git(*state), clone.git("rev-parse", "HEAD")
    merged = reviewing.merge(desk, opened.change_id)
    assert merged.state is ChangeState.MERGED
    assert merged.merge_commit == clone.git("rev-parse", "main")
    assert clone.git("show", "main:cart.py") == "total = 1"
    assert clone.git("log", "-1", "--format=%s|%(trailers)", "main").strip() == (
        "Count from one|Honed-Ledger: 7"
    )
    assert clone.git("rev-parse", "main^2") == opened.head_commit
    assert before == (
        clone.git("status", "--porcelain", "--branch"),
        clone.git("rev-parse", "HEAD"),
    )
    # Again it is the same.
    assert reviewing.merge(desk, opened.change_id).merge_commit == merged.merge_commit


def test_squashed_it_is_one_commit(desk: Desk, clone: Checkout, publish: Publish) -> None:
    opened = publish()
    reviewing.merge(replace(desk, terms=Terms(MergeMethod.SQUASH)), opened.change_id)
    assert clone.git("rev-list", "--count", "main") == "2"
    assert clone.git("show", "main:cart.py") == "total = 1"


def test_without_passed_checks_nothing_is_merged(
    desk: Desk, new: NewChange, clone: Checkout
) -> None:
    opened = reviewing.publish(desk, new, Limits(), Attention())
    with pytest.raises(ChangeConflict, match="pending") as refused:
        reviewing.merge(desk, opened.change_id)
    assert refused.value.reason == "not_ready"
    assert clone.git("show", "main:cart.py") == "total = 0"


def test_the_same_lines_do_not_merge(desk: Desk, clone: Checkout, publish: Publish) -> None:
    opened = publish()
    clone.git("switch", "-q", "main")
    clone.commit(cart="total = 2\n")
    with pytest.raises(ChangeConflict, match=r"touch the same lines: cart\.py"):
        reviewing.merge(desk, opened.change_id)


def test_a_branch_that_somebody_pushed_to_is_not_merged(
    desk: Desk, daemon: Database, clone: Checkout, publish: Publish
) -> None:
    opened = publish()
    clone.git("switch", "-q", "improvement/12")
    clone.commit(other="import os\n")
    with pytest.raises(ChangeConflict) as refused:
        reviewing.merge(desk, opened.change_id)
    assert refused.value.reason == "head_moved"
    with daemon.transaction() as conn:
        assert changes.get(conn, opened.change_id).head_commit == opened.head_commit


def test_a_base_that_was_rewritten_is_not_merged_into(
    desk: Desk, clone: Checkout, publish: Publish
) -> None:
    opened = publish()
    clone.git("switch", "-q", "--orphan", "fresh")
    clone.commit(cart="total = 0\n")
    clone.git("branch", "-f", "main", "fresh")
    with pytest.raises(ChangeConflict) as refused:
        reviewing.merge(desk, opened.change_id)
    assert refused.value.reason == "base_rewritten"


def test_what_a_person_merges_with_git_is_found_merged(
    desk: Desk, clone: Checkout, publish: Publish
) -> None:
    opened = publish()
    clone.git("switch", "-q", "main")
    clone.git("merge", "-q", "--no-edit", "improvement/12")
    found = reviewing.refresh(desk, opened.change_id)
    assert found.state is ChangeState.MERGED
    assert found.merge_commit == clone.git("rev-parse", "main")


def test_a_merge_is_pushed_as_a_step_forward(
    desk: Desk, daemon: Database, user: Checkout, clone: Checkout, publish: Publish
) -> None:
    opened = publish()
    user.git("switch", "-qc", "elsewhere")
    forge = LocalForge(daemon, "shop", Branches(clone.folder / ".git", remote="origin"))
    merged = reviewing.merge(replace(desk, forge=forge), opened.change_id)
    assert user.git("rev-parse", "main") == merged.merge_commit


@pytest.mark.parametrize("method", [MergeMethod.MERGE, MergeMethod.SQUASH])
@pytest.mark.parametrize("remote", ["", "origin"])
def test_a_merge_that_was_not_recorded_is_not_made_again(
    desk: Desk,
    daemon: Database,
    user: Checkout,
    clone: Checkout,
    publish: Publish,
    *,
    method: MergeMethod,
    remote: str,
) -> None:
    opened = publish()
    user.git("switch", "-qc", "elsewhere")
    branches = Branches(clone.folder / ".git", remote=remote)
    before = branches.head("main")
    made = branches.merge("main", opened.head_commit, "x", method)
    if remote:
        # It died after the push.
        clone.git("update-ref", "refs/heads/main", before)
    forge = LocalForge(daemon, "shop", branches)
    there = replace(desk, forge=forge, terms=Terms(method))
    merged = reviewing.merge(there, opened.change_id)
    assert (merged.state, merged.merge_commit) == (ChangeState.MERGED, made)
    assert (user if remote else clone).git("rev-parse", "main") == made


def test_a_base_that_moved_is_merged_into_at_the_next_try(
    desk: Desk, daemon: Database, user: Checkout, clone: Checkout, publish: Publish
) -> None:
    opened = publish()
    theirs = user.commit(other="y = 1\n")
    user.git("switch", "-qc", "elsewhere")
    forge = LocalForge(daemon, "shop", Branches(clone.folder / ".git", remote="origin"))
    reviewing.merge(replace(desk, forge=forge), opened.change_id)
    assert user.git("rev-parse", "main^1") == theirs


def test_an_error_names_what_git_was_asked(clone: Checkout) -> None:
    branches = Branches(clone.folder / ".git")
    with pytest.raises(ForgeError, match="git merge-tree failed"):
        branches.merge("main", "f" * 40, "x", MergeMethod.MERGE)


def test_whoever_was_faster_wins(user: Checkout, clone: Checkout) -> None:
    branches = Branches(clone.folder / ".git", remote="origin")
    theirs = user.commit(other="y = 1\n")
    user.git("switch", "-qc", "elsewhere")
    with pytest.raises(ChangeConflict, match="moved meanwhile"):
        branches.merge("main", branches.head("improvement/12"), "x", MergeMethod.MERGE)
    assert user.git("rev-parse", "main") == theirs


def test_a_branch_that_is_checked_out_is_not_pushed_to(user: Checkout, clone: Checkout) -> None:
    branches = Branches(clone.folder / ".git", remote="origin")
    with pytest.raises(ForgeRefused, match="checked out") as refused:
        branches.merge("main", branches.head("improvement/12"), "x", MergeMethod.MERGE)
    assert "git merge" in refused.value.hint
    assert (user.folder / "cart.py").read_text() == "total = 0\n"


def test_what_is_in_a_repository_does_not_run(clone: Checkout, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for name in ("reference-transaction", "pre-push", "post-checkout"):
        hook = clone.folder / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
        hook.chmod(0o755)
    branches = Branches(clone.folder / ".git")
    branches.merge("main", branches.head("improvement/12"), "x", MergeMethod.MERGE)
    assert not ran.exists()


def test_files_and_branches_are_read(forge: LocalForge, clone: Checkout) -> None:
    head = clone.git("rev-parse", "improvement/12")
    assert forge.file("cart.py", "improvement/12") == b"total = 1\n"
    assert forge.file("cart.py", head) == b"total = 1\n"
    assert forge.file("none.py", "main") is None
    assert forge.file("cart.py", "--help") is None
    assert forge.contains("improvement/12", clone.git("rev-parse", "main"))
    assert not forge.contains("none", head)


def test_a_row_is_opened_before_and_withdrawn_once(
    desk: Desk, forge: LocalForge, publish: Publish
) -> None:
    with pytest.raises(UnknownChange):
        forge.open(Proposal("improvement/12", "main", "x", "y"))
    opened = publish()
    number = opened.change_id
    assert forge.open(Proposal("improvement/12", "main", "x", "y")).number == number
    assert forge.update(number, title="Count from 1").title == "Count from 1"
    assert [check.name for check in forge.checks(opened.head_commit)] == ["pytest"]
    assert forge.request_reviewers(number, ["ada"]) == ()
    reviewing.withdraw(desk, number, "another settled it")
    assert forge.close(number).state is ChangeState.CLOSED
    with pytest.raises(WebhookRefused):
        forge.hear({}, b"")
    assert forge.repository().default_branch == "main"


def test_what_is_merged_is_exactly_what_is_said(
    forge: LocalForge, publish: Publish, clone: Checkout
) -> None:
    opened = publish()
    how = Merge(head_commit=clone.git("rev-parse", "main"))
    with pytest.raises(ChangeConflict):
        forge.merge(opened.change_id, how)
    assert replace(opened.to_request()).state is ChangeState.OPEN


@pytest.mark.parametrize("has_moved", [False, True])
def test_without_a_person_only_what_was_proven_is_merged(
    desk: Desk, new: NewChange, improvements: Improvements, clone: Checkout, *, has_moved: bool
) -> None:
    harmless = improvements.create(State.WATCHING)
    passed = {"gate": "allowed_paths", "passed": True}
    with improvements.store.transaction() as conn:
        conn.execute(
            "UPDATE honed.improvement SET evidence = %s WHERE improvement_id = %s",
            (json.dumps({"gates": [passed]}), harmless.improvement_id),
        )
    lane = reviewing.lane_at(desk, harmless.improvement_id)
    assert lane is Lane.AUTOMERGE
    of_it = replace(new, improvement_id=harmless.improvement_id, lane=lane)
    opened = reviewing.publish(desk, of_it, Limits(), Attention())
    with desk.store.transaction() as conn:
        changes.record_checks(
            conn, opened.change_id, opened.head_commit, [Check("honed", CheckState.PASSED)]
        )
    if has_moved:
        clone.git("switch", "-q", "main")
        clone.commit(other="import os\n")
    reviewing.carry_out(desk, "shop")
    found = desk.read(opened.change_id)
    assert found.state is (ChangeState.OPEN if has_moved else ChangeState.MERGED)
    assert found.lane is (Lane.REVIEW if has_moved else Lane.AUTOMERGE)


def test_a_base_that_is_elsewhere_than_it_must_be_is_not_moved(
    user: Checkout, clone: Checkout
) -> None:
    """Whoever asks has compared it; between that and the push somebody may have pushed."""
    there = Branches(clone.folder / ".git", remote="origin")
    here = Branches(clone.folder / ".git")
    before, change = there.head("main"), there.head("improvement/12")
    user.git("switch", "-qc", "elsewhere")
    # Set back, so that a step forward of it is one of what it was.
    user.git("branch", "-f", "main", user.git("commit-tree", "main^{tree}", "-m", "another"))
    theirs = user.git("rev-parse", "main")
    with pytest.raises(ChangeConflict, match="moved meanwhile"):
        there.merge("main", change, "x", MergeMethod.MERGE, before=before)
    assert user.git("rev-parse", "main") == theirs
    clone.git("branch", "-f", "main", clone.git("commit-tree", "main^{tree}", "-m", "another"))
    theirs = clone.git("rev-parse", "main")
    with pytest.raises(ChangeConflict, match="moved meanwhile"):
        here.merge("main", change, "x", MergeMethod.MERGE, before=before)
    assert clone.git("rev-parse", "main") == theirs


def test_what_was_set_back_meanwhile_is_not_brought_back(user: Checkout, clone: Checkout) -> None:
    branches = Branches(clone.folder / ".git", remote="origin")
    first = user.git("rev-parse", "main")
    second = user.commit(other="y = 1\n")
    branches.fetch("main")
    user.git("switch", "-qc", "elsewhere")
    user.git("branch", "-f", "main", first)
    with pytest.raises(ChangeConflict, match="moved meanwhile"):
        branches.merge("main", branches.head("improvement/12"), "x", MergeMethod.MERGE)
    assert second not in user.git("log", "--format=%H", "main")
