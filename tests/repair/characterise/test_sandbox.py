"""What a call of code does is told as it is, and nothing is told that is not the same twice."""

import sys
from functools import partial
from pathlib import Path

import pytest

from honed.repair.characterise.case import Case
from honed.repair.characterise.characterise import SCRIPT, Hints, characterise
from honed.repair.characterise.functions import functions_of, gaps
from honed.repair.characterise.literals import literal_calls
from honed.sandbox.box import Limits
from honed.targets.repository.judging.judge import Checkout, Court
from honed.testing.repository_worlds import require_sandbox

SHOP = """import datetime
import logging
import os
import random
import time
import uuid


class Cart:
    def __init__(self, owner):
        self.owner = owner
        self.lines = []

    def add(self, line: str):
        self.lines.append(line)


def now():
    return int(time.time()) // 10**9


def today():
    return datetime.date.today().year > 2000


def chance():
    return random.random() < 2


def name():
    return len(str(uuid.uuid4()))


def home():
    return os.environ.get("HOME")


def files():
    return os.listdir("/usr") != []


def order(words: set[str]):
    return list(words | {"a", "b", "c", "d", "e", "f"})


def zone():
    return datetime.datetime.fromtimestamp(86400).hour


def identity():
    return repr(object())


def endless(number: int):
    while True:
        number += 1


def ends():
    os._exit(0)


def forks(number: int):
    while True:
        os.fork()


def clear(words: list[str]) -> int:
    logging.getLogger("shop").debug("clear")
    count = len(words)
    words.clear()
    return count


class Money:
    def __init__(self, cents):
        self.cents = cents

    def __repr__(self):
        return f"Money({self.cents})"


def money(cents: int):
    return Money(cents)


def nameless(cents: int):
    return Cart(cents)


def strict(level: str):
    if level != "gold":
        raise ValueError(level)
    return "ok"


def seen(parcel):
    return parcel["weight"] * 2


def used(parcel):
    if parcel is None:
        return seen(parcel)
    return parcel["size"]
"""
_TEST = (
    "from shop import used\n\n\ndef test_used():\n    assert used({'size': 3, 'weight': 4}) == 3\n"
)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Case]]:
    """Return the cases of the shop's functions, by name."""
    require_sandbox()
    folder = tmp_path_factory.mktemp("shop")
    (folder / "tests").mkdir()
    (folder / "shop.py").write_text(SHOP)
    (folder / "tests" / "test_shop.py").write_text(_TEST)
    court = Court(Path(sys.executable), Limits(cpu_s=120, wall_s=240))
    side = Checkout(folder, {}, court)
    functions = functions_of("shop.py", SHOP)
    hints = Hints(["tests"], literal_calls([SHOP, _TEST]))
    found: dict[str, list[Case]] = {}
    for part in (functions[:13], functions[13:]):
        wanted = gaps(part, {"shop.py": frozenset({101})})
        for each in characterise("shop", wanted, partial(side.ask, SCRIPT), hints):
            found.setdefault(each.name, []).append(each)
    return found


@pytest.mark.slow
def test_only_what_is_the_same_every_time_is_told(cases: dict[str, list[Case]]) -> None:
    assert sorted(cases) == ["Cart.add", "clear", "money", "seen", "strict", "used"]


@pytest.mark.slow
def test_what_a_call_does_is_told(cases: dict[str, list[Case]]) -> None:
    assert dict(cases["Cart.add"][0].changed)[""].startswith("{")
    changed = next(each for each in cases["clear"] if each.changed)
    assert changed.changed == (("words", "[]"),)
    ends = {(each.returned, each.raised) for each in cases["strict"]}
    assert ends == {('"ok"', ""), ("", "ValueError")}
    assert all(each.through == "repr" for each in cases["money"])
    # Tests pass such a parcel to another function, whose parameter has the same name.
    assert cases["seen"][0].returned == "8"
