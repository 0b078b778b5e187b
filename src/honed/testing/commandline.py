"""The command line in the test's own process, on the test's own store.

Load it with ``pytest_plugins = ["honed.testing.postgres", "honed.testing.commandline"]``.
"""

import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from honed.interfaces.cli.root import honed
from honed.storage.db import Database

#: What makes a terminal write in colours.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Runs `honed` in this process, on one store and one home."""

    env: dict[str, str]

    def __call__(self, *arguments: str, typed: str | None = None) -> Result:
        """Return what a command said and its exit code; ``typed`` is its standard input."""
        return CliRunner().invoke(
            honed, arguments, input=typed, env=self.env, catch_exceptions=False, prog_name="honed"
        )

    def typed(self, typed: str, *arguments: str, columns: int = 200) -> tuple[int, str]:
        """Run a command on a terminal and type ``typed``; return its exit code and all it said.

        It runs in a process of its own. Colours are left out of what it said.
        """
        outer, inner = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "honed", *arguments],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env={**os.environ, **self.env, "COLUMNS": str(columns)},
            close_fds=True,
        ) as process:
            os.close(inner)
            os.write(outer, typed.encode())
            said = b"".join(iter(lambda: _read(outer), b""))
        os.close(outer)
        return process.returncode, _COLOUR.sub("", said.decode(errors="replace"))

    def json(self, *arguments: str) -> Any:  # noqa: ANN401 - whatever the command says
        """Return what a command that succeeds says as JSON."""
        done = self(*arguments, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def text(self, *arguments: str) -> str:
        """Return what a command that succeeds says on standard output."""
        done = self(*arguments)
        assert done.exit_code == 0, done.output
        return done.stdout

    def refusal(self, *arguments: str) -> str:
        """Return what a command that fails says: one line and one hint, and nothing else."""
        done = self(*arguments)
        assert done.exit_code != 0, done.output
        assert done.stdout == "", done.stdout
        said, hint = done.stderr.splitlines()
        assert said.startswith("honed: "), said
        assert hint.startswith("  hint: "), hint
        return f"{said.removeprefix('honed: ')} | {hint.removeprefix('  hint: ')}"


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the last process that had it open has ended
        return b""


@pytest.fixture
def cli(store: Database, honed_home: Path) -> CommandLine:
    """Return the command line on the test's own store, with a home of its own."""
    return CommandLine({"HONED_STORE_URL": store.url, "HONED_HOME": str(honed_home)})
