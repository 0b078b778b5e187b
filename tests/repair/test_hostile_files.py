"""Code in the sandbox names files that are read outside of it: only real ones of the repository."""

import os
import sys
from pathlib import Path

import pytest

from honed.repair.engine import repair
from honed.repair.suite import Budget, Suite
from honed.sandbox.box import Box
from honed.sandbox.probe import probe
from honed.space.clones.ingredients import modules

CODE = "def smaller(one, other):\n    return one if one > other else other\n"
TESTS = """import smallest


def test_smaller():
    assert smallest.smaller(1, 2) == 1
    assert smallest.smaller(2, 1) == 1
    assert smallest.smaller(3, 3) == 3


def test_it_runs_code_under_the_names_of_other_files():
    for name in ("linked.py", "pipe.py", "../outside.py", "/dev/zero"):
        path = smallest.__file__.replace("smallest.py", name)
        exec(compile("x = 1", path, "exec"), {})
    assert smallest.smaller(1, 2) == 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a repository with a link that leads out and a pipe for which one would wait."""
    root = tmp_path / "repository"
    root.mkdir()
    (root / "smallest.py").write_text(CODE)
    (root / "test_smallest.py").write_text(TESTS)
    (tmp_path / "outside.py").write_text("secret = 1\n")
    (root / "linked.py").symlink_to(tmp_path / "outside.py")
    os.mkfifo(root / "pipe.py")
    return root


def test_links_and_pipes_are_no_modules(folder: Path) -> None:
    assert [path.name for path in modules(folder)] == ["smallest.py", "test_smallest.py"]


@pytest.mark.slow
def test_a_repair_reads_no_file_that_hostile_code_names(folder: Path) -> None:
    found = probe()
    if not found.is_safe:
        pytest.skip(f"no sandbox: {'; '.join(found.reasons)}")
    suite = Suite(folder, Path(sys.executable), ("test_smallest.py",))
    outcome = repair(suite, Box(Path(sys.executable)), Budget(30, 1, most_candidates=300))
    assert outcome.patches
    assert {patch.path for patch in outcome.patches} == {"smallest.py"}
