"""What pytest prints of a failure is the same fault as production's, where it is."""

import subprocess
import sys
from pathlib import Path

from honed.core.fault import Fault, Frame
from honed.core.fingerprint import fingerprint
from honed.repair.reproduce.printed import printed

CART = """class NotSold(Exception):
    pass


def total(prices, names):
    cents = 0
    for name in names:
        cents += prices[name]
    if cents > 5:
        raise NotSold("too dear")
    return cents
"""
TESTS = """from shop.cart import total


def test_key():
    assert total({}, ["pen"]) == 0


def test_own():
    total({"tea": 9}, ["tea"])


def test_from():
    try:
        total({}, ["pen"])
    except KeyError as error:
        raise ValueError("bad") from error


def test_wrong():
    assert total({"tea": 1}, ["tea"]) == 2
"""


def raised(type_: str, message: str, line: int, code: str) -> str:
    """Return the fingerprint of what production tells."""
    outer = Frame("/srv/app/shop/web.py", "shop.web", "handle", 3, "total(x)", is_in_app=True)
    frame = Frame("/srv/app/shop/cart.py", "shop.cart", "total", line, code, is_in_app=True)
    return fingerprint(Fault(type_, message, (outer, frame)))


def test_a_failing_test_is_known_by_the_fault_of_production(tmp_path: Path) -> None:
    for path, text in {
        "shop/__init__.py": "",
        "shop/cart.py": CART,
        "tests/test_x.py": TESTS,
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    parts = done.stdout.partition("= FAILURES =")[2].split("\n____")[1:]
    said = {part.partition(" test_")[2].partition(" ")[0]: part for part in parts}
    found = {name: printed(message) for name, message in said.items()}
    key, own, chained = found["key"], found["own"], found["from"]
    assert key is not None
    assert own is not None
    assert chained is not None
    missing = raised("KeyError", "'mug'", 80, "cents += prices[name]")
    assert fingerprint(key) == missing
    assert fingerprint(own) == raised(
        "shop.cart.NotSold", "too dear", 99, 'raise NotSold("too dear")'
    )
    assert (chained.type, chained.frames[-1].function) == ("ValueError", "test_from")
    assert found["wrong"] is None or fingerprint(found["wrong"]) != missing
    # Its beginning may be cut off.
    cut = printed(said["key"][said["key"].index("shop/cart.py") - 20 :])
    assert cut is not None
    assert fingerprint(cut) == missing


def test_what_is_no_failure_of_pytest_is_no_fault() -> None:
    for message in ("", "Segmentation fault", "E   KeyError: 'x'", "a.py:1: in f\n    g()\n"):
        assert printed(message) is None
