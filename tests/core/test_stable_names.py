"""Names stay the same from process to process and release to release."""

import time
import tracemalloc

import pytest

from honed.core.fingerprint import Fault, Frame, fingerprint
from honed.core.stable_names import code_line, module_of, stable, type_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("json.decoder.JSONDecodeError", "json.JSONDecodeError"),
        ("pydantic_core._pydantic_core.ValidationError", "pydantic_core.ValidationError"),
        ("concurrent.futures._base.TimeoutError", "TimeoutError"),
        ("_csv.Error", "csv.Error"),
        ("builtins.KeyError", "KeyError"),
        ("__main__.Closed", "Closed"),
        ("shop.f.<locals>.Closed", "shop.g.<locals>.Closed"),
    ],
)
def test_a_type_is_known_wherever_it_was_defined(one: str, other: str) -> None:
    assert type_name(one) == type_name(other)


def test_types_of_two_packages_are_two() -> None:
    assert type_name("httpx.Timeout") != type_name("acme.Timeout")


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("/srv/shop/api/orders.py", "api.orders"),
        ("C:\\shop\\api\\orders.py", "api.orders"),
        ("api/__init__.py", "api"),
        ("/srv/shop/api/__init__.pyc", "shop.api"),
        ("/venv/lib/python3.11/site-packages/a/b/c.py", "a.b.c"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
        ("", ""),
    ],
)
def test_a_module_is_read_from_its_file(file: str, module: str) -> None:
    assert module_of(file) == module


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("price.<locals>.lambda_3", "price.lambda_17"),
        ("jobs.tmpa1b2c3d4", "jobs.tmpz9y8x7w6"),
        ("3fa9c1d2.run", "77ab01fe.run"),
        ("mod_x7k2m9q1.run", "mod_a1b2c3d4.run"),
        ("ipykernel_77123.2871223", "ipykernel_45999.1040117"),
        ("test_price[1-a]", "test_price[2-b]"),
    ],
)
def test_generated_parts_are_folded(one: str, other: str) -> None:
    assert stable(one) == stable(other)


@pytest.mark.parametrize("name", ["oauth2.login", "error_404", "utf8", "python3", "step_12"])
def test_numbers_that_people_wrote_are_kept(name: str) -> None:
    assert stable(name) == name


def test_spacing_quotes_and_comments_of_code_do_not_count() -> None:
    assert code_line('a [ "b" ]  # why') == code_line("a [ 'b' ]")
    assert code_line("a + b") != code_line("a - b")


def test_names_of_any_length_cost_bounded_time_and_memory() -> None:
    start, count = time.process_time(), 50
    tracemalloc.start()
    for number in range(count):
        name = f"{number}x" * 200_000
        fingerprint(Fault(name, name, (Frame(name, name, name, 1, name, is_in_app=True),)))
        fingerprint(Fault(name, name, (Frame(name, "", name, 1, name),)))
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - start < count * 0.05
    assert kept_bytes < 4_000_000
