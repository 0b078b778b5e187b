"""Real runs of pytest report what their tests came to, and fail or pass as they would without."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from honed.client.reports import FOLDER
from honed.testing.intake import IntakeServer

pytestmark = pytest.mark.slow  # There is much of it.

TESTS = """
import pytest

def test_good():
    pass

def test_bad():
    assert {"a": 1} == {"a": 2}

@pytest.fixture
def broken():
    raise ValueError("no database")

def test_error(broken):
    pass

@pytest.fixture
def leaking():
    yield
    raise OSError("still open")

def test_leak(leaking):
    pass

@pytest.mark.skip(reason="later")
def test_skipped():
    pass

@pytest.mark.xfail(reason="known")
def test_known():
    assert False

@pytest.mark.xfail(reason="known", strict=True)
def test_strict():
    pass

@pytest.mark.xfail(reason="known")
def test_lucky():
    pass
"""
OUTCOMES = {
    "test_good": "passed", "test_bad": "failed", "test_error": "error", "test_leak": "error",
    "test_skipped": "skipped", "test_known": "xfailed", "test_strict": "failed",
    "test_lucky": "passed",
}  # fmt: skip
#: Does what pytest-rerunfailures does: an attempt that failed is told as "rerun" and repeated.
RERUNS = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for attempt in range(3):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        item._initrequest()
        for report in runtestprotocol(item, nextitem=nextitem, log=False):
            is_repeated = report.failed and attempt < 2
            if is_repeated:
                report.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=report)
            if is_repeated:
                break
        else:
            return True
"""


