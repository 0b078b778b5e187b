"""Calls of the inventory, another service."""

# ruff: noqa: D103 - its bugs are what matters here

import socket
from collections.abc import Callable
from functools import partial

import httpx


def answer(request: httpx.Request) -> httpx.Response:
    status = int(request.url.path.rsplit("/", 1)[-1])
    return httpx.Response(status, text="no")


def fetch(url: str) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(url)


def stock(url: str) -> int:
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        return client.get(url).raise_for_status().json()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def refresh(item: str) -> httpx.Response:
    return fetch(f"http://127.0.0.1:{closed_port()}/items/{item}")


def refresh_all(items: list[str]) -> list[httpx.Response]:
    return [refresh(item) for item in items]


def mirror(host: str) -> httpx.Response:
    return fetch(f"{host}/items")


def count(item: int, status: int) -> int:
    return stock(f"http://inventory.test/items/{item}/{status}")


FAULTS: dict[str, list[Callable[[], object]]] = {
    "the inventory refuses connections": [
        partial(refresh, "a-17"),
        partial(refresh, "b-4"),
        partial(refresh_all, ["c-1"]),
    ],
    "the inventory's address has no scheme": [
        partial(mirror, "inventory"),
        partial(mirror, "inventory.example"),
        partial(fetch, "localhost"),
    ],
    "the inventory lacks an item": [
        partial(count, 17, 404),
        partial(count, 18, 404),
        partial(stock, "http://inventory.test/v2/items/404"),
    ],
    "the inventory is broken": [
        partial(count, 17, 500),
        partial(count, 18, 503),
        partial(stock, "http://inventory.test/v2/items/502"),
    ],
}
