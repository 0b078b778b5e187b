"""Schedules, processes, ports and connections."""

# ruff: noqa: D103, SIM117 - its bugs are what matters here

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import anyio
import h11
import psutil
import psycopg_pool
from croniter import croniter


def next_run(schedule: str) -> float:
    return croniter(schedule, 0).get_next()


def timetable(schedules: dict[str, str]) -> dict[str, float]:
    return {name: next_run(schedule) for name, schedule in schedules.items()}


def memory(pid: int) -> int:
    return psutil.Process(pid).memory_info().rss


def watched(pids: list[int]) -> list[int]:
    return list(map(memory, pids))


def listen(port: int) -> socket.socket:
    server = socket.socket()
    try:
        server.bind(("127.0.0.1", port))
    except OSError:
        server.close()
        raise
    return server


def twice() -> socket.socket:
    with listen(0) as first:
        return listen(first.getsockname()[1])


def resolve(host: str) -> list:
    return socket.getaddrinfo(host, 80)


def within(seconds: float, command: str) -> bytes:
    return subprocess.run([sys.executable, "-c", command], timeout=seconds, check=True).stdout


def backup(command: str) -> bytes:
    return within(30, command)


def pool(port: int) -> object:
    conninfo = f"host=127.0.0.1 port={port} connect_timeout=1"
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    with psycopg_pool.ConnectionPool(conninfo, min_size=1, timeout=0.05, open=True) as connections:
        with connections.connection() as connection:
            return connection


async def relay(count: int) -> None:
    send, receive = anyio.create_memory_object_stream(count)
    async with send, receive:
        for number in range(count + 1):
            send.send_nowait(number)


async def after_close(value: object) -> None:
    send, receive = anyio.create_memory_object_stream(1)
    receive.close()
    async with send:
        await send.send(value)


async def first_of(names: list[str]) -> str:
    tasks = [asyncio.create_task(asyncio.sleep(0, name)) for name in names]
    done, _ = await asyncio.wait(tasks)
    return done.pop().result()


def run(main: Callable, *arguments: object) -> object:
    return asyncio.run(main(*arguments))


def answer(status: int) -> bytes:
    connection = h11.Connection(h11.SERVER)
    return connection.send(h11.Response(status_code=status, headers=[]))


def request(raw: bytes) -> object:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(raw)
    return connection.next_event()


def level(name: str) -> None:
    logging.getLogger("shop").setLevel(name)


def on(name: str) -> object:
    return signal.signal(getattr(signal, name), signal.SIG_DFL)


def limit(name: str) -> int:
    return int(os.environ[name])


def started(*settings: str) -> list[int]:
    return [limit(setting) for setting in settings]


FAULTS: dict[str, list[Callable[[], object]]] = {
    "a schedule is malformed": [
        partial(next_run, "every day"),
        partial(timetable, {"mail": "* * * *"}),
        partial(timetable, {"mail": "0 0 * * *", "stock": "99 * * * *"}),
    ],
    "a process is gone": [partial(memory, 2**22 + 1), partial(watched, [2**22 + 17])],
    "a port is taken": [twice, twice],
    "a host has no address": [
        partial(resolve, "shop.invalid"),
        partial(resolve, "warehouse-17.invalid"),
    ],
    "a backup takes too long": [
        partial(within, 0.05, "import time; time.sleep(9)"),
        partial(within, 0.1, "while True: pass"),
    ],
    "a backup fails": [
        partial(backup, "raise SystemExit(2)"),
        partial(backup, "raise SystemExit(17)"),
        partial(within, 20, "import os; os.kill(os.getpid(), 9)"),
    ],
    "the pool has no connection": [partial(pool, 1), partial(pool, 9)],
    "a stream is full": [partial(run, relay, 1), partial(run, relay, 17)],
    "a stream has no reader": [partial(run, after_close, 1), partial(run, after_close, "a")],
    "there is nothing to wait for": [partial(run, first_of, []), partial(run, first_of, [])],
    "a status is none": [partial(answer, 17), partial(answer, 1000)],
    "a request is malformed": [
        partial(request, b"hello\r\n\r\n"),
        partial(request, b"GET / HTTP/1.1\r\nbroken\r\n\r\n"),
        partial(request, b"GET / HTTP/1.1\r\n\r\n"),
    ],
    "a level is unknown": [partial(level, "LOUD"), partial(level, "verbose")],
    "a signal is unknown": [partial(on, "SIGFOO"), partial(on, "SIGSHOP")],
    "a signal cannot be handled": [partial(on, "SIGKILL"), partial(on, "SIGSTOP")],
    "a setting is not in the environment": [
        partial(limit, "SHOP_LIMIT"),
        partial(started, "SHOP_WORKERS"),
    ],
    "a setting is no number": [partial(limit, "HOME"), partial(started, "PATH")],
}
