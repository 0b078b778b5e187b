"""What scrubbing costs, beside parsing the same text with `json.loads`.

    python benchmarks/scrubbing.py [rounds]

Events as sentry-sdk sends them (an exception with three frames, local variables, breadcrumbs, a
user) and OTLP spans with their attributes, each with its own ids, times, addresses, numbers and
values, as those of one service have. In each round all texts are parsed and all values scrubbed,
in drawn order. "as it runs" is one scrubber that has seen events of this service before; "never
seen" is a new scrubber for each value, to which every text is new: what a flood of distinct texts
costs. Read the ratios, not the times.
"""

import json
import random
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from honed.core.canonical import Json
from honed.core.privacy import Scrubber

SEED = 20261121
VALUES = 100
ROUNDS = 40
KEY = bytes(32)
#: Goals in microseconds of CPU a value.
GOALS_US = {"event": 60.0, "span": 15.0}

_FUNCTIONS = ("get_response", "dispatch", "checkout", "charge", "execute")
_MODULES = (
    "django.core.handlers.exception",
    "django.views.generic.base",
    "shop.views.checkout",
    "shop.payment.charging",
    "psycopg.cursor",
)


def hexadecimal(chance: random.Random, digits: int) -> str:
    """Return a drawn id."""
    return f"{chance.getrandbits(4 * digits):0{digits}x}"


def moment(chance: random.Random) -> str:
    """Return a drawn time."""
    day, minute, microsecond = chance.randint(1, 28), chance.randint(0, 59), chance.getrandbits(19)
    return f"2026-10-{day:02}T12:{minute:02}:44.{microsecond:06}Z"


def frame(chance: random.Random, place: int) -> Json:
    """Return one frame of a traceback with its lines and variables."""
    module, function = _MODULES[place], _FUNCTIONS[place]
    return {
        "filename": module.replace(".", "/") + ".py",
        "abs_path": f"/srv/venv/lib/python3.11/site-packages/{module.replace('.', '/')}.py",
        "function": function,
        "module": module,
        "lineno": 40 * place + 17,
        "in_app": module.startswith("shop"),
        "pre_context": ["", f"    def {function}(self, request):"],
        "context_line": f"        response = self.{function}(request, order_id=order_id)",
        "post_context": ["        return response", ""],
        "vars": {
            "self": f"<shop.views.View object at 0x{hexadecimal(chance, 12)}>",
            "order_id": str(chance.randint(10_000, 99_999)),
            "total": f"Decimal('{chance.randint(1, 900)}.{chance.randint(10, 99)}')",
        },
    }


def breadcrumb(chance: random.Random, place: int) -> Json:
    """Return one thing that happened before."""
    return {
        "type": "default",
        "category": "query" if place % 2 else "httplib",
        "level": "info",
        "timestamp": moment(chance),
        "message": "SELECT id, state, total FROM orders WHERE id = %s"
        if place % 2
        else f"GET https://stock.example.com/api/items/{chance.randint(1, 99_999)}",
    }


def event(chance: random.Random) -> Json:
    """Return an event of about 3 kB, as sentry-sdk sends it."""
    order = chance.randint(10_000, 99_999)
    return {
        "event_id": hexadecimal(chance, 32),
        "timestamp": moment(chance),
        "platform": "python",
        "level": "error",
        "release": "shop@2026.10.3",
        "environment": "production",
        "server_name": "web-3",
        "transaction": "/checkout/{order_id}",
        "exception": {
            "values": [
                {
                    "type": "PaymentRefused",
                    "value": f"order {order} was refused: card expired",
                    "module": "shop.payment",
                    "mechanism": {"type": "django", "handled": False},
                    "stacktrace": {"frames": [frame(chance, place) for place in range(1, 4)]},
                }
            ]
        },
        "contexts": {
            "trace": {
                "trace_id": hexadecimal(chance, 32),
                "span_id": hexadecimal(chance, 16),
                "op": "http.server",
                "status": "internal_error",
            },
            "runtime": {"name": "CPython", "version": "3.11.7"},
        },
        "breadcrumbs": {"values": [breadcrumb(chance, place) for place in range(3)]},
        "request": {
            "url": f"https://shop.example.com/checkout/{order}",
            "method": "POST",
            "headers": {
                "Host": "shop.example.com",
                "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Firefox/131.0",
                "Accept": "text/html,application/xhtml+xml",
                "Cookie": f"sessionid={hexadecimal(chance, 32)}",
            },
        },
        "user": {
            "id": str(chance.randint(1, 99_999)),
            "email": f"customer{chance.randint(1, 99_999)}@example.com",
            "ip_address": f"203.0.113.{chance.randint(1, 254)}",
        },
        "sdk": {"name": "sentry.python.django", "version": "2.75.0"},
    }


