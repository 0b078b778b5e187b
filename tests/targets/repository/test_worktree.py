"""A worktree is gone afterwards, whatever happens in it or to its process."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from honed.errors import UnknownCommit
from honed.sandbox.scratch import sweep
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.git.worktree import PREFIX, worktree
from honed.testing.repositories import Checkout

KILLED = """
import os, signal, sys
from pathlib import Path
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.git.worktree import worktree
folder, parent = map(Path, sys.argv[1:])
with worktree(Clone(folder, ""), "main", parent) as made:
    (made.root / "made").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def filled(checkout: Checkout, clone: Clone) -> Clone:
    checkout.commit({"a.txt": b"text\n", "run.sh": b"#!/bin/sh\n"})
    checkout.git("update-index", "--chmod=+x", "run.sh")
    checkout.git("commit", "--quiet", "-m", "mode")
    clone.fetch()
    return clone


def test_it_has_the_files_of_its_commit_and_nothing_of_git(filled: Clone, tmp_path: Path) -> None:
    with worktree(filled, "main", tmp_path / "trees") as made:
        assert {path.name for path in made.root.iterdir()} == {"a.txt", "run.sh"}
        assert os.access(made.root / "run.sh", os.X_OK)
        assert made.commit == filled.commit("main")
        assert made.odd == {}
    assert list((tmp_path / "trees").iterdir()) == []


def test_it_is_gone_after_an_error_and_after_what_ran_there(filled: Clone, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    with (
        contextlib.suppress(ZeroDivisionError),
        worktree(filled, "main", tmp_path / "trees") as made,
    ):
        (made.root / "link").symlink_to(outside)
        (made.root / "closed" / "deep").mkdir(parents=True)
        (made.root / "closed" / "deep" / "file").write_text("x")
        (made.root / "closed" / "deep").chmod(0)
        (made.root / "closed").chmod(0)
        raise ZeroDivisionError
    assert list((tmp_path / "trees").iterdir()) == []
    assert (outside / "kept").read_text() == "kept"


def test_what_a_killed_process_left_is_swept_and_what_is_in_use_is_not(
    filled: Clone, tmp_path: Path
) -> None:
    parent = tmp_path / "trees"
    argv = [sys.executable, "-c", KILLED, str(filled.folder), str(parent)]
    done = subprocess.run(argv, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = parent.iterdir()
    with worktree(filled, "main", parent) as first:
        assert not left.exists()
        with worktree(filled, "main", parent) as second:
            assert sweep(parent, PREFIX) == ()
            assert (first.root / "a.txt").exists()
            assert (second.root / "a.txt").exists()


def test_an_unknown_commit_is_named(filled: Clone, tmp_path: Path) -> None:
    for name in ("nowhere", "--help", "0" * 40):
        with (
            pytest.raises(UnknownCommit, match=name),
            worktree(filled, name, tmp_path / "trees"),
        ):
            pass
