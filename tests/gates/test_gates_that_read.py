"""Gates that only read a change: paths, size, syntax, secrets, doubts, loops."""

from dataclasses import replace

import pytest
from tests.gates.conftest import CART, REPAIRED, MakeChange, MakeJudge

from honed.core.change import CodeChange, FileChange, Purpose
from honed.core.gate import Gate, Judge, Thresholds
from honed.core.plugins import discover
from honed.gates.allowed_paths import AllowedPaths
from honed.gates.certainty import Certainty
from honed.gates.loop_metrics import LoopMetrics
from honed.gates.secret_scan import SecretScan
from honed.gates.size import Size
from honed.gates.syntax import Syntax

PROJECT = '[project]\nname = "shop"\ndependencies = ["tiny==1.0"]\n'
NOBODY: Judge = None  # type: ignore[assignment]  # these ask none


def test_the_gates_are_plug_ins_asked_in_the_order_of_their_cost() -> None:
    gates = discover("honed.gates", Gate)  # type: ignore[type-abstract]  # the family's base
    ordered = sorted(gates.values(), key=lambda gate: gate.order)
    assert [gate.name for gate in ordered] == [
        "allowed_paths",
        "size",
        "syntax",
        "loop_metrics",
        "secret_scan",
        "made_up_answers",
        "certainty",
        "red_green",
        "test_suite",
        "same_behaviour",
        "test_coverage",
        "cost",
        "coverage_gain",
        "faster",
    ]
    assert len({gate.order for gate in ordered}) == len(ordered)
    assert [gate.name for gate in ordered if not gate.is_always] == ["loop_metrics"]


@pytest.mark.parametrize(
    ("path", "before", "why"),
    [
        ("tests/test_cart.py", "x", "test"),
        ("tests/data.py", "x", "test"),
        ("shop/cart_test.py", "x", "test"),
        ("tests/conftest.py", None, "judge"),
        ("honed_report.py", None, "new, and no test"),
        ("pytest.py", None, "new, and no test"),
        ("tests/json.py", None, "new, and no test"),
        (".github/workflows/ci.yml", None, "hidden"),
        (".gitattributes", "x", "hidden"),
        (".envrc", "x", "hidden"),
        (".pytest.ini", None, "hidden"),
        ("azure-pipelines.yml", "x", "no source"),
        ("compose.yaml", "x", "no source"),
        ("GNUmakefile", "x", "no source"),
        ("uv.lock", "x", "no source"),
        ("Pipfile", "x", "no source"),
        ("requirements-dev.txt", "x", "no source"),
        ("pyproject.toml", "x", "no source"),
        ("pytest.toml", None, "no source"),
        ("evil.pth", None, "no source"),
        ("setup.py", "x", "automation"),
        ("hatch_build.py", "x", "automation"),
        ("shop/migrations/0002_more.py", None, "migration"),
        ("../elsewhere.py", None, "outside"),
        ("/etc/passwd", None, "outside"),
        ("shop/../../x.py", None, "outside"),
        (".git/hooks/post-commit", None, "hidden"),
    ],
)
def test_what_judges_builds_or_ships_is_changed_by_people(
    path: str, before: str | None, why: str, make_change: MakeChange, thresholds: Thresholds
) -> None:
    change = make_change(REPAIRED, FileChange(path, before, "y"))
    result = AllowedPaths().check(change, NOBODY, thresholds)
    assert not result.passed
    assert why in result.reason


def test_sources_and_new_tests_may_be_changed(
    make_change: MakeChange, thresholds: Thresholds
) -> None:
    test = FileChange("tests/unit/test_cart_total.py", None, "y")
    document = FileChange("docs/prices.md", "old", "new")
    log = FileChange("CHANGELOG.md", "old", "new")
    change = make_change(REPAIRED, test, document, log)
    assert AllowedPaths().check(change, NOBODY, thresholds).passed
    assert not AllowedPaths().check(make_change(), NOBODY, thresholds).reason.startswith("only")


