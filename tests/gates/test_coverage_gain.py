"""New tests are let through that reach something and can fail."""

import ast

import pytest
from tests.gates.conftest import CART, MakeChange, MakeJudge

from honed.core.change import CodeChange, FileChange, Purpose
from honed.core.gate import Judge, Thresholds
from honed.gates.coverage_gain import CoverageGain, mutant, weak_places

NOBODY: Judge = None  # type: ignore[assignment]  # it is not asked
PATH = "shop/money.py"
MONEY = """def half(cents):
    if cents < 0:
        return 0
    return cents // 2 + 1
"""
SEEING = (
    "from shop.money import half\n\n\n"
    "def test_half():\n    assert (half(4), half(-1), half(0)) == (3, 0, 1)\n"
)
BLIND = "from shop.money import half\n\n\ndef test_half():\n    half(4)\n    half(-1)\n"


def of_tests(text: str) -> CodeChange:
    """Return a change that brings a new file of tests."""
    files = (FileChange("tests/test_money.py", None, text),)
    return CodeChange("0" * 40, files, purpose=Purpose.TEST)


@pytest.fixture
def judge_of(make_judge: MakeJudge, folder: object) -> MakeJudge:
    """Return a maker of judges of a repository with one more module."""
    (folder / PATH).write_text(MONEY)  # type: ignore[operator]  # it is a path
    return make_judge


@pytest.mark.slow
def test_tests_that_reach_and_see_pass(judge_of: MakeJudge, thresholds: Thresholds) -> None:
    change = of_tests(SEEING)
    result = CoverageGain().check(change, judge_of(change), thresholds)
    assert result.passed, result.reason
    assert result.evidence["gained"] == 3
    assert result.evidence["reached_before"] == 5
    assert result.evidence["reached_after"] == 8
    assert result.evidence["mutation_score"] == 1.0


@pytest.mark.slow
def test_tests_that_compare_nothing_are_refused(
    judge_of: MakeJudge, thresholds: Thresholds
) -> None:
    change = of_tests(BLIND)
    result = CoverageGain().check(change, judge_of(change), thresholds)
    assert not result.passed
    assert "50% are wanted" in result.reason
    assert result.evidence["mutation_score"] == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def test_one():\n    assert 1 + 1 == 2\n", "no line that none reached"),
        ("def test_one():\n    assert False\n", "do not always pass"),
        ("", "none ran"),
    ],
)
def test_tests_that_fail_or_reach_nothing_are_refused(
    text: str, why: str, judge_of: MakeJudge, thresholds: Thresholds
) -> None:
    change = of_tests(text)
    result = CoverageGain().check(change, judge_of(change), thresholds)
    assert not result.passed
    assert why in result.reason


def test_a_change_of_more_than_tests_is_refused(
    make_change: MakeChange, thresholds: Thresholds
) -> None:
    result = CoverageGain().check(make_change(), NOBODY, thresholds)
    assert not result.passed
    assert "shop/cart.py" in result.reason


def test_mutants_differ_from_the_code_in_the_lines_that_are_asked() -> None:
    places = weak_places(MONEY, frozenset({2, 3, 4}))
    texts = [mutant(MONEY, place) for _, place in places]
    assert len(set(texts)) == len(texts)
    plain = ast.unparse(ast.parse(MONEY)).splitlines()
    for (line, _), text in zip(places, texts, strict=True):
        differs = [n + 1 for n, each in enumerate(text.splitlines()) if each != plain[n]]
        assert differs == [line]
    for wrong in ("cents <= 0", "not cents < 0", "return 1", "return None", "cents * 2 + 1"):
        assert any(wrong in text for text in texts), wrong


def test_what_no_new_test_reaches_is_not_made_wrong() -> None:
    assert weak_places(CART, frozenset()) == []
