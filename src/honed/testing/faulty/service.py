"""The files of a small service with faults in it, and how each fault is met."""

from collections.abc import Mapping
from typing import Final

#: By path from the root.
FILES: Final[Mapping[str, str]] = {
    "src/shop/__init__.py": "",
    "src/shop/model.py": """
import enum
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID


class Status(enum.Enum):
    OPEN = "open"
    LOST = "lost"


class OrderError(Exception):
    pass


class Point(NamedTuple):
    x: float
    y: float


@dataclass(frozen=True)
class Money:
    amount: Decimal
    currency: str


@dataclass
class Line:
    name: str
    price: Money
    count: int = 1


@dataclass
class Order:
    number: UUID
    placed: datetime
    status: Status
    lines: list[Line] = field(default_factory=list)

    @property
    def first(self) -> Line:
        return self.lines[0]

    def dearest(self) -> Line:
        return sorted(self.lines, key=lambda line: line.price)[-1]


LABELS = {Status.OPEN: "is being packed"}


def label(status: Status) -> str:
    return LABELS[status]


def slope(one: Point, other: Point) -> float:
    return (other.y - one.y) / (other.x - one.x)
""",
    "src/shop/rates.py": """
from shop.model import Money


def rate(table, currency):
    return table[currency]


def average(prices):
    return sum(prices) / len(prices)


def convert(money: Money, table: dict[str, float]) -> float:
    return float(money.amount) * rate(table, money.currency)


def discount(steps: dict[int, float], count: int) -> float:
    return max(share for least, share in steps.items() if least <= count)


def route(distances: dict[tuple[str, str], int], start: str, end: str) -> int:
    return distances[(end, start)]


def total(*prices, **options):
    return sum(prices) / options["parts"]
""",
    "src/shop/parsing.py": """
import re
from datetime import datetime
from pathlib import Path


def price_of(line: str) -> str:
    return line.split(";")[1]


def number(text):
    return int(re.search(r"[0-9]+", text).group())


def decode(body: bytes) -> str:
    return body.decode("utf-8")


def domain(address):
    return address.rpartition("@")[2]


def tag_of(address: str) -> str:
    name, tag = address.partition("@")[0].split("+")
    return tag


def suffix(path: Path) -> str:
    return path.suffixes[0]


def age_s(now: datetime, then: datetime) -> float:
    return (now - then).total_seconds()


def rows(lines):
    for line in lines:
        name, price = line.split(";")
        yield name, int(price)


def table(lines):
    def cell(line):
        return line.split(";")[2]

    return [cell(line) for line in lines]


def depth(tree: dict) -> int:
    return 1 + depth(tree["below"] or tree)


def first_of(numbers):
    return next(each for each in numbers if each > 10)


def merged(tags: set[str], more: frozenset[str]) -> list[str]:
    return sorted(tags & more)[0]


def pick(numbers: list[int]) -> int:
    numbers.clear()
    return numbers[0]
""",
    "src/shop/cart.py": """
from contextlib import contextmanager

from shop.model import Money, OrderError


class Cart:
    sizes = {"small": 1}

    def __init__(self):
        self.items = {}

    def count_of(self, name):
        return self.items[name]

    @staticmethod
    def share(part, whole):
        return part / whole

    @classmethod
    def of_size(cls, size):
        return cls.sizes[size]


class Stock:
    def __init__(self, levels: dict[str, int], limit: int):
        if limit < 1:
            raise ValueError(f"a limit of {limit} is none")
        self.levels = levels
        self.limit = limit

    def share(self, name):
        return self.limit / self.levels[name]

    async def reserve(self, name, count):
        if self.levels.get(name, 0) < count:
            raise OrderError(f"only {self.levels.get(name, 0)} of {name}")

    @contextmanager
    def held(self, name):
        yield self.levels.pop(name)


def share_of(levels: dict[str, int], name: str) -> float:
    return Stock(levels, 5).share(name)


async def reserve(levels: dict[str, int], name: str, count: int) -> None:
    await Stock(levels, 5).reserve(name, count)


def take(stock: Stock, name: str) -> int:
    with stock.held(name) as level:
        return level


@contextmanager
def opened(names: list[str]):
    yield names[0]
""",
    "src/shop/service.py": """
import asyncio
import functools
import random

from shop.model import Order, OrderError
from shop.rates import rate

CALLS = []


def retried(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def load(payload: dict) -> dict:
    try:
        return {"name": payload["name"], "count": int(payload["count"])}
    except KeyError as error:
        raise OrderError(f"no {error}") from error


def handle(payload: dict) -> str:
    order = load(payload)
    return order["name"]


@retried
def price(request: dict) -> float:
    return rate(request["rates"], request["currency"])


def login(user: str, password: str) -> None:
    raise PermissionError(f"{user} is not known")


def summary(order: Order) -> str:
    return order.dearest().name


async def both(names):
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(greet(name))


async def greet(name):
    return name.strip()


def third(name):
    CALLS.append(name)
    if len(CALLS) > 2:
        raise OrderError("the third is too much")


def lucky(number):
    if random.random() < 0.1:
        raise OrderError("bad luck")


def sum_of(numbers):
    return sum(numbers) / 0


def close(connection):
    return connection.missing
""",
    "src/shop/settings.py": """
DEFAULTS = {"port": 80}
HOST = DEFAULTS["host"]
""",
}

