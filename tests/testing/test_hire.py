"""The planted service: its own tests see none of its faults, and what tells what is right, all."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from honed.testing.hire.faults import FAULTS
from honed.testing.hire.fixable import FIXABLE
from honed.testing.hire.plant import checks_of, plant, repaired

CHECKS = checks_of(FAULTS)


def outcomes(folder: Path, files: Mapping[str, str]) -> dict[str, set[str]]:
    """Return how tests end with ``files`` laid over, by the file that they are in."""
    for path, text in files.items():
        (folder / path).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-rA", "-q", "--tb=no", "-p", "no:cacheprovider"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
    ended: dict[str, set[str]] = {}
    for outcome, path in re.findall(r"^(PASSED|FAILED|ERROR) (tests/\w+\.py)", said, re.MULTILINE):
        ended.setdefault(path, set()).add(outcome)
    return ended


@pytest.mark.slow
def test_the_suite_sees_no_fault_and_the_checks_see_each(tmp_path: Path) -> None:
    folder = plant(tmp_path / "person").folder
    ill = outcomes(folder, CHECKS)
    assert {path for path in ill if path not in CHECKS and ill[path] != {"PASSED"}} == set()
    seen = {path for path in CHECKS if "FAILED" in ill[path]}
    assert seen == {path for path, fault in zip(CHECKS, FAULTS, strict=True) if fault.is_fixable}
    well = outcomes(folder, repaired())
    assert len(well) > len(CHECKS)
    assert set().union(*well.values()) == {"PASSED"}


def test_faults_came_in_with_commits_of_their_own(tmp_path: Path) -> None:
    checkout = plant(tmp_path / "person")
    history = checkout.git("log", "--format=%s").splitlines()
    for fault in FIXABLE:
        if not fault.broke_in:
            continue
        assert history.count(fault.broke_in) == 1
        commit = checkout.git("log", "--format=%H", f"--grep={fault.broke_in}")
        changed = checkout.git("diff", f"{commit}^", commit, "--", fault.path)
        assert fault.wrong in changed
    assert plant(tmp_path / "another").git("rev-parse", "HEAD") == checkout.git("rev-parse", "HEAD")


def test_every_fault_is_named_once_and_can_be_asked_for() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) == 20
    assert len(FIXABLE) == 15
    for fault in FAULTS:
        assert json.loads(json.dumps(fault.asked))
