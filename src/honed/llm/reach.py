"""What code could reach beyond what it computes: files, processes, networks, Python's own insides.

A model may have been talked into writing it, by a text that it was shown. What a repair needs of it
is rare enough for a person to write.

Not guaranteed: what other modules of the repository reach for whoever calls them is not seen, and
reading alone does not find every way into Python's insides. The sandbox is what holds.
"""

import ast
import sys
from collections.abc import Collection, Iterator
from typing import Final

#: Modules of Python's that only compute.
_HARMLESS: Final = frozenset(
    {
        *("__future__", "abc", "array", "base64", "binascii", "bisect", "calendar", "cmath"),
        *("collections", "colorsys", "contextlib", "copy", "csv", "dataclasses", "datetime"),
        *("decimal", "difflib", "enum", "fnmatch", "fractions", "functools", "graphlib", "hashlib"),
        *("heapq", "hmac", "html", "ipaddress", "itertools", "json", "keyword", "locale", "math"),
        *("numbers", "operator", "random", "re", "secrets", "statistics", "string", "struct"),
        *("textwrap", "time", "types", "typing", "typing_extensions", "unicodedata", "uuid"),
        *("warnings", "weakref", "zlib", "zoneinfo"),
    }
)
#: What of other modules computes only.
_HARMLESS_NAMES: Final = ("os.path.", "os.sep", "os.linesep", "os.fspath", "sys.maxsize")
#: Functions that Python always has.
_BUILTINS: Final = frozenset(
    {
        *("__builtins__", "__import__", "__loader__", "__spec__", "breakpoint", "compile"),
        *("delattr", "eval", "exec", "exit", "globals", "input", "locals", "open", "quit"),
        *("setattr", "vars"),
    }
)
#: Methods that reach out whatever they are called on, and ways into Python's insides.
_ATTRIBUTES: Final = frozenset(
    {
        *("Popen", "check_call", "check_output", "execv", "execve", "execvp", "fork", "popen"),
        *("read_bytes", "read_text", "rmtree", "sendall", "spawnl", "spawnv", "system", "unlink"),
        *("urlopen", "write_bytes", "write_text"),
        *("CodeType", "FunctionType", "LambdaType", "ForwardRef", "attrgetter"),
        *("get_field", "get_type_hints", "methodcaller"),
        *("__bases__", "__builtins__", "__closure__", "__code__", "__dict__", "__getattribute__"),
        *("__globals__", "__import__", "__loader__", "__mro__", "__reduce__", "__subclasses__"),
        *("f_back", "f_globals", "f_locals", "gi_frame", "tb_frame"),
    }
)
#: Modules that others hold as attributes of their own: ``contextlib.os``, ``random._os``.
_MODULES: Final = frozenset(sys.stdlib_module_names) - _HARMLESS


def new_reach(before: str, after: str, packages: Collection[str] = ()) -> tuple[str, ...]:
    """Return what ``after`` could reach with that ``before`` could not, by name, in order.

    Args:
        before: Python; what is none reaches nothing.

        after: Python.

        packages: modules of the repository itself, by their first names; to import them is free.
    """
    return tuple(sorted(_reach(after, packages) - _reach(before, packages)))


def _reach(text: str, packages: Collection[str]) -> frozenset[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()
    free = _HARMLESS | frozenset(packages)
    named = dict(_imported(tree, free))
    found = {*named.values(), *_used(tree), *_through(tree, named), *_held(tree, named)}
    return frozenset(name for name in found if not f"{name}.".startswith(_HARMLESS_NAMES))


def _imported(tree: ast.Module, free: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield what each name stands for that is imported from modules that do more than compute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                if top not in free:
                    yield alias.asname or top, alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = node.module or ""
            if module.partition(".")[0] not in free:
                yield from (
                    (alias.asname or alias.name, f"{module}.{alias.name}") for alias in node.names
                )


def _used(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(name) if name in _BUILTINS:
                yield name
            case ast.Attribute(_, name) if name in _ATTRIBUTES:
                yield f".{name}"
            case ast.ImportFrom(names=names):
                yield from (f".{each.name}" for each in names if each.name in _ATTRIBUTES)
            case ast.MatchClass(kwd_attrs=names):
                yield from (f".{each}" for each in names if each in _ATTRIBUTES)
    yield from _looked_up(tree)


def _looked_up(tree: ast.Module) -> Iterator[str]:
    """Yield the attributes that ``getattr`` is asked for; of a name that is computed, itself."""
    known = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Name("getattr") as function, [_, ast.Constant(str(name)), *_]):
                known.add(id(function))
                if name in _ATTRIBUTES:
                    yield f".{name}"
            case ast.Name("getattr") if id(node) not in known:
                yield "getattr"


def _through(tree: ast.Module, named: dict[str, str]) -> Iterator[str]:
    """Yield what is used of such modules: ``os.remove``; as a value, a module is all of it."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            dotted = _dotted(node)
            root = dotted.partition(".")[0]
            if root in named:
                yield named[root] + dotted.removeprefix(root)
        elif isinstance(node, ast.Name) and node.id in named and id(node) not in inner:
            yield f"{named[node.id]} as a value"


def _held(tree: ast.Module, named: dict[str, str]) -> Iterator[str]:
    """Yield what is reached through modules that only compute: ``contextlib.os``.

    As a value, such a module may come to anything that it holds.
    """
    modules = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } - named.keys()
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            held = (each.name for each in node.names if _is_module(each.name))
            yield from (f"{node.module or ''}.{each}" for each in held)
        elif isinstance(node, ast.Attribute) and _is_module(node.attr):
            dotted = _dotted(node)
            if dotted.partition(".")[0] in modules:
                yield dotted
        elif isinstance(node, ast.Name) and node.id in modules and id(node) not in inner:
            yield f"{node.id} as a value"


def _is_module(name: str) -> bool:
    return name in _MODULES or name.lstrip("_") in _MODULES


def _dotted(node: ast.expr) -> str:
    """Return ``a.b.c``; of what is no such name, an empty text before the point."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