_MONEY: Final = "Money(Decimal('5.20'), 'GBP')"
_MODEL: Final = (
    "from datetime import datetime, UTC; from decimal import Decimal; from uuid import UUID\n"
    "from shop.model import *\n"
    "def order(*lines): return Order(UUID(int=7), datetime(2027, 3, 4, 12, tzinfo=UTC), "
    "Status.OPEN, list(lines))\n"
)

#: What the service is asked for when it fails, by the name of the fault.
FAULTS: Final[Mapping[str, str]] = {
    "missing key": "from shop.rates import rate; rate({'EUR': 1.0}, 'GBP')",
    "empty list": "from shop.rates import average; average([])",
    "dataclass": f"{_MODEL}from shop.rates import convert; convert({_MONEY}, {{'EUR': 1.0}})",
    "enum": f"{_MODEL}label(Status.LOST)",
    "named tuple": f"{_MODEL}slope(Point(1.0, 2.0), Point(1.0, 3.0))",
    "whole numbers as keys": "from shop.rates import discount; discount({10: 0.1, 20: 0.2}, 5)",
    "tuples as keys": "from shop.rates import route; route({('a', 'b'): 7}, 'a', 'b')",
    "stars": "from shop.rates import total; total(1, 2, 3, parts=0)",
    "too few parts": "from shop.parsing import price_of; price_of('tea')",
    "no match": "from shop.parsing import number; number('none')",
    "bytes": r"from shop.parsing import decode; decode(b'\xff\xfe')",
    "none": "from shop.parsing import domain; domain(None)",
    "address": "from shop.parsing import tag_of; tag_of('anna.meyer@corp.org')",
    "path": "from pathlib import Path; from shop.parsing import suffix; suffix(Path('/a/b'))",
    "two sorts of time": (
        f"{_MODEL}from shop.parsing import age_s\n"
        "age_s(datetime(2027, 3, 4, tzinfo=UTC), datetime(2027, 3, 3))"
    ),
    "generator": "from shop.parsing import rows; list(rows(['tea;3', 'milk']))",
    "function in a function": "from shop.parsing import table; table(['a;b;c', 'd'])",
    "endless recursion": "from shop.parsing import depth; depth({'below': {'below': None}})",
    "comprehension": "from shop.parsing import first_of; first_of((1, 2, 3))",
    "sets": "from shop.parsing import merged; merged({'a', 'b'}, frozenset({'c'}))",
    "method": "from shop.cart import Cart; Cart().count_of('tea')",
    "static method": "from shop.cart import Cart; Cart.share(1, 0)",
    "class method": "from shop.cart import Cart; Cart.of_size('large')",
    "constructor": "from shop.cart import Stock; Stock({'tea': 1}, 0)",
    "object with attributes": "from shop.cart import share_of; share_of({'tea': 0}, 'tea')",
    "asynchronous": (
        "import asyncio; from shop.cart import reserve; asyncio.run(reserve({'tea': 1}, 'tea', 2))"
    ),
    "object from elsewhere": (
        "from shop.cart import Stock, take; take(Stock({'tea': 1}, 2), 'milk')"
    ),
    "context manager": "from shop.cart import opened\nwith opened([]): pass",
    "property": f"{_MODEL}order().first",
    "record of records": (
        f"{_MODEL}from shop.service import summary\n"
        f"summary(order(Line('tea', {_MONEY}), Line('milk', {_MONEY})))"
    ),
    "raised from another": "from shop.service import handle; handle({'count': '3'})",
    "decorated": "from shop.service import price; price({'rates': {'EUR': 1}, 'currency': 'GBP'})",
    "hidden argument": "from shop.service import login; login('anna', 'correct horse 7')",
    "group": "import asyncio; from shop.service import both; asyncio.run(both(['a', None]))",
    "import": "import shop.settings",
    "changed argument": "from shop.parsing import pick; pick([3, 2])",
    "state": "from shop.service import third\nfor name in 'abc': third(name)",
    "chance": "from shop.service import lucky\nfor _ in range(500): lucky(1)",
    "iterator": "from shop.service import sum_of; sum_of(iter([1, 2]))",
    "connection": (
        "import socket; from shop.service import close\nwith socket.socket() as s: close(s)"
    ),
}
