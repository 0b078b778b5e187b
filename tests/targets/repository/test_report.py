"""What a run that was cut off left behind names the test that hung, and is believed no further."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from honed.sandbox.box import Ended
from honed.targets.repository.judging.report import read_run

CUT_OFF = Ended(137, b"", b"", 0.1, 300.04, "wall")
WHY = "the run of tests met its limit of time after 300 s"


def test_the_test_that_hung_is_named(tmp_path: Path) -> None:
    (tmp_path / "now").write_text("tests/test_a.py::test_it")
    assert (
        read_run(tmp_path / "report.json", CUT_OFF).error == f"{WHY}, in tests/test_a.py::test_it"
    )


@pytest.mark.parametrize(
    "leave",
    [
        os.path.exists,
        lambda place: place.write_text(""),
        lambda place: place.write_text("--option"),
        lambda place: place.write_bytes(b"\x1b[31m"),
        lambda place: place.write_bytes(b"\xff"),
        lambda place: place.symlink_to("/etc/hostname"),
        os.mkfifo,
        os.mkdir,
    ],
)
def test_what_is_no_name_of_a_test_is_left_out(
    tmp_path: Path, leave: Callable[[Path], object]
) -> None:
    leave(tmp_path / "now")
    assert read_run(tmp_path / "report.json", CUT_OFF).error == WHY


def test_a_run_that_ends_by_itself_names_none(tmp_path: Path) -> None:
    (tmp_path / "now").write_text("tests/test_a.py::test_it")
    ended = Ended(3, b"", b"it broke", 0.1, 1.0, "exit")
    error = read_run(tmp_path / "report.json", ended).error
    assert error == "the run of tests ended with code 3: it broke"
