"""Reports of a run of tests on their way: posted, or kept in files until they can be."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from honed.client.dsn import Dsn

#: Longest wait for the server to connect, and for each answer.
TIMEOUT_S = 10.0
#: Where results are kept, below the root of the tests.
FOLDER = ".honed"
#: One body has at most so many results, and about so many bytes.
_MOST_RESULTS = 1_000
_LARGE_BYTES = 1_000_000
#: Files of earlier runs that one run sends.
_MOST_EARLIER = 100
#: Answers that no repetition makes better.
_HOPELESS = frozenset({400, 413})


@dataclass(slots=True)
class Delivery:
    """What became of the results of a run."""

    sent: int = 0
    #: Results of earlier runs.
    sent_earlier: int = 0
    kept: int = 0
    lost: int = 0
    #: Why not all were sent; empty: they were.
    trouble: str = ""


class NotSentError(Exception):
    """The server did not take it; ``is_hopeless`` where it never will."""

    def __init__(self, message: str, *, is_hopeless: bool = False) -> None:
        super().__init__(message)
        self.is_hopeless = is_hopeless


def deliver(
    dsn: Dsn, folder: Path, run: Mapping[str, Any], results: Sequence[Mapping[str, Any]]
) -> Delivery:
    """Send the results of a run; what the server does not take now is kept in ``folder``.

    A run that gets through sends what earlier ones kept.
    """
    delivery = Delivery()
    is_away = False
    for number, part in enumerate(_parts(results)):
        body = json.dumps({**run, "tests": part}).encode()
        try:
            if not is_away:
                _post(dsn, body)
                delivery.sent += len(part)
                continue
        except NotSentError as error:
            delivery.trouble = str(error)
            if error.is_hopeless:
                delivery.lost += len(part)
                continue
            # The others are not even tried: nobody wants to wait for each.
            is_away = True
        _keep(folder, f"{run['run']}-{number}.json", body)
        delivery.kept += len(part)
    if delivery.sent and not is_away:
        delivery.sent_earlier = _send_earlier(dsn, folder)
    return delivery


def _parts(results: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    part: list[Mapping[str, Any]] = []
    size_bytes = 0
    for each in results:
        part.append(each)
        size_bytes += len(json.dumps(each))
        if len(part) >= _MOST_RESULTS or size_bytes >= _LARGE_BYTES:
            yield part
            part, size_bytes = [], 0
    if part:
        yield part


def _send_earlier(dsn: Dsn, folder: Path) -> int:
    sent = 0
    for path in sorted(folder.glob("*.json"))[:_MOST_EARLIER]:
        body = path.read_bytes()
        try:
            _post(dsn, body)
            sent += len(json.loads(body)["tests"])
        except NotSentError as error:
            if not error.is_hopeless:
                break
        path.unlink(missing_ok=True)
    return sent


def _keep(folder: Path, name: str, body: bytes) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, mode=0o700)
        # As pytest keeps its cache out of the repository.
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    (folder / name).write_bytes(body)


def _opener() -> OpenerDirector:
    """Return what follows no redirection: the key is for one server."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(), HTTPHandler(), HTTPSHandler(), HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
    ):  # fmt: skip
        opener.add_handler(handler)
    return opener


def _post(dsn: Dsn, body: bytes) -> None:
    """Return when the server has stored a body.

    Raises:
        NotSentError: it did not.
    """
    headers = {
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "X-Honed-Key": dsn.key,
    }
    request = Request(dsn.tests_url, gzip.compress(body), headers, method="POST")  # noqa: S310 - http or https, as Dsn sees to
    try:
        with _opener().open(request, timeout=TIMEOUT_S) as answer:
            answer.read()
    except HTTPError as error:
        with error:
            msg = f"the server answered {error.code}: {_said(error.read(10_000))}"
        raise NotSentError(msg, is_hopeless=error.code in _HOPELESS) from error
    except (OSError, HTTPException, ValueError) as error:
        msg = f"the server does not answer: {getattr(error, 'reason', error)}"
        raise NotSentError(msg) from error


def _said(body: bytes) -> str:
    """Return what the server says is wrong, in one line."""
    try:
        said = json.loads(body)
        return f"{said['error']} ({said['hint']})"
    except (ValueError, KeyError, TypeError):
        return "it does not say why"
