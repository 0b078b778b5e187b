"""New tests reach what none reached, and fail when that is wrong.

## What it does

It runs all tests with and without the new ones, and looks which lines of functions only the new
ones reach. Then it makes those lines wrong, one mutant at a time (another comparison, another
operator, another constant, another result), and looks whether a new test fails.

## Why it helps

A test that calls much and compares nothing raises the coverage, and finds no fault.

## Risk and rollback

Tests and mutants run in a sandbox, in fresh copies.

## How it is measured

As the count and the share of lines of functions that tests reach, before and after, and as the
share of mutants that a new test sees: half of them have to be seen, a choice of ours. Some mutants
do the same as the code, so all cannot be.
"""

import ast
import copy
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, TypeAlias

from honed.core.canonical import Json
from honed.core.change import CodeChange, Purpose
from honed.core.counted import counted
from honed.core.gate import Gate, GateResult, Judge, Side, TestRun, Thresholds, whole_run
from honed.repair.characterise.functions import functions_of, is_source

_Lines: TypeAlias = Mapping[str, frozenset[int]]

#: Runs of the new tests, each of which they pass.
_RUNS: Final = 3
#: Mutants that are tried, from all over the lines, and the share that a new test has to see.
_MUTANTS: Final = 10
_LEAST_SCORE: Final = 0.5
#: A mutant's run may take so many times the longest of the new tests' own runs, and this at least.
_TIMES: Final = 10.0
_LEAST_S: Final = 5.0
_COMPARED: Final[Mapping[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_COMPUTED: Final[Mapping[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}


class CoverageGain(Gate):
    """See the module's docstring."""

    name: ClassVar[str] = "coverage_gain"
    order: ClassVar[int] = 85
    purposes: ClassVar[frozenset[Purpose]] = frozenset({Purpose.TEST})

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether the new tests pass, reach something, and can fail."""
        del thresholds
        edited = [each.path for each in change.files if each.before is not None]
        if edited or not change.files:
            return self.fails(f"more than new tests: {', '.join(edited) or 'nothing'}")
        new = sorted(each.path for each in change.files)
        took_s = 0.0
        for run in (judge.patched.run_tests(new) for _ in range(_RUNS)):
            if why := _failing(run):
                return self.fails(f"the new tests do not always pass: {why}")
            took_s = max(took_s, run.cpu_s)
        before, after = _reached(judge.base, new)
        gained = {path: after[path] - before.get(path, frozenset()) for path in after}
        known = {path: _lines(judge.base, path) for path in judge.base.paths() if is_source(path)}
        gained = {path: lines & known.get(path, frozenset()) for path, lines in gained.items()}
        evidence = _shares(known, before, after)
        count = sum(map(len, gained.values()))
        if not count:
            return self.fails("the new tests reach no line that none reached", **evidence)
        # A loop that is made wrong may never end.
        base = judge.base.within(_TIMES * took_s + _LEAST_S)
        return self._seen(base, new, gained, {**evidence, "gained": count})

    def _seen(
        self, base: Side, new: Sequence[str], gained: _Lines, evidence: dict[str, Json]
    ) -> GateResult:
        every = [
            (path, *each)
            for path in sorted(gained)
            for each in weak_places(base.read(path) or "", gained[path])
        ]
        mutants = _spread(every)
        missed = []
        for path, line, place in mutants:
            text = mutant(base.read(path) or "", place)
            if not _failing(base.with_files({path: text}).run_tests(new)):
                missed.append(f"{path}:{line}")
        score = 1 - len(missed) / len(mutants) if mutants else 1.0
        said: list[Json] = [*missed]
        evidence |= {"mutants": len(mutants), "mutation_score": score, "not_seen": said}
        lines = sum(map(len, gained.values()))
        words = (
            f"{counted(lines, 'line is', 'lines are')} newly reached, and of"
            f" {counted(len(mutants), 'way')} to make"
            f" them wrong the new tests see {len(mutants) - len(missed)}"
        )
        if score < _LEAST_SCORE:
            return self.fails(f"{words}; {_LEAST_SCORE:.0%} are wanted", **evidence)
        return self.passes(words, **evidence)


def _failing(run: TestRun) -> str:
    """Return why a run of new tests is none that passes; empty: it does."""
    if run.error or run.broken or not run.passed:
        return run.error or ", ".join(sorted(run.broken)) or "none ran"
    return ""


def _reached(side: Side, new: Sequence[str]) -> tuple[_Lines, _Lines]:
    """Return the lines that the tests reach without the new ones, and with them."""
    every = whole_run(side, lines=True)
    old = sorted(
        test
        for test in every.outcomes
        if "::" in test and not test.startswith(tuple(f"{path}::" for path in new))
    )
    before = whole_run(side, old, lines=True).lines if old else {}
    return before, every.lines


def _lines(side: Side, path: str) -> frozenset[int]:
    """Return the lines of a module's functions in which something can run."""
    found = functions_of(path, side.read(path) or "")
    return frozenset(line for each in found for line in each.lines)


def _shares(known: _Lines, before: _Lines, after: _Lines) -> dict[str, Json]:
    total = sum(map(len, known.values()))
    evidence: dict[str, Json] = {"lines": total}
    for name, reached in (("before", before), ("after", after)):
        count = sum(len(lines & reached.get(path, frozenset())) for path, lines in known.items())
        evidence |= {f"reached_{name}": count, f"share_{name}": count / total if total else 1.0}
    return evidence


def weak_places(source: str, lines: frozenset[int]) -> list[tuple[int, int]]:
    """Return where ``lines`` can be made wrong: the line, and the number of the node in its tree.

    A module without ``lines`` has none, whatever it holds.
    """
    if not lines:
        return []
    return [
        (node.lineno, place)
        for place, node in enumerate(ast.walk(ast.parse(source)))
        if isinstance(node, ast.expr | ast.stmt)
        and node.lineno in lines
        and _mutate(copy.copy(node))
    ]


def mutant(source: str, place: int) -> str:
    """Return a module that is wrong in one place; layout and comments are lost."""
    tree = ast.parse(source)
    node = next(each for number, each in enumerate(ast.walk(tree)) if number == place)
    _mutate(node)
    return ast.unparse(ast.fix_missing_locations(tree))


def _mutate(node: ast.AST) -> bool:  # noqa: C901 - one case for each sort of syntax
    """Make a node wrong; return whether it can be. What it holds is left as it is."""
    match node:
        case ast.Compare(ops=[operator, *rest]) if type(operator) in _COMPARED:
            node.ops = [_COMPARED[type(operator)](), *rest]
        case ast.BinOp(op=operator) if type(operator) in _COMPUTED:
            node.op = _COMPUTED[type(operator)]()
        case ast.AugAssign(op=operator) if type(operator) in _COMPUTED:
            node.op = _COMPUTED[type(operator)]()
        case ast.BoolOp(op=operator):
            node.op = ast.Or() if isinstance(operator, ast.And) else ast.And()
        case ast.Constant(value=bool() as value):
            node.value = not value
        case ast.Constant(value=int() as value):
            node.value = value + 1
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            node.value = ast.Constant(None)
        case ast.If(test=test):
            node.test = ast.UnaryOp(ast.Not(), test)
        case _:
            return False
    return True


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _spread(found: Sequence[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Return as many as are tried, evenly from all."""
    if len(found) <= _MUTANTS:
        return list(found)
    return [found[len(found) * number // _MUTANTS] for number in range(_MUTANTS)]
