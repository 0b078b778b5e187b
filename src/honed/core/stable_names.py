"""Names of types, modules and code as they stay from process to process and release to release."""

import re
from functools import lru_cache
from typing import Final

#: A longer name loses its end, a longer path its beginning.
_MAX_NAME: Final = 400
_MAX_CODE: Final = 200

#: The same errors by other names, as older Pythons and sources call them.
_SYNONYMS: Final = {
    "asyncio.TimeoutError": "TimeoutError",
    "concurrent.TimeoutError": "TimeoutError",
    "socket.timeout": "TimeoutError",
    "socket.error": "OSError",
    "IOError": "OSError",
    "EnvironmentError": "OSError",
}

#: Parts of names that are made anew in each process or release.
_GENERATED: Final = re.compile(
    r"(?<=lambda)_?\d+"
    r"|(?<![A-Za-z0-9])tmp[a-z0-9_]{8}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])(?=[0-9a-f]*\d)[0-9a-f]{6,}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])(?=(?:[a-z]*\d){3})[a-z0-9]{8,}(?![A-Za-z0-9])"
    r"|\d{5,}"
    r"|(?<=\w)\[.*\]$"
)
_SUFFIX: Final = re.compile(r"\.(?:py[cowx]?|pxd|pxi|ipynb)$")
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})


def type_name(name: str) -> str:
    """Return a type's outermost package and name; what is in between moves between releases."""
    return _type_name(name[:_MAX_NAME])


def module_of(file: str) -> str:
    """Return the module of a file: all below the packages' folder, else its last two parts."""
    return _module_of(file[:_MAX_NAME] if file.startswith("<") else file[-_MAX_NAME:])


def stable(name: str) -> str:
    """Return a name without what is made anew in each process or release."""
    return _stable(name[:_MAX_NAME])


def code_line(code: str) -> str:
    """Return a line of code however it is spaced, quoted and commented."""
    return _code_line(code[:_MAX_CODE])


# Few names occur again and again; they are cut before they are kept, so that memory is bounded.


@lru_cache(maxsize=4096)
def _type_name(name: str) -> str:
    module, _, own = name.rpartition(".")
    package = module.partition(".")[0].strip("_")
    short = own if package in {"", "builtins", "exceptions", "main"} else f"{package}.{own}"
    return _GENERATED.sub("*", _SYNONYMS.get(short, short))


@lru_cache(maxsize=4096)
def _module_of(file: str) -> str:
    if file.startswith("<"):
        return file
    parts = [part for part in _SUFFIX.sub("", file.replace("\\", "/")).split("/") if part]
    if parts[-1:] == ["__init__"]:
        parts.pop()
    installed = [at for at, part in enumerate(parts) if part in _INSTALLED]
    return ".".join(parts[installed[-1] + 1 :] if installed else parts[-2:])


@lru_cache(maxsize=4096)
def _stable(name: str) -> str:
    return _GENERATED.sub("*", name.replace("<locals>.", ""))


@lru_cache(maxsize=4096)
def _code_line(code: str) -> str:
    return " ".join(code.replace('"', "'").split()).partition(" # ")[0]
