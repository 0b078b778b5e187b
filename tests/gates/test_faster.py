"""What is to be faster is measured on the inputs of the tests, in a real sandbox."""

from pathlib import Path
from typing import Any

import pytest
from tests.gates.conftest import MakeJudge

from honed.core.change import CodeChange, FileChange, Purpose
from honed.core.gate import GateResult, Thresholds
from honed.errors import EvaluatorFailed
from honed.gates.faster import Faster
from honed.targets.repository.judging.mend import installed_gates

#: What it measures is time.
pytestmark = pytest.mark.alone

CODE = """def vowels(text):
    count = 0
    for character in str(text):
        if character in ["a", "e", "i", "o", "u", "y", "A", "E", "I", "O", "U", "Y"]:
            count += 1
    return count


class Counter:
    def total(self, text):
        return len(text)
"""
TESTS = """import pytest

from shop.code import Counter, vowels


@pytest.mark.parametrize(("text", "count"), [("rhythm and blues" * 4, 16), ("", 0), ("xyz", 1)])
def test_vowels(text, count):
    assert vowels(text) == count


def test_nothing():
    with pytest.raises(TypeError):
        len(vowels(None))


def test_total():
    assert Counter().total("ab") == 2
"""
LISTED = '["a", "e", "i", "o", "u", "y", "A", "E", "I", "O", "U", "Y"]'
#: A method with a variable from around it, which makes a list in each turn.
METHOD = """        super().__init__()
        for _ in range(300):
            assert "Y" in ["a", "e", "i", "o", "u", "y", "A", "E", "I", "O", "U", "Y"] * 1
        return len(text)
"""
IN_SET = CODE.replace(LISTED, LISTED.replace("[", "{").replace("]", "}"))


def asked(folder: Path, make_judge: MakeJudge, after: str, before: str = CODE) -> GateResult:
    for path, text in {"shop/code.py": before, "tests/test_code.py": TESTS}.items():
        (folder / path).write_text(text)
    files = (FileChange("shop/code.py", before, after),)
    change = CodeChange("0" * 40, files, purpose=Purpose.OPTIMIZE)
    return Faster().check(change, make_judge(change), Thresholds())


@pytest.mark.slow
def test_what_is_faster_passes_with_every_block(folder: Path, make_judge: MakeJudge) -> None:
    result = asked(folder, make_judge, IN_SET)
    assert result.passed, result.reason
    evidence: Any = result.evidence
    assert evidence["functions"][0]["function"] == "shop/code.py: vowels"
    # Three texts and the None of the last test, as tests wrote them.
    assert evidence["functions"][0]["inputs"] == 4
    assert evidence["judgement"]["objective"]["effect"] < -0.05
    purposes = [each["purpose"] for each in evidence["blocks"]]
    assert purposes.count("objective") >= 2 * 8
    assert "control" in purposes
    assert all(each["cpu_s"]["shop/code.py: vowels"] > 0 for each in evidence["blocks"])


@pytest.mark.slow
def test_what_is_slower_is_refuted(folder: Path, make_judge: MakeJudge) -> None:
    result = asked(folder, make_judge, CODE, before=IN_SET)
    assert not result.passed
    assert result.refutes


@pytest.mark.slow
def test_what_cannot_be_timed_is_left_open(folder: Path, make_judge: MakeJudge) -> None:
    added = "\n\nasync def later(text):\n    return text\n\n\ndef never(text):\n    return text\n"
    before = CODE + added
    after = before.replace("return text\n", "return text + ''\n")
    result = asked(folder, make_judge, after, before)
    assert (result.passed, result.refutes) == (False, False)
    assert result.evidence["untimed"] == {
        "shop/code.py: later": "it is asynchronous",
        "shop/code.py: never": "no test calls it",
    }


@pytest.mark.slow
def test_a_method_is_timed_where_tests_call_it(folder: Path, make_judge: MakeJudge) -> None:
    slow = CODE.replace("        return len(text)\n", METHOD)
    result = asked(folder, make_judge, slow.replace(LISTED + " * 1", LISTED), slow)
    assert result.passed, result.reason
    evidence: Any = result.evidence
    (timed,) = evidence["functions"]
    assert timed["function"] == "shop/code.py: Counter.total"
    assert (timed["is_by_itself"], timed["inputs"]) == (False, 1)


@pytest.mark.slow
def test_what_no_longer_returns_is_no_verdict(folder: Path, make_judge: MakeJudge) -> None:
    after = CODE.replace("    count = 0\n", "    count = 0 if text else [][0]\n")
    with pytest.raises(EvaluatorFailed, match="returns for 2 inputs, and for 4 before"):
        asked(folder, make_judge, after)


def test_only_what_is_to_be_faster_is_asked() -> None:
    assert installed_gates()["faster"].purposes == {Purpose.OPTIMIZE}
