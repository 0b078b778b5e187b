"""Tests are written as a person would, and no name hides another."""

from typing import Any

import pytest
from tests.repair.characterise.test_cases import case, told

from honed.repair.characterise.case import Case
from honed.repair.characterise.placing import place_of_tests
from honed.repair.characterise.writing import test_file as written


def of_method() -> Case:
    """Return a case of a method that changes its object."""
    call = {
        "called": "add",
        "receiver": "Cart(1)",
        "arguments": [["lines", "[1]", False], ["count", "2", True]],
        "imports": [["shop", "Cart"]],
        "is_property": False,
    }
    changed = {"": ['{"n": 3}', []], "lines": ["[]", []]}
    return Case.read({**told(1, "None", [1]), "name": "Cart.add", "call": call, "changed": changed})


def test_several_cases_are_one_test() -> None:
    text = written("shop", [case(1, "1", [1]), case(2, "4", [1])]).text
    assert (
        text
        == '''"""What ``shop`` does today: what fails here tells that it does otherwise."""

import pytest

from shop import f


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, 1),
        (2, 4),
    ],
)
def test_f(n, expected):
    assert f(n) == expected
'''
    )


def test_one_case_stands_in_the_test() -> None:
    text = written("shop", [case(1, "True", [1])]).text
    assert text.endswith("\n\ndef test_f():\n    assert f(1) is True\n")
    assert "pytest" not in text


def test_what_a_call_changes_is_compared() -> None:
    text = written("shop", [of_method()]).text
    assert text.endswith(
        "def test_cart_add_changes_it_lines():\n"
        "    cart = Cart(1)\n"
        "    lines = [1]\n"
        "    assert cart.add(lines, count=2) is None\n"
        '    assert vars(cart) == {"n": 3}\n'
        "    assert lines == []\n"
    )


def test_an_error_is_awaited_by_its_type() -> None:
    raised = {"module": "builtins", "name": "KeyError", "is_meant": False}
    text = written("shop", [case(1, "", [1], raised=raised)]).text
    assert text.endswith("    with pytest.raises(KeyError):\n        f(1)\n")
    assert "def test_f_raises_key_error():" in text


def test_numbers_with_a_point_are_compared_nearly() -> None:
    assert "assert f(1) == pytest.approx(0.1)" in written("shop", [case(1, "0.1", [1])]).text


@pytest.mark.parametrize("through", ["list", "repr"])
def test_of_some_results_more_than_themselves_is_compared(through: str) -> None:
    text = written("shop", [case(1, '"[1]"', [1], through=through)]).text
    assert f'assert {through}(f(1)) == "[1]"' in text


@pytest.mark.parametrize(("name", "own"), [("f", "f_"), ("l", "l_"), ("expected", "expected")])
def test_no_argument_hides_what_is_imported(name: str, own: str) -> None:
    def named(number: int) -> Case:
        said: dict[str, Any] = told(number, str(number), [1])
        said["call"]["arguments"] = [[name, str(number), True]]
        return Case.read(said)

    text = written("shop", [named(1), named(2)]).text
    compile(text, "test", "exec")
    assert f"assert f({name}={own}) == " in text


def test_of_two_modules_with_the_same_name_one_is_taken() -> None:
    other = told(2, "2", [1])
    other["call"]["imports"] = [["elsewhere", "f"]]
    text = written("shop", [case(1, "1", [1]), Case.read(other)]).text
    assert "f(1)" in text
    assert "elsewhere" not in text


@pytest.mark.parametrize(
    ("path", "paths", "tests", "place"),
    [
        ("shop/cart.py", (), (), "tests/test_cart_characterisation.py"),
        ("shop/cart.py", ("tests/test_a.py",), ("tests",), "tests/test_cart_characterisation.py"),
        ("shop/cart.py", ("unit/a_test.py",), ("unit",), "unit/test_cart_characterisation.py"),
        (
            "shop/cart/price.py",
            ("tests/test_a.py", "tests/cart/test_b.py"),
            ("tests",),
            "tests/cart/test_price_characterisation.py",
        ),
        (
            "shop/__init__.py",
            ("tests/test_a.py", "tests/test_shop_characterisation.py"),
            ("tests",),
            "tests/test_shop_shop_characterisation.py",
        ),
        # What is not within the tests that are run is never run.
        ("shop/cart.py", ("tests/test_a.py",), ("tests/test_a.py",), ""),
        ("shop/cart.py", ("tests/test_a.py",), ("checks",), ""),
        ("cart.py", ("test_a.py",), (), "test_cart_characterisation.py"),
    ],
)
def test_new_tests_lie_where_tests_are(
    path: str, paths: tuple[str, ...], tests: tuple[str, ...], place: str
) -> None:
    assert place_of_tests(path, paths, tests) == place
