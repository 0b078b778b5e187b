"""Tasks that are cancelled, repeated, nested and handed to other threads."""

# ruff: noqa: ASYNC115, D103, EM102, TRY003 - its bugs are what matters here

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial, wraps

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient


class TaskFailed(RuntimeError):
    """A task did not end well."""


def parse(row: str) -> tuple[str, int]:
    name, amount = row.split(";")
    return name, int(amount)


async def load(rows: list[str]) -> list[tuple]:
    await anyio.sleep(0)
    return [parse(row) for row in rows]


async def stream(rows: list[str]) -> AsyncIterator[tuple]:
    for row in rows:
        await asyncio.sleep(0)
        yield parse(row)


async def first(rows: list[str]) -> tuple:
    async for item in stream(rows):
        return item
    return ()


async def all_of(batches: list[list[str]]) -> None:
    async with asyncio.TaskGroup() as group:
        for batch in batches:
            group.create_task(load(batch))


def run(main: Callable, *arguments: object) -> object:
    return asyncio.run(main(*arguments))


def in_thread(function: Callable, *arguments: object) -> object:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


@contextlib.contextmanager
def budget(seconds: float) -> Iterator[float]:
    if seconds <= 0:
        raise ValueError(f"a budget of {seconds} s is none")
    yield seconds


def spend(seconds: float) -> float:
    with budget(seconds) as left:
        return left / 2


def report(function: Callable) -> Callable:
    @wraps(function)
    def reported(*args: object, **kwargs: object) -> object:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise TaskFailed(f"{function.__name__} failed") from error

    return reported


@report
def summarise(rows: list[str]) -> int:
    return max(len(row) for row in rows if row.startswith("#"))


@report
def ratio(part: float, whole: float) -> float:
    return part / whole


async def ratios(request: Request) -> JSONResponse:
    pairs = request.query_params["of"].split(",")
    return JSONResponse([ratio(float(pair), 0.0) for pair in pairs])


APP = Starlette(routes=[Route("/ratios", ratios)])


def get(path: str) -> int:
    return TestClient(APP).get(path).status_code


def release(locks: int) -> None:
    for _ in range(locks):
        threading.Lock().release()


def finish(result: Future, *values: object) -> None:
    for value in values:
        result.set_result(value)


def nested() -> object:
    async def inner() -> object:
        return asyncio.run(load([]))

    return asyncio.run(inner())


SERVER_FRAMES = {"get"}

FAULTS: dict[str, list[Callable[[], object]]] = {
    "a row has no amount": [
        partial(parse, "lamp"),
        partial(run, load, ["lamp;3", "chair"]),
        partial(run, first, ["table, green"]),
        partial(run, all_of, [["a;1"], ["b"], ["c"]]),
        partial(in_thread, parse, ""),
    ],
    "an amount is no number": [
        partial(parse, "lamp;three"),
        partial(run, load, ["lamp;3", "chair;"]),
        partial(run, all_of, [["a;1", "b;x"]]),
        partial(in_thread, parse, "a;1.5"),
    ],
    "a budget is not positive": [partial(spend, 0), partial(spend, -1.5), partial(spend, -30)],
    "a summary has no heading": [
        partial(summarise, []),
        partial(summarise, ["a", "b"]),
        partial(in_thread, summarise, ["a"]),
    ],
    "a ratio of nothing": [
        partial(ratio, 1.0, 0.0),
        partial(get, "/ratios?of=1"),
        partial(get, "/ratios?of=17,4"),
    ],
    "a request lacks its parameter": [partial(get, "/ratios"), partial(get, "/ratios?from=1")],
    "a lock is released twice": [partial(release, 1), partial(release, 3)],
    "a future is finished twice": [
        lambda: finish(Future(), 1, 2),
        lambda: finish(Future(), "a", "b", "c"),
    ],
}
