"""An error is not settled by an answer that somebody made up.

## What it does

A test that is made from a captured exception asks for a call that returns, and not for what. Where
the tests that a change repairs are of that sort alone, it refuses a change that lets a function
return a constant that it did not return before, gives a lookup a default that it did not have, or
swallows an exception, logged or not. What undoes a commit makes nothing up: its answers stood in
the code. What a person has said is right is asserted by the test, and may be any constant.

## Why it helps

Every error goes away if one returns nothing where it was raised, also that of another service, of
a full disk, and of data that is wrong. What should be answered there, a person knows.

## Risk and rollback

It only reads. A right change may be left to a person: of what no test tells, nobody else knows it.

## How it is measured

By the constants that functions return, the defaults of lookups and the handlers that do nothing,
counted before and after.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from typing import ClassVar, Final

from honed.core.change import CodeChange, FileChange, Purpose
from honed.core.gate import Gate, GateResult, Judge, Thresholds

#: Who proposes what stood in the code before, to the letter.
_UNDOES: Final = "revert_commit"
#: Calls that answer with a default where there is nothing, and which of their arguments it is.
_DEFAULTS: Final = {"get": 1, "pop": 1, "setdefault": 1, "next": 1, "getattr": 2}
#: Of these, the ones that answer None where no default is given.
_BY_THEMSELVES: Final = frozenset({"get"})
#: Calls that only tell.
_TELLS: Final = frozenset(
    {"critical", "debug", "error", "exception", "info", "log", "print", "warn", "warning"}
)
_SWALLOWS: Final = "nothing where an exception is raised"


class MadeUpAnswers(Gate):
    """See the module's docstring."""

    name: ClassVar[str] = "made_up_answers"
    order: ClassVar[int] = 42
    refutes: ClassVar[bool] = False
    purposes: ClassVar[frozenset[Purpose]] = frozenset({Purpose.REPAIR})

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether a test tells the answer, or the change gives none of its own."""
        del judge, thresholds
        if any(_tells(test, change) for test in change.repairs):
            return self.passes("a test tells what is right")
        if change.made_by.partition(":")[0] == _UNDOES:
            return self.passes("what it answers stood in the code before")
        for file in change.python_files():
            if file.before is not None and (made_up := _made_up(file)):
                return self.fails(
                    f"{file.path} would answer {made_up[0]}, which no test and no code asks for",
                    path=file.path,
                    answers=list(made_up),
                )
        return self.passes("it makes no answer up")


def _tells(test: str, change: CodeChange) -> bool:
    """Return whether a test says more than that a call returns, and which sort of thing."""
    path, _, name = test.partition("::")
    file = next((each for each in change.files if each.path == path), None)
    if file is None or file.before is not None:
        return True
    for node in ast.walk(_parsed(file.after)):
        if isinstance(node, ast.FunctionDef) and node.name == name.partition("[")[0]:
            return any(map(_says, ast.walk(node)))
    return True


def _says(node: ast.AST) -> bool:
    """Return whether it asserts what is returned, or what is raised."""
    if isinstance(node, ast.With):
        return any(ast.unparse(each).startswith("pytest.raises(") for each in node.items)
    return isinstance(node, ast.Assert) and not _is_of_a_sort(node.test)


def _is_of_a_sort(node: ast.expr) -> bool:
    """Return whether it says no more than which sort of thing there is, or how many."""
    calls = node.left if isinstance(node, ast.Compare) else node
    if not isinstance(calls, ast.Call) or not isinstance(calls.func, ast.Name):
        return False
    return calls.func.id in {"isinstance", "len"}


def _made_up(file: FileChange) -> tuple[str, ...]:
    before = Counter(_answers(_parsed(file.before)))
    after = Counter(_answers(_parsed(file.after)))
    return tuple(sorted(said for _, said in after - before))


def _parsed(text: str | None) -> ast.Module:
    try:
        return ast.parse(text or "")
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def _answers(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield what functions answer without having found it out, with the name of each function."""
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        name, node = waiting.pop()
        for each in ast.iter_child_nodes(node):
            if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                waiting.append((f"{name}.{each.name}", each))
                continue
            yield from ((name, said) for said in _said(each))
            waiting.append((name, each))


def _said(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Return(None):
            yield "None"
        case ast.Return(value):
            yield from (ast.unparse(each) for each in _ends(value) if _is_constant(each))
        case ast.Call(function, arguments, keywords):
            yield from _default(function, arguments, keywords)
        case ast.ExceptHandler(body=body) if all(map(_does_nothing, body)):
            yield _SWALLOWS
        case ast.With(items) | ast.AsyncWith(items):
            yield from (_SWALLOWS for each in items if _called(each.context_expr) == "suppress")
        case _:
            return


def _does_nothing(statement: ast.stmt) -> bool:
    """Return whether a statement of a handler settles nothing; what it returns is told apart."""
    match statement:
        case ast.Pass() | ast.Continue() | ast.Break():
            return True
        case ast.Expr(value):
            return isinstance(value, ast.Constant) or _called(value) in _TELLS
        case ast.Assign(_, value):
            return _is_constant(value)
        case _:
            return False


def _called(node: ast.expr) -> str:
    """Return the last name of what an expression calls; empty: it calls nothing by name."""
    match node:
        case ast.Call(ast.Name(name)) | ast.Call(ast.Attribute(_, name)):
            return name
        case _:
            return ""


def _ends(value: ast.expr | None) -> Iterator[ast.expr]:
    """Yield the expressions that a returned one may come to."""
    match value:
        case ast.IfExp(_, body, orelse):
            yield from (*_ends(body), *_ends(orelse))
        case ast.BoolOp(ast.Or(), values):
            yield from _ends(values[-1])
        case ast.expr():
            yield value
        case _:
            return


def _default(
    function: ast.expr, arguments: list[ast.expr], keywords: list[ast.keyword]
) -> Iterator[str]:
    name = function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
    yield from (ast.unparse(each.value) for each in keywords if each.arg == "default")
    place = _DEFAULTS.get(name)
    if place is None:
        return
    if len(arguments) > place:
        if _is_constant(arguments[place]):
            yield ast.unparse(arguments[place])
    elif name in _BY_THEMSELVES:
        yield "None"


def _is_constant(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ast.unparse(node) in {"set()", "list()", "dict()", "tuple()", "''"}
    return True
