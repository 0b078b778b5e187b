"""The command itself: quick to start, each command there, every error one line and one hint."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from honed.interfaces.cli.root import COMMANDS, honed
from honed.testing.commandline import CommandLine

#: Packages that are slow to import, and that a question for help has no need of.
HEAVY = ("numpy", "psycopg", "pydantic", "rich", "scipy", "sklearn", "sqlglot", "procrastinate")
LONGEST_START_S = 0.3


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "honed", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
    )


def cpu_s(act: Callable[[], object]) -> float:
    """Return the CPU seconds of the processes that ``act`` starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    act()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_starts_quickly() -> None:
    assert min(cpu_s(lambda: run("--help")) for _ in range(3)) < LONGEST_START_S


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom honed.interfaces.cli.root import honed\n"
        "honed.main(['--help'], standalone_mode=False)\nprint(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.splitlines()[-1].strip("[]").replace("'", "").split(", "))
    assert "honed.interfaces.cli.root" in modules
    assert modules & set(HEAVY) == set()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_there_and_its_line_is_its_own(name: str) -> None:
    command = honed.get_command(click.Context(honed), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name].summary


@pytest.mark.parametrize(
    "arguments",
    [
        ("--bogus",),
        ("bogus",),
        ("target", "bogus"),
        ("target", "show"),
        ("target", "show", "--bogus"),
        ("deadletter", "show", "seven"),
        ("improvement", "list", "--state", "bogus"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_one_hint(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    said, hint = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert said.startswith("honed: ")
    assert hint.startswith("  hint: `honed")


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ((), ["Usage: honed [OPTIONS] COMMAND [ARGS]...", "Commands:"]),
        (("improvement",), ["Usage: honed improvement [OPTIONS] COMMAND [ARGS]...", "Commands:"]),
    ],
)
def test_a_group_without_a_command_shows_its_help(
    arguments: tuple[str, ...], lines: list[str]
) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert [line for line in done.stderr.splitlines() if line in lines] == lines


def test_a_group_without_a_command_is_an_error_in_json() -> None:
    done = run("--json", "improvement")
    assert done.returncode == 2
    assert json.loads(done.stderr)["message"] == "`honed improvement` needs a command"


def test_a_wrong_setting_is_one_line_and_one_hint() -> None:
    done = run("status", HONED_ALPHA="7")
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr.splitlines()[0] == "honed: alpha (HONED_ALPHA): Input should be less than 0.5"
    )


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("alhpa = 0.1", "alhpa (honed.toml or the command line): Extra inputs are not permitted"),
        ("alpha = 7", "alpha (honed.toml or the command line): Input should be less than 0.5"),
        ("alpha = ", "honed.toml is not TOML: "),
    ],
)
def test_a_wrong_file_of_settings_is_one_line_and_one_hint(
    toml: str, words: str, cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "honed.toml").write_text(toml)
    monkeypatch.chdir(tmp_path)
    assert cli.refusal("status").startswith(words)


def test_verbose_shows_where_an_error_happened() -> None:
    quiet = run("config", "show", HONED_ALPHA="7")
    verbose = run("config", "show", "--verbose", HONED_ALPHA="7")
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in verbose.stderr


def test_an_error_is_json_where_json_is_asked_for() -> None:
    done = run("target", "show", "nope", "--json", HONED_STORE_URL="not a url")
    said = json.loads(done.stderr)
    assert (done.returncode, done.stdout) == (1, "")
    assert said["error"] == "StoreUnavailable"
    assert said["hint"]


@pytest.mark.parametrize("arguments", [("--json", "config", "show"), ("config", "show", "--json")])
def test_json_may_stand_before_or_behind_the_command(arguments: tuple[str, ...]) -> None:
    names = [setting["setting"] for setting in json.loads(run(*arguments).stdout)]
    assert "autonomy" in names


def test_what_nobody_foresaw_is_one_line_too(tmp_path: Path) -> None:
    """A home that is a file makes the embedded server's start fail in the operating system."""
    file = tmp_path / "file"
    file.touch()
    done = run("store", "status", HONED_HOME=str(file))
    assert done.returncode == 1
    assert done.stderr.startswith("honed: ")
    assert "Traceback" not in done.stderr
