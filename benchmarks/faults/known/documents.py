"""Files that users upload and download."""

# ruff: noqa: D103, S314 - its bugs are what matters here

import csv
import io
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from functools import partial
from xml.etree import ElementTree as ET


def export(columns: list[str], rows: list[dict]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def archive(*names: str) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as packed:
        for name in names:
            packed.writestr(name, name)
    return raw.getvalue()


def member(raw: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(raw)) as packed:
        return packed.read(name)


def manifest(raw: bytes) -> bytes:
    return member(raw, "manifest.json")


def announce(subject: str, to: str) -> EmailMessage:
    message = EmailMessage()
    message["To"] = to
    message["Subject"] = subject
    return message


def newsletter(title: str, readers: list[str]) -> list[EmailMessage]:
    return [announce(f"News: {title}", reader) for reader in readers]


def feed(text: str) -> list[str]:
    return [item.tag for item in ET.fromstring(text)]


def feeds(*texts: str) -> list[list[str]]:
    return [feed(text) for text in texts]


def monthly(month: str) -> str:
    return export(["sku", "price"], [{"sku": "a", "price": 1, month: 2}])


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text), strict=True))


FAULTS: dict[str, list[Callable[[], object]]] = {
    "an export has unknown columns": [
        partial(export, ["sku"], [{"sku": "a", "price": 1, "quantity": 2}]),
        partial(monthly, "january"),
        partial(monthly, "may"),
    ],
    "an upload is no archive": [
        partial(manifest, b"not an archive"),
        partial(manifest, b""),
        partial(member, b"PK" * 40, "a.txt"),
    ],
    "an archive has no manifest": [
        partial(manifest, archive("a.txt")),
        partial(manifest, archive("b.txt", "c.txt")),
        partial(member, archive("d.txt"), "meta/manifest.json"),
    ],
    "a subject has a line break": [
        partial(announce, "one\ntwo", "jan@example.org"),
        partial(newsletter, "May\r\nBcc: all@example.org", ["piet@example.org"]),
    ],
    "a feed is no XML": [
        partial(feed, "<feed><item></feed>"),
        partial(feeds, "<feed/>", "no feed"),
        partial(feeds, ""),
        partial(feed, "<feed>&nbsp;</feed>"),
    ],
    "a table has an open quote": [partial(table, 'a,"b'), partial(table, 'a\n"b\nc\nd')],
}
