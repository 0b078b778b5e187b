"""Functions that waste the tests' time in loops are made faster, and what gains nothing is left."""

from dataclasses import replace

import pytest

from honed.errors import ConfigurationError
from honed.kinds.optimize_code import SLOW_CODE, OptimizeCode
from honed.testing.contract import KindContract
from honed.testing.repository_worlds import (
    MakeRepositoryWorld,
    RepositoryPlan,
)

_VOWELS = """def vowels(text):
    count = 0
    for character in f"{text}\\n{text}":
        if character in ["a", "e", "i", "o", "u", "y", "A", "E", "I", "O", "U", "Y"]:
            count += 1
    return count


def first(texts):
    return texts[0]
"""
_TESTS = """from shop.words import first, vowels


def test_vowels():
    assert vowels("rhythm and blues " * 200) == 1600


def test_first():
    assert first([1, 2]) == 1
"""
#: The same loop in a function that no test calls, and in one that hardly takes any time.
_WELL = """import math


def heavy(n):
    return sum(math.sqrt(i) for i in range(n))


def never(text):
    count = 0
    for character in f"{text}\\n{text}":
        if character in ["a", "e", "i", "o", "u", "y", "A", "E", "I", "O", "U", "Y"]:
            count += 1
    return count


def seldom(text):
    count = 0
    for character in f"{text}\\n{text}":
        if character in ["a", "e", "i", "o", "u", "y", "A", "E", "I", "O", "U", "Y"]:
            count += 1
    return count
"""
_WELL_TESTS = """from shop.words import heavy, seldom


def test_heavy():
    assert heavy(300_000) > 1


def test_seldom():
    assert seldom("a") == 2
"""

WASTEFUL = RepositoryPlan(
    {"shop/__init__.py": "", "shop/words.py": _VOWELS, "tests/test_words.py": _TESTS}
)
NOT_WORTH_IT = RepositoryPlan(
    {"shop/__init__.py": "", "shop/words.py": _WELL, "tests/test_words.py": _WELL_TESTS}
)


@pytest.mark.slow
class TestOptimizeCode(KindContract):
    kind = OptimizeCode()
    ill = WASTEFUL
    well = NOT_WORTH_IT


@pytest.mark.slow
def test_a_finding_tells_what_was_measured_and_is_remembered(
    make_world: MakeRepositoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, kind = make_world(WASTEFUL).target, OptimizeCode()
    (found,) = kind.look(target)
    assert found.type == SLOW_CODE
    assert found.evidence["function"] == "vowels"
    assert 0.02 <= found.weight <= 1
    log_ratio = found.evidence["log_ratio"]
    assert isinstance(log_ratio, float)
    assert -3 < log_ratio < -0.05
    (claim,) = kind.propose([found], target)
    assert claim.predicted_log_ratio == log_ratio
    monkeypatch.setattr("honed.kinds.optimize_code.faster", None)
    assert list(kind.look(target)) == [found]
    # What was seen on another commit is not answered.
    assert list(kind.propose([replace(found, evidence={"commit": "0" * 40})], target)) == []


@pytest.mark.slow
def test_a_row_that_names_no_tests_is_refused(make_world: MakeRepositoryWorld) -> None:
    target = make_world(WASTEFUL).target
    target.record.options["profile"] = "tests"  # type: ignore[index]  # it is a dictionary
    with pytest.raises(ConfigurationError, match="no list of names"):
        list(OptimizeCode().look(target))