@pytest.mark.parametrize(
    ("path", "before", "after", "why"),
    [
        ("requirements.txt", "tiny==1.0\n", "tiny==1.1\n", ""),
        ("pyproject.toml", PROJECT, PROJECT.replace("1.0", "1.1"), ""),
        ("pyproject.toml", PROJECT, PROJECT.replace("shop", "evil"), "more than one requirement"),
        ("requirements.txt", "tiny==1.0\n", "tiny==1.1\nevil\n", "more than one line"),
        ("requirements.txt", None, "tiny==1.1\n", "new or gone"),
        ("shop/cart.py", CART, REPAIRED, "declares no dependencies"),
        ("uv.lock", "tiny==1.0\n", "tiny==1.1\n", "declares no dependencies"),
    ],
)
def test_an_upgrade_changes_the_version_of_one_requirement(
    path: str, before: str | None, after: str, why: str, thresholds: Thresholds
) -> None:
    files = (FileChange(path, before, after),)
    change = CodeChange("0" * 40, files, purpose=Purpose.UPGRADE)
    result = AllowedPaths().check(change, NOBODY, thresholds)
    assert result.passed is (not why)
    assert why in result.reason
    # For anything else that file stays a person's.
    repair = replace(change, purpose=Purpose.REPAIR)
    assert path == "shop/cart.py" or not AllowedPaths().check(repair, NOBODY, thresholds).passed


def test_an_upgrade_raises_one_requirement(thresholds: Thresholds) -> None:
    files = (
        FileChange("requirements.txt", "tiny==1.0\n", "tiny==1.1\n"),
        FileChange("pyproject.toml", PROJECT, PROJECT.replace("1.0", "1.1")),
    )
    change = CodeChange("0" * 40, files, purpose=Purpose.UPGRADE)
    assert "more than one" in AllowedPaths().check(change, NOBODY, thresholds).reason


def test_a_large_change_is_refused_and_a_new_test_does_not_count(
    make_change: MakeChange, thresholds: Thresholds
) -> None:
    test = FileChange("tests/test_new.py", None, "x = 1\n" * 400)
    assert Size().check(make_change(REPAIRED, test), NOBODY, thresholds).passed
    longer = FileChange("tests/test_new.py", None, "x = 1\n" * 401)
    assert not Size().check(make_change(REPAIRED, longer), NOBODY, thresholds).passed
    long = make_change(CART + "x = 1\n" * 61)
    assert "61 lines" in Size().check(long, NOBODY, thresholds).reason
    gone = make_change("")
    assert Size().check(gone, NOBODY, thresholds).evidence["lines"] == len(CART.splitlines())


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (CART + "def broken(:\n", "no Python"),
        (REPAIRED + "\nimport re\n", "F401"),
        (REPAIRED.replace("min(prices)", "minimum(prices)"), "F821"),
        ("import sys\n" + REPAIRED + "\nsys.exit(0)\n", "newly uses sys"),
        ("from os import _exit\n" + REPAIRED + "\n_exit(0)\n", "newly uses os"),
        (REPAIRED + "\n__import__('atexit')\n", "newly uses __import__"),
        (REPAIRED + "\nexec('x = 1')\n", "newly uses exec"),
        (REPAIRED + "\x00", "no Python"),
    ],
)
def test_new_errors_and_reaching_for_the_judge_are_refused(
    after: str, why: str, make_change: MakeChange, thresholds: Thresholds
) -> None:
    result = Syntax().check(make_change(after), NOBODY, thresholds)
    assert not result.passed
    assert why in result.reason


def test_a_new_test_may_use_pytest_and_nothing_more(
    make_change: MakeChange, thresholds: Thresholds
) -> None:
    test = FileChange("tests/test_new.py", None, "import pytest\n\npytest.skip('later')\n")
    assert Syntax().check(make_change(REPAIRED, test), NOBODY, thresholds).passed
    reaching = FileChange("tests/test_new.py", None, "import atexit\n\natexit.register(print)\n")
    assert not Syntax().check(make_change(REPAIRED, reaching), NOBODY, thresholds).passed


def test_errors_that_were_there_before_are_not_held_against_a_change(
    make_change: MakeChange, thresholds: Thresholds
) -> None:
    before = "import os\n" + CART
    change = make_change()
    file = FileChange("shop/cart.py", before, "import os\n" + REPAIRED)
    assert Syntax().check(type(change)("0" * 40, (file,)), NOBODY, thresholds).passed


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"message": "Repair for ann.smith@example.com"}, "the message"),
        ({"prompt": "password = 'hunter2-and-more-than-that'"}, "the prompt"),
    ],
)
def test_secrets_and_personal_data_do_not_leave(
    more: dict[str, str], place: str, make_change: MakeChange, thresholds: Thresholds
) -> None:
    result = SecretScan().check(make_change(**more), NOBODY, thresholds)
    assert not result.passed
    assert place in result.reason


