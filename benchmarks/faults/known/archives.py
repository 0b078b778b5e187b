"""Archives, compressed files and configuration files of customers."""

# ruff: noqa: D103 - its bugs are what matters here

import argparse
import configparser
import gzip
import io
import lzma
import plistlib
import tarfile
import zlib
from collections.abc import Callable
from functools import partial

import yaml

PACKED = gzip.compress(b"stock" * 100)


def unpack(raw: bytes) -> bytes:
    return gzip.decompress(raw)


def inflate(raw: bytes) -> bytes:
    return zlib.decompress(raw)


def extract(raw: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        return archive.extractfile(name).read()


def packed(*names: str) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return raw.getvalue()


def configured(text: str, section: str, option: str) -> int:
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return parser.getint(section, option)


def document(text: str) -> object:
    return yaml.safe_load(text)


def playbook(*texts: str) -> list[object]:
    return [document(text) for text in texts]


def preferences(raw: bytes) -> object:
    return plistlib.loads(raw)


def logs(raw: bytes) -> bytes:
    return lzma.decompress(raw)


def port(text: str, section: str = "server") -> int:
    return configured(text, section, "port")


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--level", type=int)
    parser.add_argument("--mode", choices=["fast", "slow"])
    return parser.parse_args(words)


def nightly(line: str) -> argparse.Namespace:
    return arguments(*line.split())


FAULTS: dict[str, list[Callable[[], object]]] = {
    "an upload is not gzip": [partial(unpack, b"plain text"), partial(unpack, b"PK\x03\x04zip")],
    "a compressed file is cut": [partial(unpack, PACKED[:-9]), partial(unpack, PACKED[:20])],
    "a stream is not deflated": [
        partial(inflate, b"plain text"),
        partial(inflate, zlib.compress(b"stock")[:-3]),
        partial(inflate, b""),
    ],
    "an upload is no tar archive": [
        partial(extract, b"plain text" * 100, "a"),
        partial(extract, b"", "b"),
    ],
    "a tar archive lacks a file": [
        partial(extract, packed("a"), "stock.csv"),
        partial(extract, packed("a", "b/c"), "b/d"),
    ],
    "a configuration lacks a section": [
        partial(port, "[client]\nport = 1"),
        partial(port, "[server]\nport = 80", "server-17"),
    ],
    "a configuration lacks an option": [
        partial(port, "[server]\nhost = a"),
        partial(configured, "[x]\na = 1", "x", "b"),
    ],
    "a configuration has no sections": [
        partial(port, "port = 80"),
        partial(port, "# none\nhost: a\nport: b"),
    ],
    "a playbook is no YAML": [
        partial(document, "a: b: c"),
        partial(playbook, "- a", "- b\n c: ["),
        partial(playbook, "a: *missing"),
        partial(document, "\tindented: 1"),
    ],
    "preferences are no property list": [
        partial(preferences, b"plain text"),
        partial(preferences, b"<plist><dict></plist>"),
    ],
    "a log is not xz": [partial(logs, b"plain text"), partial(logs, lzma.compress(b"x")[:-4])],
    "a job asks for an unknown mode": [
        partial(nightly, "--mode medium"),
        partial(nightly, "--level 3 --mode FAST"),
    ],
}
