"""A folder for a while is gone at its end, and with the next one where its process was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from honed.sandbox.scratch import scratch, sweep

PREFIX = "honed-scratch-"
KILLED = """
import os, signal, sys
from pathlib import Path
from honed.sandbox.scratch import scratch
with scratch(Path(sys.argv[1])) as folder:
    (folder / "code.py").write_text("secret = 1")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_is_gone_at_its_end_whatever_is_in_it(tmp_path: Path) -> None:
    def fail() -> None:
        with scratch(tmp_path) as folder:
            assert folder.name.startswith(PREFIX)
            assert folder.stat().st_mode & 0o777 == 0o700
            (folder / "closed").mkdir(mode=0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    with scratch(tmp_path) as folder:
        assert not left.exists()
        assert sweep(tmp_path, PREFIX) == (), "one that is in use stays"
        assert folder.exists()


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").write_text("a file")
    if os.geteuid() == 0:
        (tmp_path / f"{PREFIX}other").mkdir()
        os.chown(tmp_path / f"{PREFIX}other", 12_345, 12_345)
    before = sorted(tmp_path.iterdir())
    assert sweep(tmp_path, PREFIX) == ()
    assert sorted(tmp_path.iterdir()) == before
