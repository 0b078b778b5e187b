"""What looking at a commit found, kept in a file, so that the same is not looked for again."""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from honed.core.canonical import Json
from honed.targets.repository.evidence.searches import engine_digest


def remembered(place: Path, about: str, find: Callable[[], Json]) -> Json:
    """Return what ``find`` returns, or what it returned when it was asked ``about`` the same.

    A file holds the last answer alone. Another version of what searches finds anew, and so does
    whoever cannot read the file; who cannot write it finds anew each time.

    Args:
        place: the file.

        about: what the answer depends on, such as the commit.

        find: looks; it is asked where nothing is remembered.
    """
    key = f"{about} {engine_digest()}"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        known = json.loads(place.read_text(encoding="utf-8"))
        if known["about"] == key:
            return known["found"]  # type: ignore[no-any-return]  # it was JSON when it was written
    found = find()
    with contextlib.suppress(OSError):
        _write(place, json.dumps({"about": key, "found": found}))
    return found


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=place.parent, prefix=place.name)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(place)
