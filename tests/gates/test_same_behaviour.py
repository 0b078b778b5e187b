"""Code that is to do the same is called with more than its tests know, in a real sandbox."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.gates.conftest import CART, MakeChange, MakeJudge

from honed.core.change import CodeChange, FileChange, Purpose
from honed.core.gate import GateResult, Thresholds
from honed.errors import EvaluatorFailed
from honed.gates.same_behaviour import SameBehaviour

CODE = """import random


def sold(words, sorts):
    found = []
    for word in words:
        if word in sorts:
            found.append(word)
    return found


def clean(words):
    words.sort()
    return len(words)


def lucky(n):
    return random.random() * n


class Cart:
    def total(self):
        return 1


def nobody(n):
    return n


def opened(file):
    return file.read()


def copy(words, sorts):
    found = []
    for word in words:
        if word in sorts:
            found.append(word)
    return found
"""
TESTS = """import io

from shop.code import Cart, clean, copy, lucky, opened, sold


def test_it():
    assert sold(["tea", "ink"], ["ink", "pen"]) == ["ink"]
    assert copy(["tea"], ["ink"]) == []
    assert clean(["b", "a"]) == 2
    assert Cart().total() == 1
    assert lucky(3) <= 3
    assert opened(io.StringIO("a")) == "a"
"""


def asked(folder: Path, make_judge: MakeJudge, after: str) -> GateResult:
    for path, text in {"shop/code.py": CODE, "tests/test_code.py": TESTS}.items():
        (folder / path).write_text(text)
    files = (FileChange("shop/code.py", CODE, after),)
    change = CodeChange("0" * 40, files, purpose=Purpose.REFACTOR)
    return SameBehaviour().check(change, make_judge(change), Thresholds())


def test_what_no_function_holds_is_not_called(make_change: MakeChange) -> None:
    change = make_change(CART.replace("cents = 0", "cents = 1"))
    judge: Any = SimpleNamespace(base=None)
    assert SameBehaviour().check(make_change("LIMIT = 1\n" + CART), judge, Thresholds()).passed
    with pytest.raises(EvaluatorFailed, match="no files"):
        SameBehaviour().check(change, judge, Thresholds())


@pytest.mark.slow
def test_what_tests_do_not_see_is_found(folder: Path, make_judge: MakeJudge) -> None:
    # Each word once: the tests have none twice.
    after = CODE.replace("if word in sorts:", "if word in sorts and word not in found:", 1)
    result = asked(folder, make_judge, after)
    assert not result.passed
    assert result.refutes
    assert result.evidence["arguments"]
    assert "sold(" in result.reason
    again = asked(folder, make_judge, after)
    assert again == result


@pytest.mark.slow
def test_what_becomes_of_arguments_counts(folder: Path, make_judge: MakeJudge) -> None:
    result = asked(folder, make_judge, CODE.replace("    words.sort()\n", ""))
    assert not result.passed
    assert "clean(" in result.reason


@pytest.mark.slow
def test_the_same_in_other_words_passes_and_the_rest_is_named(
    folder: Path, make_judge: MakeJudge
) -> None:
    after = CODE.replace("return random.random() * n", "return n * random.random()")
    after = after.replace("return 1\n", "return 2 - 1\n").replace("return n\n", "return n + 0\n")
    after = after.replace("return file.read()", "return (file.read())")
    after = after.replace("    words.sort()\n", "    words[:] = sorted(words)\n")
    # Another name of the same: it is reached by the name that it has now.
    after = after[: after.index("def copy(")] + "copy = sold\n"
    result = asked(folder, make_judge, after)
    assert result.passed, result.reason
    compared = {each["function"]: each for each in result.evidence["functions"]}  # type: ignore[index, union-attr, call-overload]
    assert compared["shop/code.py: copy"]["compared"] > 20  # type: ignore[index, call-overload, operator]
    assert compared["shop/code.py: clean"]["from_tests"] == 1  # type: ignore[index, call-overload]
    assert result.evidence["left_to_tests"] == {
        "shop/code.py: Cart.total": "it is a method of objects that only tests can make",
        "shop/code.py: lucky": "it answers no input twice in the same way",
        "shop/code.py: nobody": "no test calls it",
        "shop/code.py: opened": "tests call it with values that are not plain",
    }
