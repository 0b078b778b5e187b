"""Jobs that run beside each other."""

# ruff: noqa: D103 - its bugs are what matters here

import asyncio
import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

import anyio

HANDLERS: dict[str, Callable[[int], Awaitable[int]]] = {}


async def run(job: str, number: int) -> int:
    await asyncio.sleep(0)
    return await HANDLERS[job](number)


async def run_all(jobs: list[str]) -> None:
    async with asyncio.TaskGroup() as group:
        for number, job in enumerate(jobs):
            group.create_task(run(job, number))


async def run_beside(jobs: list[str]) -> None:
    async with anyio.create_task_group() as group:
        for number, job in enumerate(jobs):
            group.start_soon(run, job, number)


async def answer(supplier: str, within_s: float) -> str:
    async with asyncio.timeout(within_s):
        await asyncio.sleep(10)
    return supplier


async def ask(suppliers: list[str]) -> list[str]:
    return await asyncio.gather(*(answer(supplier, 0.001) for supplier in suppliers))


def start(main: Callable, *arguments: object) -> object:
    return asyncio.run(main(*arguments))


def width(header: bytes) -> int:
    return int.from_bytes(header[4:8]) // len(header[8:12])


def widths(headers: list[bytes]) -> list[int]:
    return [width(header) for header in headers]


def widths_in_threads(headers: list[bytes]) -> list[int]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(width, headers))


def widths_in_processes(headers: list[bytes]) -> list[int]:
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return list(pool.map(width, headers))


@functools.lru_cache
def schedule(name: str, every_s: float) -> float:
    return 86_400 / {"hourly": 3600, "daily": 86_400}.get(name, every_s)


def plan(names: list[str]) -> list[float]:
    return [schedule(name, 0) for name in names]


FAULTS: dict[str, list[Callable[[], object]]] = {
    "a job has no handler": [
        partial(start, run_all, ["mail"]),
        partial(start, run_all, ["mail", "print", "fetch"]),
        partial(start, run, "clean", 4),
        partial(start, run_beside, ["print", "mail"]),
    ],
    "a supplier does not answer in time": [
        partial(start, answer, "acme", 0.001),
        partial(start, answer, "globex", 0.002),
        partial(start, ask, ["acme", "globex"]),
    ],
    "a picture's header is cut": [
        partial(widths, [b"1234567890ab", b"12345678"]),
        partial(widths_in_threads, [b"1234"]),
        partial(widths_in_processes, [b"1234"]),
    ],
    "a schedule has no interval": [
        partial(schedule, "weekly", 0),
        partial(plan, ["daily", "never"]),
        partial(schedule, "yearly", 0.0),
    ],
}
