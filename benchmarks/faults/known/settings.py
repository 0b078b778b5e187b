"""Settings that are read from texts which people wrote."""

# ruff: noqa: D103 - its bugs are what matters here

import asyncio
import json
import tomllib
from collections.abc import Callable
from functools import partial


def load(text: str) -> dict:
    return json.loads(text)


def load_table(text: str) -> dict:
    return tomllib.loads(text)


def port(settings: dict) -> int:
    return int(settings["port"])


def boot(text: str) -> dict:
    settings = {"port": "8080"}
    settings.update(load(text))
    return settings


async def reload(text: str) -> dict:
    await asyncio.sleep(0)
    return load(text)


def watch(text: str) -> dict:
    return asyncio.run(reload(text))


def merge(*texts: str) -> dict:
    return {name: value for text in texts for name, value in load_table(text).items()}


def listen(text: str) -> tuple[str, int]:
    return "127.0.0.1", port({"port": text})


FAULTS: dict[str, list[Callable[[], object]]] = {
    "settings are not JSON": [
        partial(boot, '{"port": 80,'),
        partial(boot, ""),
        partial(watch, "port: 80"),
        partial(watch, '{"port": 80} {"port": 81}'),
        partial(load, '{"port": "80'),
    ],
    "settings are not TOML": [
        partial(load_table, "port 80"),
        partial(merge, "port = 80", "host = "),
        partial(merge, "[server\nport = 80"),
        partial(load_table, "port = 80\nport = 81"),
    ],
    "a port is no number": [
        partial(port, {"port": "http"}),
        partial(port, {"port": "80/tcp"}),
        partial(listen, ""),
        partial(listen, "eighty eighty"),
    ],
}
