"""The same base, files and words are the same commit, wherever it is made."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from honed.errors import ChangeRefused, GitFailed, UnknownCommit
from honed.targets.repository.git.clone import Clone, open_clone
from honed.targets.repository.git.commit import Author, Note, commit_files
from honed.targets.repository.git.push import push
from honed.testing.repositories import Checkout

AT = datetime(2026, 3, 1, 12, 30, tzinfo=timezone(timedelta(hours=2)))
NOTE = Note("Fix the total\n\nHoned-Ledger: 17\n", AT, Author("honed", "honed@example.org"))


@pytest.fixture
def filled(checkout: Checkout, clone: Clone) -> Clone:
    checkout.commit({"a.txt": b"old\n", "src/b.py": b"b\n", "run.sh": b"#!/bin/sh\n"})
    checkout.git("update-index", "--chmod=+x", "run.sh")
    (checkout.folder / "link").symlink_to("a.txt")
    checkout.git("add", "link")
    checkout.git("commit", "--quiet", "-m", "mode and link")
    clone.fetch()
    return clone


def test_a_commit_has_what_was_given_and_keeps_the_rest(filled: Clone) -> None:
    files = {"a.txt": b"new\r\n", "run.sh": b"#!/bin/bash\n", "made/c d.py": b"", "src/b.py": None}
    made = commit_files(filled, "main", files, NOTE)
    assert {(entry.path, entry.mode) for entry in filled.entries(made)} == {
        ("a.txt", "100644"),
        ("link", "120000"),
        ("made/c d.py", "100644"),
        ("run.sh", "100755"),
    }
    assert filled.read(made, "a.txt") == b"new\r\n"
    told = filled.git.text("show", "--no-patch", "--format=%an|%ce|%aI|%P|%B", made)
    assert told.startswith("honed|honed@example.org|2026-03-01T12:30:00+02:00|")
    assert told.endswith("Honed-Ledger: 17")
    assert filled.commit("main") in told


def test_a_replay_elsewhere_is_the_same_commit(
    filled: Clone, checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"a.txt": b"new\n", "z.txt": b"z\n"}
    first = commit_files(filled, "main", files, NOTE)
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "1 +0000")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    other = open_clone(str(checkout.folder), tmp_path / "other")
    other.fetch()
    assert commit_files(other, "main", dict(reversed(files.items())), NOTE) == first
    later = Note(NOTE.message, AT + timedelta(seconds=1), NOTE.author)
    assert commit_files(other, "main", files, later) != first


def test_no_branch_moves(filled: Clone) -> None:
    before = filled.git.text("for-each-ref")
    commit_files(filled, "main", {"a.txt": b"new\n"}, NOTE)
    assert filled.git.text("for-each-ref") == before


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "../out", "a/../b", "a//b", "./a", "a/", ".git/config"),
        *("sub/.GIT/hooks/x", "link", "nul\0"),
    ],
)
def test_paths_that_are_no_files_are_refused(filled: Clone, path: str) -> None:
    with pytest.raises(ChangeRefused):
        commit_files(filled, "main", {path: b"evil"}, NOTE)


def test_what_changes_nothing_or_removes_what_is_not_there_is_refused(filled: Clone) -> None:
    with pytest.raises(ChangeRefused, match="nothing"):
        commit_files(filled, "main", {"a.txt": b"old\n"}, NOTE)
    with pytest.raises(ChangeRefused, match="there is no gone"):
        commit_files(filled, "main", {"gone": None}, NOTE)
    with pytest.raises(UnknownCommit):
        commit_files(filled, "nowhere", {"a.txt": b"x"}, NOTE)
    with pytest.raises(ValueError, match="offset"):
        commit_files(filled, "main", {"a.txt": b"x"}, Note("x", AT.replace(tzinfo=None)))


def test_ids_of_a_repository_may_be_of_sha_256(tmp_path: Path) -> None:
    person = Checkout(tmp_path / "person256", "sha256")
    person.commit({"a.txt": b"old\n", "b.txt": b"b\n"})
    clone = open_clone(str(person.folder), tmp_path / "clone256")
    for _ in range(2):
        clone.fetch()
    made = commit_files(clone, "main", {"a.txt": b"new\n", "b.txt": None}, NOTE)
    assert len(made) == 64
    assert [entry.path for entry in clone.entries(made)] == ["a.txt"]
    push(clone, made, "improvement/1")
    assert person.git("rev-parse", "improvement/1") == made


def test_a_clone_that_holds_something_is_not_made_anew(checkout: Checkout, tmp_path: Path) -> None:
    checkout.commit({"a.txt": b"old\n"})
    clone = open_clone(str(checkout.folder), tmp_path / "clone")
    clone.fetch()
    head = clone.commit("main")
    checkout.folder.rename(tmp_path / "gone")
    Checkout(checkout.folder, "sha256").commit({"a.txt": b"new\n"})
    with pytest.raises(GitFailed, match="mismatched algorithms"):
        clone.fetch()
    assert clone.commit("main") == head
