"""A verdict is kept for as long as it can hold, and nobody else can write it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from honed.errors import SandboxMissing
from honed.sandbox import probe as probing
from honed.sandbox.box import Box
from honed.sandbox.probe import Probe, probe
from honed.sandbox.run import run, start
from honed.sandbox.running import Running

GOOD = Probe(is_safe=True, level="bubblewrap of another process")


@pytest.fixture
def state(sandbox: str) -> str:
    assert sandbox
    found = probing._state()
    assert found
    return found


def test_a_good_verdict_is_kept_for_other_processes(state: str, tmp_path: Path) -> None:
    assert probe(tmp_path).is_safe
    kept = tmp_path / "sandbox.json"
    assert json.loads(kept.read_text())["state"] == state
    assert kept.stat().st_mode & 0o777 == 0o600
    assert probing._kept(tmp_path, state) == probe(tmp_path)


def test_a_verdict_about_another_start_of_the_machine_is_none(state: str, tmp_path: Path) -> None:
    probing._keep(tmp_path, f"another {state}", GOOD)
    assert probing._kept(tmp_path, state) is None


@pytest.mark.parametrize("words", ["", "{", "[]", '{"state": 1}'])
def test_an_unreadable_verdict_is_none(state: str, tmp_path: Path, words: str) -> None:
    (tmp_path / "sandbox.json").write_text(words)
    assert probing._kept(tmp_path, state) is None


def test_a_verdict_that_others_may_write_is_none(state: str, tmp_path: Path) -> None:
    probing._keep(tmp_path, state, GOOD)
    assert probing._kept(tmp_path, state) == GOOD
    (tmp_path / "sandbox.json").chmod(0o666)
    assert probing._kept(tmp_path, state) is None


def test_a_limit_that_does_not_hold_is_found(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The hostile program believes in smaller limits than those that are set.
    assert state
    wide = replace(probing._LIMITS, processes=64, memory_bytes=1 << 30)
    narrow = probing._LIMITS
    real = Running
    monkeypatch.setattr(probing, "Running", lambda box, argv, _limits: real(box, argv, wide))
    monkeypatch.setattr(probing, "_LIMITS", narrow)
    found = probing._tried()
    assert not found.is_safe
    assert set(found.reasons) == {
        "a program in the sandbox forks beyond its limit",
        "a program in the sandbox takes more memory than its limit",
    }


def test_without_a_sandbox_nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    for way in (run, start):
        with pytest.raises(SandboxMissing, match="bubblewrap is not installed"):
            way(Box(Path("/usr/bin/python3")), ["true"])
