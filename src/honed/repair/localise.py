"""Which statements the failing tests run and the passing ones do not, and what stood in locals."""

import ast
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from honed.repair.source import Source

#: More statements are not tried: the first ones hold the fault or the search finds no end.
MOST_STATEMENTS: Final = 80
#: A statement around suspicious ones: its header decides whether they run.
_OF_HEADER: Final = 0.8
#: A line of the stack of an error, and the innermost of them, weigh more.
_ON_STACK: Final = 1.2
_INNERMOST: Final = 1.5
#: A value of the module that a suspicious function reads.
_OF_MODULE: Final = 0.3
_OF_SIGNATURE: Final = 0.4


@dataclass
class Spectrum:
    """What was seen of the tests' runs."""

    #: By test the lines that it ran, by file.
    lines: dict[str, dict[str, frozenset[int]]] = field(default_factory=dict)
    #: By file and line the types of locals in failing tests.
    types: dict[str, dict[int, dict[str, frozenset[str]]]] = field(default_factory=dict)
    #: Calls with plain arguments, those of passing tests first.
    calls: list[dict[str, Any]] = field(default_factory=list)
    #: Functions, by file and name, of which some calls cannot be told.
    untold: set[tuple[str, str]] = field(default_factory=set)
    #: By failing test where its error came from, innermost last.
    stacks: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    #: Names of the types of exceptions that failing tests end with.
    raised: frozenset[str] = frozenset()
    #: By file and name of a local the keys, or attributes, of what stood in it in failing tests.
    keys: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)


def read_spectrum(traced: Mapping[str, Any], stacks: Mapping[str, Any]) -> Spectrum:
    """Return the spectrum of what the fork server told."""
    spectrum = Spectrum()
    types: dict[str, dict[int, dict[str, set[str]]]] = defaultdict(lambda: defaultdict(dict))
    for key, told in traced.items():
        spectrum.lines[key] = {
            path: frozenset(map(int, lines)) for path, lines in told["lines"].items()
        }
        for path, by_line in told["types"].items():
            for line, names in by_line.items():
                for name, seen in names.items():
                    types[path][int(line)].setdefault(name, set()).update(seen)
        spectrum.calls += [{**call, "test": key} for call in told["calls"]]
        spectrum.untold |= {(path, name) for path, name in told["untold"]}
        for path, by_name in told["keys"].items():
            known = spectrum.keys.setdefault(path, {})
            for name, keys in by_name.items():
                known[name] = tuple(sorted({*known.get(name, ()), *keys}))
    spectrum.types = {
        path: {
            line: {name: frozenset(seen) for name, seen in names.items()}
            for line, names in by_line.items()
        }
        for path, by_line in types.items()
    }
    spectrum.stacks = {
        key: [(path, line) for path, line in stack] for key, stack in stacks.items() if stack
    }
    return spectrum


def suspicion(spectrum: Spectrum, failing: Iterable[str]) -> dict[tuple[str, int], float]:
    """Return how suspicious each line is, from 0 to 1, by file and line.

    Ochiai: the share of failing tests that ran it over the square root of all that did (Abreu,
    Zoeteweij and van Gemund, "On the Accuracy of Spectrum-based Fault Localization", 2007).
    """
    failed = [key for key in failing if key in spectrum.lines]
    by_failing: dict[tuple[str, int], int] = defaultdict(int)
    by_all: dict[tuple[str, int], int] = defaultdict(int)
    for key, files in spectrum.lines.items():
        for path, lines in files.items():
            for line in lines:
                by_all[path, line] += 1
                by_failing[path, line] += key in failed
    scores = {
        where: count / math.sqrt(len(failed) * by_all[where])
        for where, count in by_failing.items()
        if count
    }
    for key in failed:
        stack = [each for each in spectrum.stacks.get(key, ()) if each in scores]
        for where in set(stack):
            factor = _INNERMOST if where == stack[-1] else _ON_STACK
            scores[where] = min(1.0, scores[where] * factor ** (1 / len(failed)))
    return scores


def suspects(
    source: Source, scores: Mapping[tuple[str, int], float]
) -> list[tuple[float, ast.stmt]]:
    """Return the statements of a file that may hold the fault, the most suspicious first.

    What no failing test ran is left out: a change of it alone changes no failing test.
    """
    lines = {line: score for (path, line), score in scores.items() if path == source.path}
    found: dict[ast.stmt, float] = {}
    for statement in source.statements():
        first, last = _header(source, statement)
        score = max((lines.get(line, 0.0) for line in range(first, last + 1)), default=0.0)
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            score *= _OF_SIGNATURE
        if score:
            found[statement] = score
    _smooth(source, found)
    _add_values_of_module(source, found)
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0].lineno))
    return [(score, statement) for statement, score in ordered[:MOST_STATEMENTS]]


def _header(source: Source, statement: ast.stmt) -> tuple[int, int]:
    """Return the lines of a statement without the statements inside it."""
    last = statement.end_lineno or statement.lineno
    for name in ("body", "handlers", "orelse", "finalbody", "cases"):
        block = getattr(statement, name, None)
        if isinstance(block, list) and block:
            inner = block[0]
            last = min(last, max(statement.lineno, getattr(inner, "lineno", last) - 1))
    return source.first_line(statement), last


def _smooth(source: Source, found: dict[ast.stmt, float]) -> None:
    """Let a header be nearly as suspicious as what it lets run."""
    for statement, score in sorted(found.items(), key=lambda item: -item[0].lineno):
        parent = source.parents.get(statement)
        if isinstance(parent, ast.stmt) and parent in found:
            is_definition = isinstance(parent, (ast.FunctionDef, ast.ClassDef))
            found[parent] = max(found[parent], score * (0 if is_definition else _OF_HEADER))


def _add_values_of_module(source: Source, found: dict[ast.stmt, float]) -> None:
    """Let what a module names be suspicious where suspicious statements read it."""
    read = {
        node.id: found[statement]
        for statement in list(found)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name)
    }
    for statement in source.tree.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement not in found:
            names = [each.id for each in targets(statement) if isinstance(each, ast.Name)]
            score = max((read.get(name, 0.0) for name in names), default=0.0)
            if score:
                found[statement] = score * _OF_MODULE


def targets(statement: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    """Return what a statement assigns to."""
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


def types_at(source: Source, spectrum: Spectrum, statement: ast.stmt) -> dict[str, frozenset[str]]:
    """Return the types of the locals that a statement can read, as failing tests saw them."""
    by_line = spectrum.types.get(source.path, {})
    first, last = _header(source, statement)
    types: dict[str, frozenset[str]] = {}
    for line in range(first, last + 1):
        for name, seen in by_line.get(line, {}).items():
            if not name.startswith("."):
                types[name] = types.get(name, frozenset()) | seen
    for node in ast.walk(statement):
        # What a comprehension names is seen only where it has a frame of its own.
        if isinstance(node, ast.comprehension):
            for each in ast.walk(node.target):
                if isinstance(each, ast.Name):
                    types.setdefault(each.id, frozenset())
    return types


def ordered_names(source: Source, statement: ast.stmt, names: Iterable[str]) -> Sequence[str]:
    """Return names with the function's own arguments first, then as they appear in it."""
    function = source.function(statement)
    known = dict.fromkeys(names)
    if function is None:
        return list(known)
    arguments = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    appear: dict[str, tuple[int, int]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            appear.setdefault(node.id, (node.lineno, node.col_offset))
    rest = sorted(set(known) - set(arguments), key=lambda each: appear.get(each, (1 << 30, 0)))
    return [name for name in arguments if name in known] + rest
