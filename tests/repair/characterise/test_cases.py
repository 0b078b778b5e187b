"""What the sandbox tells is hostile until it was looked at; of the rest few cases are chosen."""

from collections.abc import Mapping
from typing import Any

import pytest

from honed.repair.characterise.case import Case, NotTold
from honed.repair.characterise.characterise import choose


def told(number: int, returned: str, lines: list[int], **more: object) -> dict[str, Any]:
    """Return what the sandbox tells of ``f(number)``."""
    call = {
        "called": "f",
        "receiver": "",
        "arguments": [["n", str(number), False]],
        "imports": [["shop", "f"]],
        "is_property": False,
    }
    return {
        "path": "shop.py",
        "name": "f",
        "call": call,
        "depends": [],
        "changed": {},
        "returned": [returned, []],
        "lines": {"shop.py": lines},
        **more,
    }


def case(number: int, returned: str, lines: list[int], **more: object) -> Case:
    """Return a case of ``f(number)``."""
    return Case.read(told(number, returned, lines, **more))


@pytest.mark.parametrize(
    "more",
    [
        {"returned": ["__import__('os').system('x')", []]},
        {"returned": ["[each for each in (1,)]", []]},
        {"returned": ["lambda: 1", []]},
        {"returned": ["open('x')", []]},
        {"returned": ["1\n2", []]},
        {"returned": ["f(", []]},
        {"returned": ["x", [["shop; import os", "x"]]]},
        {"returned": ["x", [["shop", "x; y"]]]},
        {"returned": ["system('x')", [["os", "system"]]]},
        {"returned": ["run('x')", [["subprocess", "run"]]]},
        {"changed": {"n": ["eval('x')", [["builtins", "eval"]]]}},
        {"depends": ["time"]},
        {"name": "f; import os"},
        {"changed": {"n)": ["1", []]}},
        {"raised": {"module": "builtins", "name": "TypeError", "is_meant": False}},
        {"lines": 3},
        {"through": "eval"},
        {"returned": ['"<Cart at 0x7f3a>"', []], "through": "repr"},
    ],
)
def test_what_is_no_case_is_refused(more: Mapping[str, object]) -> None:
    with pytest.raises(NotTold):
        Case.read({**told(1, "1", [1]), **more})


@pytest.mark.parametrize("odd", [None, [], "x", {}, {"call": None}])
def test_what_is_no_answer_is_refused(odd: object) -> None:
    with pytest.raises(NotTold):
        Case.read(odd)


def test_an_error_that_is_raised_in_words_is_what_the_function_does() -> None:
    found = case(1, "1", [1], raised={"module": "shop.errors", "name": "Empty", "is_meant": True})
    assert (found.raised, found.returned) == ("Empty", "")
    assert ("shop.errors", "Empty") in found.imports


def test_the_case_that_reaches_most_comes_first_and_no_line_twice() -> None:
    cases = [case(1, "1", [1]), case(2, "2", [1, 2, 3]), case(3, "2", [3]), case(4, "2", [4])]
    found = choose(cases, {"shop.py": frozenset({1, 2, 3, 4})})
    numbers = sorted(each.arguments[0].text for each in found)
    # 1 reaches nothing that 2 does not, and has another outcome.
    assert numbers == ["1", "2", "4"]


def test_a_case_that_says_nothing_is_none() -> None:
    assert choose([case(1, "None", [1])], {"shop.py": frozenset({1})}) == []
    changing = case(1, "None", [1], changed={"n": ["2", []]})
    assert choose([changing], {"shop.py": frozenset({1})}) == [changing]


def test_what_reaches_nothing_new_is_not_chosen() -> None:
    assert choose([case(1, "1", [7])], {"shop.py": frozenset({1})}) == []


def test_no_function_has_more_cases_than_a_person_reads() -> None:
    cases = [case(number, str(number), [number]) for number in range(40)]
    found = choose(cases, {"shop.py": frozenset(range(40))})
    assert len(found) <= 9
