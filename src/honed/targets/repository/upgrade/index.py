"""Where releases come from: an index of packages, or a folder of wheels."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from honed.errors import TargetUnavailable
from honed.targets.repository.upgrade.releases import Wheel, wheels_of

_JSON: Final = "application/vnd.pypi.simple.v1+json"
#: The longest wait for a whole answer and for any part of it; the largest page and wheel.
_ANSWER_S: Final = 120.0
_PART_S: Final = 15.0
_LARGEST_PAGE: Final = 64 << 20
_LARGEST_WHEEL: Final = 256 << 20
#: What an index said is believed so long: it is asked once for each package.
_FRESH_S: Final = 6 * 3600
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Releases:
    """Finds and fetches wheels; nothing of them is run."""

    #: Address of an index with pages in JSON (PEP 691); empty: none is asked.
    index: str
    #: A folder of wheels; None: there is none.
    folder: Path | None
    #: Where answers are kept.
    kept: Path

    def wheels(self, name: str) -> list[Wheel]:
        """Return every wheel of a package, from both places.

        Raises:
            TargetUnavailable: the index does not answer, and has not for hours.
        """
        found = self._in_folder(name)
        return [*found, *self._in_index(name)] if self.index else found

    def content(self, wheel: Wheel) -> bytes:
        """Return a wheel's bytes, which have the digest that was told.

        Raises:
            TargetUnavailable: it cannot be had, or is another one.
        """
        if urlsplit(wheel.url).scheme in {"http", "https"}:
            content = _fetched(wheel.url, "*/*", _LARGEST_WHEEL)
        else:
            content = _of_file(Path(wheel.url))
        if hashlib.sha256(content).hexdigest() != wheel.sha256:
            msg = f"{wheel.filename} is not the file that the index named"
            raise TargetUnavailable(msg, hint="ask for the releases again")
        return content

    def _in_folder(self, name: str) -> list[Wheel]:
        if self.folder is None:
            return []
        found = []
        for place in sorted(self.folder.glob("*.whl")):
            try:
                own = canonicalize_name(parse_wheel_filename(place.name)[0])
            except InvalidWheelFilename:
                continue
            if own == name:
                digest = hashlib.sha256(_of_file(place)).hexdigest()
                found.append(Wheel(place.name, str(place), digest))
        return found

    def _in_index(self, name: str) -> list[Wheel]:
        page = f"{self.index.rstrip('/')}/{name}/"
        place = self.kept / f"{hashlib.sha256(page.encode()).hexdigest()[:16]}.json"
        if not place.is_file() or time.time() - place.stat().st_mtime > _FRESH_S:
            self.kept.mkdir(parents=True, exist_ok=True)
            new = place.with_suffix(".new")
            new.write_bytes(_fetched(page, _JSON, _LARGEST_PAGE))
            new.replace(place)
        try:
            return wheels_of(json.loads(place.read_bytes()), page)
        except (ValueError, RecursionError) as error:
            place.unlink()
            msg = f"the index says nothing of {name} that is JSON"
            raise TargetUnavailable(msg, hint="name an index that has pages in JSON") from error


def _of_file(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        msg = f"{place.name} cannot be read"
        raise TargetUnavailable(msg, hint="look at the folder of wheels") from error


def _fetched(url: str, accept: str, most: int) -> bytes:
    """Return what an address answers.

    Raises:
        TargetUnavailable: nothing in time, too much, or not what was asked for.
    """
    leaves = urlsplit(url).scheme == "https"
    headers = {"User-Agent": "honed", "Accept": accept, "Accept-Encoding": "identity"}
    deadline = time.monotonic() + _ANSWER_S
    parts: list[bytes] = []
    try:
        with (
            # Proxies are for what leaves this machine.
            httpx.Client(timeout=_PART_S, trust_env=leaves) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code != _OK:
                _refuse(url, f"answers {answer.status_code}")
            _collect(answer, parts, most, lambda: time.monotonic() > deadline)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        msg = f"{urlsplit(url).hostname} does not answer: {type(error).__name__}"
        raise TargetUnavailable(msg, hint="look at the setting package_index") from error
    return b"".join(parts)


def _collect(
    answer: httpx.Response, parts: list[bytes], most: int, is_late: Callable[[], bool]
) -> None:
    size = 0
    for part in answer.iter_raw():
        parts.append(part)
        size += len(part)
        if size > most or is_late():
            _refuse(str(answer.url), "answers too much, or too slowly")


def _refuse(url: str, why: str) -> None:
    msg = f"{urlsplit(url).hostname} {why}"
    raise TargetUnavailable(msg, hint="look at the setting package_index")
