"""What the two sides of a change see, and what is believed of what a script says."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from honed.core.change import CodeChange, FileChange
from honed.errors import EvaluatorFailed
from honed.sandbox.box import Limits
from honed.targets.repository.judging.judge import Checkout, CodeJudge, Court
from honed.testing.repository_worlds import require_sandbox

_TEST = (
    "import tiny\nfrom importlib.metadata import version\n\n\n"
    "def test_tiny():\n    assert (tiny.VALUE, version('tiny')) == (2, '2.0')\n"
)


@pytest.fixture
def side(tmp_path: Path) -> Checkout:
    """Return a side of a repository whose test wants a release that is not installed."""
    require_sandbox()
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "test_tiny.py").write_text(_TEST)
    (folder / "requirements.txt").write_text("tiny==1.0\n")
    return Checkout(folder, {}, Court(Path(sys.executable), Limits(cpu_s=30, wall_s=60)))


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Return a folder with a release, and a link of paths that would run code."""
    folder = tmp_path / "packages"
    (folder / "tiny-2.0.dist-info").mkdir(parents=True)
    (folder / "tiny-2.0.dist-info" / "METADATA").write_text("Name: tiny\nVersion: 2.0\n")
    (folder / "tiny.py").write_text("VALUE = 2\n")
    (folder / "evil.pth").write_text("import nowhere; raise SystemExit(3)\n")
    return folder


@pytest.mark.slow
def test_releases_are_seen_on_the_side_of_the_change_alone(side: Checkout, packages: Path) -> None:
    files = (FileChange("requirements.txt", "tiny==1.0\n", "tiny==2.0\n"),)
    judge = CodeJudge.of(side.folder, CodeChange("0" * 40, files), side.court, packages)
    assert judge.base.run_tests().broken
    run = judge.patched.run_tests()
    assert (run.error, sorted(run.passed)) == ("", ["test_tiny.py::test_tiny"])


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """Return a maker of scripts in folders of their own."""

    def make(text: str) -> Path:
        place = tmp_path / "inside" / "script.py"
        place.parent.mkdir()
        place.write_text(f"import json, os\n{text}\n")
        return place

    return make


@pytest.mark.slow
def test_a_script_is_asked_about_a_copy(side: Checkout, script: Callable[[str], Path]) -> None:
    place = script(
        "asked = json.load(open(os.environ['HONED_ASKED']))\n"
        "found = [asked['number'], os.environ['MORE'], sorted(os.listdir('.'))]\n"
        "open('requirements.txt', 'w').write('gone')\n"
        "json.dump(found, open(os.environ['HONED_REPORT'], 'w'))"
    )
    told = side.ask(place, {"number": 3}, {"MORE": "x"})
    assert told == [3, "x", ["requirements.txt", "test_tiny.py"]]
    assert side.read("requirements.txt") == "tiny==1.0\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "raise SystemExit(3)",
        "open(os.environ['HONED_REPORT'], 'w').write('no json')",
        "os.symlink('/etc/passwd', os.environ['HONED_REPORT'])",
        f"open(os.environ['HONED_REPORT'], 'w').write({json.dumps('[' * 100_000)})",
    ],
)
def test_a_script_without_an_answer_is_a_failure(
    text: str, side: Checkout, script: Callable[[str], Path]
) -> None:
    with pytest.raises(EvaluatorFailed, match=r"inside/script\.py gave no answer"):
        side.ask(script(text), {})


def test_nothing_beside_the_repository_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    (folder / ".git").mkdir(parents=True)
    secret = tmp_path / "secret.py"
    for place in (secret, folder / ".git" / "hook.py", folder / "own.py"):
        place.write_text("KEY = 1\n")
    side = Checkout(folder, {}, Court(Path(sys.executable), Limits()))
    assert side.read("own.py") == "KEY = 1\n"
    for path in (
        str(secret),
        "../secret.py",
        "x/../../secret.py",
        ".git/hook.py",
        "",
        "x" * 5000,
        "\0",
    ):
        assert side.read(path) is None
