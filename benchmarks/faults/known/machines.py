"""Readings of machines, which come in bursts and with holes."""

# ruff: noqa: D101, D103 - its bugs are what matters here

import heapq
import queue
import statistics
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial


class State(Enum):
    IDLE = "idle"
    BUSY = "busy"


@dataclass(frozen=True)
class Reading:
    machine: str
    value: float


def state(text: str) -> State:
    return State(text)


def mean(values: list[float]) -> float:
    return statistics.mean(values)


def spread(values: list[float]) -> float:
    return statistics.stdev(values)


def waiting(readings: list[tuple]) -> list[tuple]:
    heap: list[tuple] = []
    for priority, reading in readings:
        heapq.heappush(heap, (priority, reading))
    return heap


def collect(size: int, count: int) -> queue.Queue:
    full: queue.Queue = queue.Queue(size)
    for number in range(count):
        full.put_nowait(number)
    return full


def first(readings: Iterator[Reading]) -> Reading:
    return next(reading for reading in readings if reading.value > 0)


def correct(reading: Reading, value: float) -> Reading:
    reading.value = value
    return reading


def label(template: str, reading: Reading) -> str:
    return string.Template(template).substitute(machine=reading.machine, value=reading.value)


def panel(texts: list[str]) -> dict[str, State]:
    return {text: state(text) for text in texts}


def hourly(hours: dict[int, list[float]]) -> list[float]:
    return [mean(values) for _, values in sorted(hours.items())]


def corrected(names: list[str]) -> list[Reading]:
    return [correct(Reading(name, 1.0), 2.0) for name in names]


PRESS = Reading("press", 1.5)

FAULTS: dict[str, list[Callable[[], object]]] = {
    "a machine is in an unknown state": [
        partial(state, "broken"),
        partial(panel, ["idle", "waiting for parts"]),
        partial(panel, [""]),
    ],
    "an hour without readings has no mean": [
        partial(mean, []),
        partial(hourly, {8: [1.0], 9: []}),
        partial(hourly, {23: []}),
    ],
    "one reading has no spread": [partial(spread, [1.0]), partial(spread, [7.25])],
    "readings of equal priority are compared": [
        partial(waiting, [(1, PRESS), (1, Reading("lathe", 2.0))]),
        partial(waiting, [(1, PRESS), (2, PRESS), (2, Reading("saw", 0.0)), (1, None)]),
        partial(waiting, [(3, {"machine": "saw"}), (3, {"machine": "mill"})]),
    ],
    "more readings than the queue holds": [partial(collect, 3, 4), partial(collect, 10, 100)],
    "no reading is above zero": [
        partial(first, iter([])),
        partial(first, iter([Reading("saw", -1.0), Reading("mill", 0.0)])),
    ],
    "a reading is corrected in place": [
        partial(correct, PRESS, 3.0),
        partial(corrected, ["saw"]),
        partial(corrected, ["mill", "saw"]),
    ],
    "a label names what a reading lacks": [
        partial(label, "$machine in $hall", PRESS),
        partial(label, "$unit", PRESS),
    ],
    "a label is no template": [
        partial(label, "$machine costs $ 5", PRESS),
        partial(label, "50 $%", PRESS),
    ],
}
