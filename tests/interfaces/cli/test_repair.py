"""`honed repair` on a real git repository, in a real sandbox."""

import subprocess
from pathlib import Path

import pytest

from honed.sandbox.probe import probe
from honed.testing.commandline import CommandLine

CODE = """def cheap(prices, limit):
    return [price for price in prices if price > limit]
"""
REPAIRED = CODE.replace(">", "<")
TESTS = """from cart import cheap


def test_cheap():
    assert cheap([1, 2, 3], 2) == [1]


def test_all():
    assert cheap([1, 1], 5) == [1, 1]


def test_none():
    assert cheap([], 1) == []
"""


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    found = probe()
    if not found.is_safe:
        pytest.skip(f"no sandbox: {'; '.join(found.reasons)}")
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "cart.py").write_text(CODE)
    (folder / "test_cart.py").write_text(TESTS)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "cart.py", "test_cart.py")
    git(folder, "commit", "--quiet", "--message=a fault")
    return folder


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    """Return a command line with a home, and with no store that it could need."""
    return CommandLine({"HONED_HOME": str(tmp_path / "home"), "HONED_STORE_URL": "none"})


def refused_after_a_run(line: CommandLine, *words: str) -> str:
    """Return the refusal of a command that first said what it does, and for how long at most."""
    done = line(*words)
    assert done.exit_code != 0, done.output
    assert done.stdout == ""
    told, said, hint = done.stderr.splitlines()
    assert "run to see what fails, for at most 300 s" in told
    return f"{said}\n{hint}"


def files_of(folder: Path) -> dict[str, bytes]:
    """Return every file but those in which git keeps objects and branches."""
    branches = {"objects", "refs", "logs"}
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in paths if path.parts[0] != ".git" or path.parts[1] not in branches]
    return {str(path): (folder / path).read_bytes() for path in kept}


@pytest.mark.slow
def test_a_repair_is_printed_judged_and_committed_on_its_branch(
    repository: Path, line: CommandLine, tmp_path: Path
) -> None:
    (repository / "cart.py").write_text(CODE + "# not committed\n")
    before = files_of(repository)
    words = ("repair", str(repository), "--processes", "1", "--branch", "repair-cheap")
    said = line.text(*words)
    assert "+    return [price for price in prices if price < limit]" in said
    assert "passed   red_green" in said
    assert "is on the branch repair-cheap" in said
    assert git(repository, "show", "repair-cheap:cart.py") == REPAIRED.strip()
    assert git(repository, "log", "--format=%an", "-1", "repair-cheap") == "honed"
    assert git(repository, "branch", "--show-current") == "main"
    assert files_of(repository) == before, "the checkout is not touched"
    assert "there is a branch repair-cheap already" in line.refusal(*words)
    assert not list((tmp_path / "home" / "worktrees").iterdir()), "nothing is left behind"


def test_what_passes_already_is_no_fault(
    repository: Path, line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "cart.py").write_text(REPAIRED)
    git(repository, "commit", "--quiet", "--all", "--message=repaired")
    monkeypatch.chdir(repository)
    assert "no test fails" in refused_after_a_run(line, "repair", ".")
    passing = refused_after_a_run(line, "repair", ".", "--test", "test_cart.py")
    assert "these do not fail: test_cart.py" in passing
    assert "what is not committed is not seen" in passing


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("test_carts.py", "is it test_cart.py?"),
        ("test_cart.py::test_cheep", "is it test_cart.py::test_cheap?"),
        ("/etc/hostname", "name a file, or an id as pytest prints it"),
    ],
)
def test_a_test_that_is_not_there_is_not_said_to_pass(
    repository: Path, line: CommandLine, name: str, near: str
) -> None:
    done = line("repair", str(repository), "--test", name)
    assert done.exit_code != 0
    assert f"no such test: {name}" in done.stderr
    assert near in done.stderr


def test_where_there_are_no_tests_it_is_said(repository: Path, line: CommandLine) -> None:
    git(repository, "rm", "--quiet", "test_cart.py")
    git(repository, "commit", "--quiet", "--message=no tests")
    assert "there are no tests" in refused_after_a_run(line, "repair", str(repository))


