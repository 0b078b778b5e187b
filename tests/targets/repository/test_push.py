"""A commit reaches its branch over HTTP, and the token reaches nothing else."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from honed.errors import GitFailed, PushRefused, UnknownCommit
from honed.targets.repository.git.clone import Clone, open_clone
from honed.targets.repository.git.commit import Note, commit_files
from honed.targets.repository.git.credentials import Credentials
from honed.targets.repository.git.push import branch_commit, push
from honed.testing.repositories import Checkout, served

TOKEN = "tok-3fa9c17d55aa"  # noqa: S105
CREDENTIALS = Credentials("honed", TOKEN)
NOTE = Note("Fix it\n", datetime(2026, 3, 1, tzinfo=UTC))


@pytest.fixture
def server(checkout: Checkout, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a bare repository that asks for the token."""
    checkout.commit({"a.txt": b"old\n"})
    bare = tmp_path / "served" / "shop.git"
    checkout.git("clone", "--quiet", "--bare", ".", str(bare))
    subprocess.run(["git", "-C", bare, "config", "http.receivepack", "true"], check=True)
    with served(tmp_path / "served", "honed", TOKEN) as url:
        yield f"{url}/shop.git"


@pytest.fixture
def ours(server: str, tmp_path: Path) -> Clone:
    clone = open_clone(server, tmp_path / "home" / "clone", CREDENTIALS)
    clone.fetch()
    return clone


def test_a_commit_reaches_its_branch(ours: Clone) -> None:
    assert ours.default_branch() == "main"
    made = commit_files(ours, "main", {"a.txt": b"new\n"}, NOTE)
    push(ours, made, "improvement/7")
    assert branch_commit(ours, "improvement/7") == made
    # Sent again after a crash, it is there already.
    push(ours, made, "improvement/7")
    again = commit_files(ours, made, {"a.txt": b"newer\n"}, NOTE)
    push(ours, again, "improvement/7", expected=made)
    assert branch_commit(ours, "improvement/7") == again


def test_nobodys_commits_are_lost(ours: Clone) -> None:
    first = commit_files(ours, "main", {"a.txt": b"theirs\n"}, NOTE)
    push(ours, first, "improvement/7")
    second = commit_files(ours, "main", {"a.txt": b"ours\n"}, NOTE)
    for expected in ("", ours.commit("main")):
        with pytest.raises(PushRefused) as caught:
            push(ours, second, "improvement/7", expected=expected)
        assert caught.value.reason == "moved"
    assert branch_commit(ours, "improvement/7") == first


def test_the_repositorys_no_is_told_in_its_own_words(ours: Clone, tmp_path: Path) -> None:
    hook = tmp_path / "served" / "shop.git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'no pushes on Friday' >&2\nexit 1\n")
    hook.chmod(0o755)
    made = commit_files(ours, "main", {"a.txt": b"new\n"}, NOTE)
    with pytest.raises(PushRefused, match="no pushes on Friday") as caught:
        push(ours, made, "improvement/7")
    assert caught.value.reason == "refused"


def test_a_wrong_token_is_no_question_on_a_terminal(ours: Clone) -> None:
    wrong = replace(ours, credentials=Credentials("honed", "tok-wrong"))
    made = commit_files(ours, "main", {"a.txt": b"new\n"}, NOTE)
    with pytest.raises(PushRefused) as caught:
        push(wrong, made, "improvement/7")
    assert caught.value.reason == "unavailable"
    assert "tok-wrong" not in str(caught.value)
    with pytest.raises(GitFailed):
        wrong.fetch()


def test_a_server_that_is_away_is_told(ours: Clone) -> None:
    away = replace(ours, url="http://127.0.0.1:9/shop.git")
    made = commit_files(ours, "main", {"a.txt": b"new\n"}, NOTE)
    with pytest.raises(PushRefused) as caught:
        push(away, made, "improvement/7")
    assert caught.value.reason == "unavailable"
    with pytest.raises(UnknownCommit):
        push(ours, "nowhere", "improvement/7")
    with pytest.raises(GitFailed):
        push(ours, made, "../main")


def test_the_token_is_in_no_command_line_and_no_file(
    ours: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A git that writes down how it was called, and goes on.
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout
    calls = tmp_path / "calls"
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec {real.strip()} "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    ours.fetch()
    made = commit_files(ours, "main", {"a.txt": b"new\n"}, NOTE)
    push(ours, made, "improvement/7")
    assert "push --porcelain" in calls.read_text()
    secrets = [secret.encode() for secret in CREDENTIALS.secrets]
    files = [calls, *(path for path in ours.folder.rglob("*") if path.is_file())]
    for path in files:
        assert not any(secret in path.read_bytes() for secret in secrets)
    assert TOKEN not in repr(ours)
