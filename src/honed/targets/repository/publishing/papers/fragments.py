"""News fragments: one small file for each change, which towncrier makes a changelog of."""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

#: Where a repository says that it uses towncrier, and how.
_PLACES: Final = ("towncrier.toml", "pyproject.toml")
#: What towncrier calls kinds of news where nobody says otherwise, and where it keeps fragments.
_TYPES: Final = ("feature", "bugfix", "doc", "removal", "misc")
_FOLDER: Final = "newsfragments"
_SUFFIXES: Final = frozenset({".md", ".rst", ".txt"})
#: A fragment that belongs to no issue, as towncrier wants it called.
_FRAGMENT: Final = re.compile(
    r"(?!(.*/)?tests?/)([\w-][\w.-]*/)*\+[a-z0-9-]+\.[a-z_-]+(\.(md|rst|txt))?"
)


def is_fragment(path: str) -> bool:
    """Return whether a file is called as news fragments of honed's are."""
    return _FRAGMENT.fullmatch(path) is not None


def uses_fragments(read: Callable[[str], str | None]) -> bool:
    """Return whether a repository makes its changelog of news fragments."""
    return _settings(read) is not None


def fragment(
    paths: Collection[str], read: Callable[[str], str | None], sorts: Sequence[str], name: str
) -> str:
    """Return the path of a new fragment; empty: the repository keeps none that fits.

    Args:
        paths: of the files of the repository.

        read: returns a file's text, or None.

        sorts: what the kind of news may be called, the best first.

        name: of the fragment, in small letters, digits and dashes.
    """
    settings = _settings(read) or {}
    folder = _folder(settings)
    there = [each for each in paths if PurePosixPath(each).parent == PurePosixPath(folder)]
    known = _types(settings)
    sort = next((each for each in sorts if each in known), "")
    if not there or not sort:
        return ""
    path = f"{folder}/+{name}.{sort}{_suffix(there, settings)}"
    return path if is_fragment(path) and path not in paths else ""


def _settings(read: Callable[[str], str | None]) -> Mapping[str, Any] | None:
    for place in _PLACES:
        try:
            found = tomllib.loads(read(place) or "").get("tool", {}).get("towncrier")
        except (tomllib.TOMLDecodeError, AttributeError):
            continue
        if isinstance(found, dict):
            return found
    return None


def _folder(settings: Mapping[str, Any]) -> str:
    if named := settings.get("directory"):
        return str(PurePosixPath(str(named)))
    package = str(settings.get("package") or "").replace(".", "/")
    within = PurePosixPath(str(settings.get("package_dir") or "."), package) if package else ""
    return str(PurePosixPath(within, _FOLDER))


def _types(settings: Mapping[str, Any]) -> frozenset[str]:
    listed, by_name = settings.get("type"), settings.get("fragment")
    named = [
        str(each.get("directory") or each.get("name") or "").lower()
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict)
    ]
    named += [str(each).lower() for each in (by_name if isinstance(by_name, dict) else ())]
    return frozenset(named or _TYPES)


def _suffix(there: Sequence[str], settings: Mapping[str, Any]) -> str:
    """Return how fragments end: as those that are there, else as what is made of them."""
    names = (PurePosixPath(each) for each in there)
    # ``12.bugfix.md``: neither a hidden file, nor one that says what the folder is for.
    fragments = [each for each in names if re.match(r"[+\w-]+\.[a-z_-]+(\.|$)", each.name)]
    fragments = [each for each in fragments if each.stem.lower() != "readme"]
    suffixes = Counter(each.suffix if each.suffix in _SUFFIXES else "" for each in fragments)
    if suffixes:
        return suffixes.most_common(1)[0][0]
    suffix = PurePosixPath(str(settings.get("filename") or "NEWS.rst")).suffix
    return suffix if suffix in _SUFFIXES else ".rst"