@dataclass
class Project:
    """A folder with tests, and who hears of their results."""

    folder: Path
    server: IntakeServer
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def dsn(self) -> str:
        host = self.server.url.removeprefix("http://")
        project = self.server.project
        return f"http://{project.public_key}@{host}/{project.project_id}"

    def write(self, text: str, name: str = "test_shop.py") -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def run(
        self, *options: str, dsn: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the tests as a user does, in an environment of their own."""
        known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        said = {"HONED_DSN": self.dsn if dsn is None else dsn, **self.variables, **variables}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir=."]
        return subprocess.run(
            [*command, *options],
            cwd=self.folder,
            env={**known, "PYTHONDONTWRITEBYTECODE": "1", **said},
            capture_output=True,
            text=True,
            check=False,
        )

    def git(self, *command: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *who, *command], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def rows(self) -> list[dict[str, Any]]:
        return self.server.rows("SELECT * FROM honed.test_result ORDER BY signal_id")

    def bodies(self) -> dict[str, dict[str, Any]]:
        rows = self.server.rows("SELECT subject, body FROM honed.signal ORDER BY signal_id")
        return {row["subject"].rpartition("::")[2]: row["body"] for row in rows}


@pytest.fixture
def project(intake_server: IntakeServer, tmp_path: Path) -> Project:
    made = Project(tmp_path, intake_server)
    made.write(TESTS)
    return made


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
    return port


def outcomes(project: Project) -> dict[str, str]:
    return {row["test"].rpartition("::")[2]: row["outcome"] for row in project.rows()}


def test_every_outcome_is_reported(project: Project) -> None:
    done = project.run()
    assert done.returncode == 1
    assert "honed: reported 8 results" in done.stdout
    assert outcomes(project) == OUTCOMES
    rows = {row["test"]: row for row in project.rows()}
    bad = rows["test_shop.py::test_bad"]
    assert (bad["file"], bad["attempt"], bad["worker"]) == ("test_shop.py", 1, None)
    assert bad["environment"] == f"CPython 3.{sys.version_info.minor} {sys.platform}"
    assert bad["duration_ms"] > 0
    assert bad["source"] == "pytest"
    assert len({row["run"] for row in rows.values()}) == 1
    assert len({row["version"] for row in rows.values()}) > 1


def test_a_failure_is_told_from_the_test_on(project: Project) -> None:
    project.write("def total(n):\n    raise KeyError(n)\n", "shop.py")
    project.write(
        "import shop\n"
        "def test_total():\n"
        "    try:\n"
        "        shop.total(7)\n"
        "    except KeyError as error:\n"
        "        raise RuntimeError('no total') from error\n"
    )
    project.run()
    body = project.bodies()["test_total"]
    fault = body["fault"]
    assert (fault["type"], fault["message"]) == ("RuntimeError", "no total")
    assert (body["message"], body["title"]) == (
        "RuntimeError: no total", "RuntimeError: no total",
    )  # fmt: skip
    assert [(frame["function"], frame["file"]) for frame in fault["frames"]] == [
        ("test_total", "test_shop.py")
    ]
    cause = fault["cause"]
    assert (cause["type"], fault["is_cause_context"]) == ("KeyError", False)
    assert [(each["function"], each["line"], each["code"]) for each in cause["frames"]] == [
        ("test_total", 4, "shop.total(7)"), ("total", 2, "raise KeyError(n)"),
    ]  # fmt: skip
    assert body["files"] == ["shop.py", "test_shop.py"]


def test_why_a_test_did_not_pass_is_told_in_its_words(project: Project) -> None:
    project.run()
    told = {test: body.get("message", "") for test, body in project.bodies().items()}
    assert (told["test_skipped"], told["test_known"]) == ("later", "known")
    assert told["test_error"] == "ValueError: no database"
    assert told["test_leak"] == "OSError: still open"
    assert told["test_bad"].startswith("AssertionError: assert {'a': 1} == {'a': 2}")
    assert "[XPASS(strict)] known" in told["test_strict"]


def test_two_workers_report_once(project: Project) -> None:
    done = project.run("-n2")
    assert done.returncode == 1
    assert done.stdout.count("honed:") == 1
    assert outcomes(project) == OUTCOMES
    assert len(project.rows()) == len(OUTCOMES)
    assert {row["worker"] for row in project.rows()} == {"gw0", "gw1"}
    fault = project.bodies()["test_bad"]["fault"]
    assert fault["frames"][0]["function"] == "test_bad"


def test_a_worker_that_dies_is_an_error_of_its_test(project: Project) -> None:
    project.write("import os\ndef test_dies(): os._exit(3)\ndef test_lives(): pass\n")
    done = project.run("-n1")
    assert done.returncode == 1
    rows = {row["test"].rpartition("::")[2]: row for row in project.rows()}
    assert (rows["test_dies"]["outcome"], rows["test_lives"]["outcome"]) == ("failed", "passed")
    assert "crashed" in rows["test_dies"]["message"]


def test_attempts_are_reported_one_by_one(project: Project) -> None:
    project.write(RERUNS, "conftest.py")
    project.write("tries = []\ndef test_late():\n    tries.append(1)\n    assert len(tries) == 3\n")
    assert project.run().returncode == 0
    assert [(row["attempt"], row["outcome"]) for row in project.rows()] == [
        (1, "failed"), (2, "failed"), (3, "passed"),
    ]  # fmt: skip


def test_a_test_that_passes_only_when_it_is_repeated_is_flaky(project: Project) -> None:
    project.write(RERUNS, "conftest.py")
    project.write("tries = []\ndef test_late():\n    tries.append(1)\n    assert len(tries) == 2\n")
    project.run(GITHUB_SHA="c0ffee")
    (row,) = project.server.rows("SELECT * FROM honed.flaky_test")
    assert (row["test"], row["is_proven"]) == ("test_shop.py::test_late", True)


@pytest.mark.parametrize("options", [(), ("-n1",)])
def test_a_file_that_cannot_be_imported_is_an_error(
    project: Project, options: tuple[str, ...]
) -> None:
    project.write("import nothing_of_this_name\n")
    assert project.run(*options).returncode in {1, 2}
    (row,) = project.rows()
    assert (row["test"], row["outcome"]) == ("test_shop.py", "error")
    assert "nothing_of_this_name" in row["message"]
    assert project.bodies()["test_shop.py"]["fault"]["type"] == "ModuleNotFoundError"


def test_git_says_what_was_tested(project: Project) -> None:
    project.git("init", "--quiet", "--initial-branch=main")
    project.git("add", ".")
    project.git("commit", "--quiet", "--message=a")
    project.run()
    project.write(f"{TESTS}\n# more\n")
    project.run()
    rows = project.rows()
    assert {row["commit"] for row in rows} == {project.git("rev-parse", "HEAD")}
    assert {row["branch"] for row in rows} == {"main"}
    assert [row["dirty"] for row in rows] == [False] * 8 + [True] * 8
    assert all(row["committed_at"].endswith("Z") for row in rows)


def test_what_it_ran_on_may_be_said(project: Project) -> None:
    project.run("-k", "good", TOX_ENV_NAME="py311-lowest")
    project.run("-k", "good", TOX_ENV_NAME="py311-lowest", HONED_ENVIRONMENT="arm")
    assert [row["environment"] for row in project.rows()] == ["py311-lowest", "arm"]


def versions(project: Project, text: str, **variables: str) -> dict[str, str]:
    project.write(text)
    project.run("-k", "of", **variables)
    return {test: body["version"] for test, body in project.bodies().items()}


def test_a_test_has_another_version_when_it_is_changed_and_not_when_it_is_moved(
    project: Project,
) -> None:
    text = "def test_of_sets():\n    assert 1 in {1, 2} and 'a' in {'a', 'b', 'c', 'd'}\n"
    before = versions(project, text, PYTHONHASHSEED="1")
    assert versions(project, f"import os\n\n\n{text}", PYTHONHASHSEED="2") == before
    assert versions(project, text.replace("'d'", "'e'"), PYTHONHASHSEED="3") != before
    inner = "def test_of_inner():\n    def f(): return 1\n    assert f() == 1\n"
    assert (
        versions(project, inner)["test_of_inner"]
        != versions(project, inner.replace("return 1", "return 1.0"))["test_of_inner"]
    )


@pytest.mark.parametrize(("dsn", "options"), [("", ()), (None, ("--honed-dsn=",))])
def test_without_a_dsn_it_does_nothing(
    project: Project, dsn: str | None, options: tuple[str, ...]
) -> None:
    project.write(
        "import sys\ndef test_alone():\n    assert 'honed.client.results' not in sys.modules\n"
        "    assert 'honed.config' not in sys.modules\n"
    )
    done = project.run(*options, dsn=dsn)
    assert done.returncode == 0, done.stdout
    assert "honed:" not in done.stdout
    assert project.rows() == []


def test_the_option_wins_over_the_variable(project: Project) -> None:
    assert project.run(f"--honed-dsn={project.dsn}", dsn="http://nobody@127.0.0.1:9/1").returncode
    assert len(project.rows()) == 8


def test_what_cannot_be_sent_is_kept_and_sent_by_a_later_run(
    project: Project, closed_port: int
) -> None:
    away = f"http://{'0' * 32}@127.0.0.1:{closed_port}/1"
    done = project.run(dsn=away)
    assert done.returncode == 1
    assert f"honed: kept 8 results in {FOLDER} for a later run: the server does not" in done.stdout
    (kept,) = (project.folder / FOLDER).glob("*.json")
    assert {each["outcome"] for each in json.loads(kept.read_text())["tests"]} == set(
        OUTCOMES.values()
    )
    assert (project.folder / FOLDER / ".gitignore").read_text() == "*\n"
    done = project.run("-k", "good")
    assert "honed: reported 1 results, reported 8 of earlier runs" in done.stdout
    assert list((project.folder / FOLDER).glob("*.json")) == []
    assert len(project.rows()) == 9
    assert len({row["run"] for row in project.rows()}) == 2


def test_a_key_of_no_project_is_told_and_nothing_is_lost(project: Project) -> None:
    done = project.run(dsn=project.dsn.replace(project.server.project.public_key, "0" * 32))
    assert done.returncode == 1
    assert "the server answered 401: the key is of no project" in done.stdout
    assert len(list((project.folder / FOLDER).glob("*.json"))) == 1


def test_a_dsn_that_is_none_is_told_and_not_repeated(project: Project) -> None:
    done = project.run("-k", "good", dsn="nonsense://secret")
    assert done.returncode == 0
    assert "honed: reported nothing: a DSN has the form http://<key>@" in done.stdout
    assert "secret" not in done.stdout


def test_no_run_fails_for_a_report_that_cannot_be_kept(project: Project, closed_port: int) -> None:
    project.write("", FOLDER)
    done = project.run("-k", "good", dsn=f"http://key@127.0.0.1:{closed_port}/1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "honed: reported nothing:" in done.stdout


def test_odd_errors_are_reported_as_far_as_they_can_be_told(project: Project) -> None:
    project.write(
        "class Mute(Exception):\n"
        "    def __str__(self): raise ValueError('no words')\n"
        "def test_mute(): raise Mute\n"
        "def test_half(): raise ValueError('\\ud800')\n"
        "def test_long(): raise ValueError('word ' * 100_000)\n"
        "def test_group(): raise ExceptionGroup('many', [ValueError(n) for n in range(30)])\n"
        "def test_deep():\n    return test_deep()\n"
    )
    done = project.run()
    assert done.returncode == 1
    assert "honed: reported 5 results" in done.stdout
    bodies = project.bodies()
    assert bodies["test_mute"]["fault"]["type"] == "test_shop.Mute"
    assert bodies["test_half"]["fault"]["message"] == "?"
    assert len(bodies["test_long"]["fault"]["message"]) < 10_000
    assert len(bodies["test_group"]["fault"]["members"]) == 8
    assert len(bodies["test_deep"]["fault"]["frames"]) == 50


def test_many_results_are_sent_in_parts(project: Project) -> None:
    project.write(
        "import pytest\n@pytest.mark.parametrize('n', range(2_500))\ndef test_n(n): pass\n"
    )
    done = project.run("-q")
    assert "honed: reported 2500 results" in done.stdout
    assert len(project.rows()) == 2_500
    assert project.server.counts("accepted") == {"": 2_500}


def test_it_is_installed_with_honed() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], capture_output=True, text=True, check=True
    )
    assert "--honed-dsn=DSN" in listed.stdout
