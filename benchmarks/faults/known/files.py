"""Files, plug-ins and texts that are not what they should be."""

# ruff: noqa: D103, S301 - its bugs are what matters here

import importlib
import pathlib
import pickle
import struct
from collections.abc import Callable
from functools import partial


def picture(path: str) -> bytes:
    return pathlib.Path(path).read_bytes()


def text(raw: bytes) -> str:
    return raw.decode("utf-8")


def plugin(name: str) -> object:
    return importlib.import_module(name)


def setting(module: str, name: str) -> object:
    return getattr(plugin(module), name)


def size(header: bytes) -> tuple:
    return struct.unpack(">II", header)


def cached(raw: bytes) -> object:
    return pickle.loads(raw)


def gallery(*paths: str) -> list[bytes]:
    return [picture(path) for path in paths]


def texts(raws: list[bytes]) -> str:
    return "\n".join(text(raw) for raw in raws)


def plugins(names: list[str]) -> list[object]:
    return list(map(plugin, names))


def sizes(headers: dict[str, bytes]) -> dict[str, tuple]:
    return {name: size(header) for name, header in headers.items()}


def warm_up(entries: list[bytes]) -> list[object]:
    return [cached(entry) for entry in entries]


FAULTS: dict[str, list[Callable[[], object]]] = {
    "a picture is gone": [
        partial(picture, "/var/shop/pictures/17.png"),
        partial(gallery, "pictures/may 2026/a.png"),
        partial(gallery, "/nonexistent.gif", "b.png"),
    ],
    "a text is not UTF-8": [
        partial(text, b"caf\xe9"),
        partial(text, b"\xff\xfea"),
        partial(texts, [b"good", b"\xc3\x28"]),
        partial(texts, [b"\xe2\x82"]),
    ],
    "a plug-in is not installed": [
        partial(plugin, "shop_invoices"),
        partial(plugins, ["json", "shop_printers.labels"]),
        partial(plugins, ["shop_mail17"]),
    ],
    "a plug-in lacks a setting": [
        partial(setting, "json", "timeout_s"),
        partial(setting, "string", "TIMEOUT"),
    ],
    "a picture has a short header": [
        partial(size, b"1234"),
        partial(sizes, {"a": b"12345678", "b": b""}),
        partial(sizes, {"c": b"123456789"}),
    ],
    "a cache entry is damaged": [
        partial(cached, b"\x80\x04damaged"),
        partial(warm_up, [pickle.dumps(1), b""]),
        partial(warm_up, [b"no pickle"]),
    ],
}