def span(chance: random.Random) -> Json:
    """Return an OTLP span with its attributes."""
    return {
        "trace_id": hexadecimal(chance, 32),
        "span_id": hexadecimal(chance, 16),
        "parent_span_id": hexadecimal(chance, 16),
        "name": "SELECT shop.orders",
        "kind": "CLIENT",
        "start_time_unix_nano": 1_790_000_000_000_000_000 + chance.getrandbits(40),
        "end_time_unix_nano": 1_790_000_001_000_000_000 + chance.getrandbits(40),
        "status": "OK",
        "attributes": {
            "service.name": "checkout",
            "db.system.name": "postgresql",
            "db.namespace": "shop",
            "db.query.text": "SELECT id, state, total FROM orders WHERE id = $1",
            "server.address": "db.internal",
            "server.port": 5432,
            "thread.name": f"ThreadPoolExecutor-0_{chance.randint(0, 9)}",
            "app.request.id": str(uuid.UUID(int=chance.getrandbits(128))),
        },
    }


def strings(value: Json) -> int:
    """Return how many texts ``value`` has, keys too."""
    if isinstance(value, dict):
        return len(value) + sum(map(strings, value.values()))
    if isinstance(value, list):
        return sum(map(strings, value))
    return isinstance(value, str)


@dataclass(frozen=True)
class Contender:
    """One way to spend time on a value."""

    name: str
    act: Callable[[str], Callable[[], object]]


def as_it_runs(scrubber: Scrubber) -> Contender:
    """Return a scrubber that lives as long as the process."""

    def prepare(text: str) -> Callable[[], object]:
        value = json.loads(text)
        return lambda: scrubber.value(value)

    return Contender("scrub, as it runs", prepare)


def never_seen(text: str) -> Callable[[], object]:
    """Return a scrubber that has seen nothing."""
    value = json.loads(text)
    scrubber = Scrubber(KEY)
    return lambda: scrubber.value(value)


def measure(make: Callable[[random.Random], Json], rounds: int) -> dict[str, float]:
    """Return microseconds of CPU a value of each contender, the least of ``rounds``."""
    chance = random.Random(SEED)  # noqa: S311 - a benchmark's choice, not a secret
    scrubber = Scrubber(KEY)
    for _ in range(VALUES):
        scrubber.value(make(chance))
    contenders = [
        Contender("json.loads", lambda text: lambda: json.loads(text)),
        as_it_runs(scrubber),
        Contender("scrub, never seen", never_seen),
    ]
    times: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for _ in range(rounds):
        texts = [json.dumps(make(chance)) for _ in range(VALUES)]
        chance.shuffle(contenders)
        for contender in contenders:
            acts = [contender.act(text) for text in texts]
            start = time.process_time()
            for act in acts:
                act()
            times[contender.name].append((time.process_time() - start) * 1e6 / VALUES)
    return {name: min(taken) for name, taken in times.items()}


def main() -> None:
    """Measure events and spans, print times and ratios."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    for name, make in (("event", event), ("span", span)):
        example = make(random.Random(SEED))  # noqa: S311 - likewise
        size, texts = len(json.dumps(example)), strings(example)
        times = measure(make, rounds)
        print(f"\n{name}: {size:,} bytes, {texts} texts; goal {GOALS_US[name]:.0f} us")
        for contender in sorted(times):
            ratio = times[contender] / times["json.loads"]
            print(f"  {contender:20} {times[contender]:7.1f} us  {ratio:5.2f} of json.loads")


if __name__ == "__main__":
    main()
