"""Every intake has a test of its own, and paths of its own."""

from collections import Counter
from pathlib import Path

import pytest

from honed.config import Settings
from honed.signals.intakes import installed_intakes, open_intakes

FOLDER = Path(__file__).parent


def test_every_intake_keeps_the_contract_in_a_test_of_its_own() -> None:
    for name, intake in installed_intakes().items():
        text = "".join(
            path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob(f"test_{name}*.py"))
        )
        assert text, f"there is no tests/intake/test_{name}.py"
        assert not intake.paths or "(IntakeContract)" in text, f"{name} is not held to the contract"


def test_no_path_is_of_two_intakes() -> None:
    paths = Counter(
        path.rstrip("/") for intake in installed_intakes().values() for path in intake.paths
    )
    assert [path for path, times in paths.items() if times > 1] == []


def test_an_intake_that_is_off_and_not_there_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert len(open_intakes(Settings(intake_sources_off="telegraph"))) == len(installed_intakes())
    assert "telegraph, which is not installed" in caplog.text