def test_no_prompt_is_said_to_be_clean_that_was_not_there(
    make_change: MakeChange, thresholds: Thresholds
) -> None:
    for prompt, read in {"": "diff and message", "Repair it": "diff, message and prompt"}.items():
        result = SecretScan().check(make_change(prompt=prompt), NOBODY, thresholds)
        assert result.reason.endswith(f" in {read}")


def test_only_added_lines_are_scanned(make_change: MakeChange, thresholds: Thresholds) -> None:
    secret = "key = 'ghp_" + "a1B2" * 9 + "'\n"
    change = make_change()
    known = FileChange("shop/cart.py", secret + CART, secret + REPAIRED)
    assert SecretScan().check(type(change)("0" * 40, (known,)), NOBODY, thresholds).passed
    assert not SecretScan().check(make_change(secret + REPAIRED), NOBODY, thresholds).passed


def test_a_doubt_is_a_question_for_a_person(
    make_change: MakeChange, thresholds: Thresholds
) -> None:
    change = make_change(
        doubt="two changes differ", question={"input": "[]", "outputs": ["0", "1"]}
    )
    result = Certainty().check(change, NOBODY, thresholds)
    assert (result.passed, result.reason) == (False, "two changes differ")
    assert result.evidence["question"] == {"input": "[]", "outputs": ["0", "1"]}
    assert Certainty().check(make_change(), NOBODY, thresholds).passed


def test_a_new_circle_of_imports_and_an_endless_loop_are_refused(
    make_change: MakeChange, make_judge: MakeJudge, thresholds: Thresholds
) -> None:
    endless = make_change(REPAIRED + "\n\ndef wait():\n    while True:\n        pass\n")
    assert "nothing leaves" in LoopMetrics().check(endless, make_judge(endless), thresholds).reason
    other = FileChange("shop/prices.py", None, "from shop import cart\n")
    circle = make_change("from shop.prices import cart\n" + REPAIRED, other)
    result = LoopMetrics().check(circle, make_judge(circle), thresholds)
    assert result.evidence["circle"] == ["shop.cart", "shop.prices"]
    well = make_change(REPAIRED, other)
    assert LoopMetrics().check(well, make_judge(well), thresholds).passed


@pytest.mark.parametrize(
    ("paper", "why"),
    [
        (FileChange("CHANGELOG.md", "old", "new"), ""),
        (FileChange("docs/changes.rst", "old", "new"), ""),
        (FileChange("newsfragments/+x.bugfix.md", None, "new"), ""),
        (FileChange("newsfragments/+x.bugfix.py", None, "new"), "new, and no news"),
        (FileChange("tests/+x.bugfix.md", None, "new"), "new, and no news"),
        (FileChange("docs/new.md", None, "new"), "new, and no news"),
        (FileChange("CHANGELOG.md", "old", None), "gone"),
        (FileChange("tests/docs/x.md", "old", "new"), "no document"),
        (FileChange("shop/cart.py", "old", "new"), "no document"),
        (FileChange("docs/conf.py", "old", "new"), "no document"),
        (FileChange(".github/README.md", "old", "new"), "hidden"),
        (FileChange("../README.md", "old", "new"), "outside"),
    ],
)
def test_what_tells_of_a_change_is_a_document(
    paper: FileChange, why: str, make_change: MakeChange, thresholds: Thresholds
) -> None:
    change = replace(make_change(REPAIRED), papers=(paper,))
    result = AllowedPaths().check(change, NOBODY, thresholds)
    assert result.passed is not bool(why)
    assert why in result.reason
    raised = FileChange("requirements.txt", "tiny==1.0\n", "tiny==1.1\n")
    upgrade = replace(change, files=(raised,), purpose=Purpose.UPGRADE)
    assert AllowedPaths().check(upgrade, NOBODY, thresholds).passed is not bool(why)


def test_papers_are_looked_through_for_secrets_and_count_for_no_size(
    make_change: MakeChange, thresholds: Thresholds
) -> None:
    long = FileChange("CHANGELOG.md", "old\n", "new\n" * 500)
    change = replace(make_change(REPAIRED), papers=(long,))
    assert Size().check(change, NOBODY, thresholds).passed
    assert Syntax().check(change, NOBODY, thresholds).passed
    assert SecretScan().check(change, NOBODY, thresholds).passed
    told = replace(change, papers=(FileChange("NEWS.md", "", "Ask eva@firm.example.org\n"),))
    result = SecretScan().check(told, NOBODY, thresholds)
    assert not result.passed
    assert result.evidence["place"] == "NEWS.md"
