"""The words that a pattern may hold: Python's own, and nobody else's."""

import ast
import builtins
import collections
import datetime as dt
import functools
import itertools
import json
import math
import os
import pathlib
import re
from typing import Final

#: Modules of the standard library that most code uses, and what people take from them.
_MODULES: Final = (collections, dt, functools, itertools, json, math, os.path, re)
_TYPES: Final = (
    *(bool, bytearray, bytes, complex, dict, float, frozenset, int, list, range, set, str, tuple),
    *(dt.date, dt.datetime, dt.timedelta, dt.timezone),
    *(collections.Counter, collections.OrderedDict, collections.defaultdict, collections.deque),
    *(json.JSONDecodeError, pathlib.Path, re.Match, re.Pattern, BaseException, OSError),
)
#: Arguments of what Python itself offers.
KEYWORDS: Final = frozenset(
    (
        *("base", "byteorder", "chunksize", "days", "default", "encoding"),
        *("end", "ensure_ascii", "errors", "exist_ok", "file", "flags"),
        *("flush", "hours", "indent", "initial", "key", "maxlen"),
        *("maxsplit", "microsecond", "minutes", "missing_ok", "mode", "newline"),
        *("parents", "repeat", "reverse", "seconds", "sep", "signed"),
        *("sort_keys", "start", "strict", "tz", "tzinfo", "weeks"),
    )
)


#: What a repair of one repository must not bring into another: it runs texts, or spoils files.
_REFUSED: Final = frozenset(
    (
        *("breakpoint", "compile", "delattr", "eval", "exec", "exit", "globals", "input", "locals"),
        *("open", "quit", "setattr", "vars", "copyright", "credits", "help", "license"),
        *("chmod", "hardlink_to", "lchmod", "link_to", "rename", "rmdir", "symlink_to", "touch"),
        *("unlink", "write_bytes", "write_text"),
    )
)


def _public(thing: object) -> frozenset[str]:
    return frozenset(name for name in dir(thing) if not name.startswith("_")) - _REFUSED


#: What stands alone: builtins, modules, and types that are imported by their names.
NAMES: Final = (
    _public(builtins)
    | {each.__name__ for each in _MODULES if each is not os.path}
    | {"os"}
    | {each.__name__ for each in _TYPES}
)
#: What follows a dot.
ATTRIBUTES: Final = frozenset(("environ", "path")).union(*map(_public, (*_MODULES, *_TYPES)))


def is_general(constant: ast.Constant) -> bool:
    """Whether a constant says nothing of what a program is about: None, a flag, 0, 1 or ''."""
    value = constant.value
    if value is None or isinstance(value, bool):
        return True
    return (type(value) is int and value in (0, 1)) or value == ""
