"""The functions of a repository's modules, and which of their lines no test reaches."""

import ast
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Final, TypeAlias

#: Lines that ran, by path from the root.
Lines: TypeAlias = Mapping[str, frozenset[int]]

#: What is no source that a test would be written for.
_NO_SOURCE: Final = re.compile(
    r"(^|/)(tests?|testing|examples?|docs?|migrations?|alembic|benchmarks?|scripts)/"
    r"|(^|/)(test_[^/]*|[^/]*_test|conftest|setup|noxfile|fabfile|tasks|dodo|__main__)\.py$"
    r"|(^|/)\."
)
_BRANCHES: Final = (
    *(ast.If, ast.For, ast.While, ast.IfExp, ast.BoolOp, ast.ExceptHandler, ast.comprehension),
    ast.match_case,
)
#: A caller that tests reach counts once more each, up to this.
_MOST_CALLERS: Final = 3
_MOST_CONSTANTS: Final = 12
#: Decorators that leave a function one that a test can call, or a property.
_SIMPLE: Final = frozenset(
    {"staticmethod", "classmethod", "functools.cache", "cache", "property", "override"}
)


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method that others may call."""

    path: str
    #: Qualified in its module: ``Cart.add``.
    name: str
    #: Of its body, what is nested in it included; not the one that defines it.
    lines: frozenset[int]
    #: One, and one for each branch (McCabe, "A Complexity Measure", 1976).
    complexity: int
    #: Last names of what it calls.
    calls: frozenset[str]
    #: Texts of literals that it holds, those beside numbers included.
    constants: tuple[str, ...]
    #: Whether a test can call it and compare: it is public and no coroutine.
    is_callable: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """A function with lines that no test reaches."""

    function: Function
    missed: frozenset[int]
    #: How much tests of it are worth; higher is more.
    worth: float


def is_source(path: str) -> bool:
    """Return whether a file is Python that tests would be written for."""
    return path.endswith(".py") and not _NO_SOURCE.search(path)


def functions_of(path: str, text: str) -> list[Function]:
    """Return the functions of a module and the methods of its classes; of what is no Python none.

    Nothing is run.
    """
    try:
        tree = ast.parse(text)
        code = compile(text, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return []
    lines = {each.co_qualname: frozenset(_lines(each)) for each in _defined(code)}
    found = []
    for name, node in _named(tree):
        if body := lines.get(name):
            found.append(_function(path, name, node, body))
    return found


def gaps(functions: Iterable[Function], reached: Lines) -> list[Gap]:
    """Return the functions with lines that no test reaches, those worth most first.

    The worth is the number of those lines, times the root of the complexity, times one more for
    each function that tests reach and that calls it, up to three: a choice of ours. What is complex
    goes wrong more often, and what is called is used.
    """
    every = list(functions)
    callers: dict[str, int] = {}
    for each in every:
        if each.lines & reached.get(each.path, frozenset()):
            for name in each.calls:
                callers[name] = callers.get(name, 0) + 1
    found = []
    for each in every:
        missed = each.lines - reached.get(each.path, frozenset())
        if missed:
            used = min(callers.get(each.name.rpartition(".")[2], 0), _MOST_CALLERS)
            found.append(Gap(each, missed, len(missed) * math.sqrt(each.complexity) * (1 + used)))
    return sorted(found, key=lambda gap: (-gap.worth, gap.function.path, gap.function.name))


def _defined(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of functions outside of functions."""
    for each in code.co_consts:
        if not isinstance(each, CodeType) or each.co_name.startswith("<"):
            continue
        # Of a class the code runs once, when it is imported; of a function it has locals.
        if each.co_flags & 0x02:
            yield each
        else:
            yield from _defined(each)


def _lines(code: CodeType) -> Iterator[int]:
    for _, _, line in code.co_lines():
        if line and line != code.co_firstlineno:
            yield line
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _lines(each)


_Node: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def _named(tree: ast.Module) -> Iterator[tuple[str, _Node]]:
    waiting: list[tuple[str, ast.stmt]] = [("", each) for each in tree.body]
    while waiting:
        outer, each = waiting.pop(0)
        if isinstance(each, ast.ClassDef):
            waiting += [(f"{outer}{each.name}.", inner) for inner in each.body]
        elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{outer}{each.name}", each
        elif isinstance(each, ast.If | ast.Try):
            waiting += [(outer, inner) for inner in each.body]


def _function(path: str, name: str, node: _Node, lines: frozenset[int]) -> Function:
    inner = list(ast.walk(node))
    decorated = {ast.unparse(each) for each in node.decorator_list}
    is_callable = (
        isinstance(node, ast.FunctionDef)
        and not any(part.startswith("_") for part in name.split("."))
        and not decorated - _SIMPLE
    )
    called = (each.func for each in inner if isinstance(each, ast.Call))
    return Function(
        path,
        name,
        # Lines of decorators and defaults run when it is defined.
        frozenset(line for line in lines if line >= node.body[0].lineno),
        1 + sum(isinstance(each, _BRANCHES) for each in inner),
        frozenset(ast.unparse(each).rpartition(".")[2] for each in called),
        tuple(_constants(node)),
        is_callable,
    )


def _constants(node: _Node) -> list[str]:
    """Return the literals of a function as texts, those in comparisons first."""
    compared = [
        each
        for comparison in ast.walk(node)
        if isinstance(comparison, ast.Compare | ast.pattern)
        for each in ast.walk(comparison)
    ]
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    values: dict[str, None] = {}
    for each in (*compared, *(inner for part in body for inner in ast.walk(part))):
        if not isinstance(each, ast.Constant) or each.value in (None, True, False, ...):
            continue
        if isinstance(each.value, int):
            values |= dict.fromkeys(map(repr, (each.value, each.value + 1, each.value - 1)))
        elif isinstance(each.value, str | float) and len(repr(each.value)) <= 40:  # noqa: PLR2004
            values[repr(each.value)] = None
    return list(values)[:_MOST_CONSTANTS]