def test_a_branch_that_is_there_already_asks_for_another_name(
    repository: Path, line: CommandLine
) -> None:
    refused = line.refusal("repair", str(repository), "--branch", "main")
    assert "there is a branch main already" in refused
    assert "choose another name" in refused


@pytest.mark.slow
def test_tests_that_do_not_end_are_cut_off_and_the_one_that_hangs_is_named(
    repository: Path, line: CommandLine
) -> None:
    hangs = "\n\ndef test_it_waits():\n    import time\n    time.sleep(3600)\n"
    (repository / "test_cart.py").write_text(TESTS + hangs)
    git(repository, "commit", "--quiet", "--all", "--message=a test that waits")
    done = line("repair", str(repository), "--suite-seconds=8")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[0] == "the tests are run to see what fails, for at most 8 s"
    assert "limit of time after 8 s, in test_cart.py::test_it_waits" in done.stderr
    assert "name the test that fails (--test)" in done.stderr
    named = "--test=test_cart.py::test_cheap"
    said = line("repair", str(repository), named, "--suite-seconds=8", "--seconds=20").stderr
    assert "template_repair looks for a change" in said
    assert "a run of tests has 8 s at most" in said


def test_what_cannot_be_found_is_said(line: CommandLine, tmp_path: Path) -> None:
    assert "nowhere" in line.refusal("repair", str(tmp_path / "nowhere"))


@pytest.mark.slow
def test_json_holds_everything(repository: Path, line: CommandLine) -> None:
    named = [f"--test=test_cart.py::{name}" for name in ("test_cheap", "test_all")]
    said = line.json("repair", str(repository), *named)
    assert said["is_sound"] is True
    assert said["base_commit"] == git(repository, "rev-parse", "HEAD")
    assert len(said["gates"]) >= 10
    assert all(gate["passed"] for gate in said["gates"])
    assert len(said["judge"]) == 64


#: No edit of it says what is cheap.
WRONG = """def cheap(prices, limit):
    return {"limit": limit}
"""


@pytest.mark.slow
def test_what_no_template_repairs_is_reverted_and_everything_that_was_tried_is_told(
    repository: Path, line: CommandLine
) -> None:
    (repository / "cart.py").write_text(REPAIRED)
    git(repository, "commit", "--quiet", "--all", "--message=right")
    (repository / "cart.py").write_text(WRONG)
    git(repository, "commit", "--quiet", "--all", "--message=Look prices up")
    bad = git(repository, "rev-parse", "HEAD")
    line.env["HONED_LLM_PROVIDER"] = "openai"
    words = ("repair", str(repository), "--seconds=20", "--processes=1", "--branch=back")
    done = line(*words)
    assert done.exit_code == 0, done.output
    assert f"revert_commit: {bad[:12]} found a change" in done.stdout
    assert ("nothing  template_repair" in done.stdout) != (
        "doubted  template_repair" in done.stdout
    )
    assert "No language model is asked: " in done.stderr
    assert git(repository, "show", "back:cart.py") == REPAIRED.strip()
    message = git(repository, "log", "-1", "--format=%B", "back")
    assert message.startswith(f'Revert "Look prices up"\n\nThis reverts commit {bad}.')


@pytest.mark.slow
def test_where_nothing_helps_each_proposer_says_why(repository: Path, line: CommandLine) -> None:
    (repository / "test_cart.py").write_text(
        "from cart import cheap\n\n\ndef test_it():\n    assert cheap([1], 1) == object()\n"
    )
    git(repository, "commit", "--quiet", "--all", "--message=never green")
    said = line("repair", str(repository), "--seconds=10", "--processes=1").stdout
    assert said.splitlines() == [
        "No change found.",
        "nothing  template_repair: nothing that was tried passes all tests",
        "nothing  revert_commit: the tests pass on none of the 1 commits before that were tried",
        "nothing  language_model: no language model is named (llm_provider)",
    ]
