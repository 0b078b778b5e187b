"""What is changed is Python, imports nothing that it does not need, and holds no new error.

## What it does

It compiles each changed file, asks ruff for errors that the file did not have before (undefined and
unused names, unreachable comparisons), and refuses new uses of what could tamper with the tests
that judge it.

## Why it helps

It costs milliseconds, and saves a run of all tests.

## Risk and rollback

It only reads: nothing of the change is run.

## How it is measured

By the counts of each rule before and after.
"""

import ast
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import ClassVar, Final

from honed.core.change import CodeChange, FileChange
from honed.core.gate import Gate, GateResult, Judge, Thresholds
from honed.errors import EvaluatorFailed

#: pyflakes' errors, and those of pycodestyle that are no matter of style.
_RULES: Final = "F,E7,E9,PLE"
_TIMEOUT_S: Final = 30
#: Code that needs one of these to repair a fault may reach for what judges it.
_TAMPERING: Final = frozenset(
    {
        *("__import__", "_pytest", "atexit", "builtins", "ctypes", "eval", "exec", "faulthandler"),
        *("gc", "importlib", "inspect", "marshal", "os", "pickle", "pytest", "runpy", "signal"),
        *("site", "subprocess", "sys", "threading", "unittest"),
    }
)
#: What a new file of tests needs of these.
_OF_TESTS: Final = frozenset({"pytest", "unittest"})


class Syntax(Gate):
    """See the module's docstring."""

    name: ClassVar[str] = "syntax"
    order: ClassVar[int] = 30

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether the changed files are sound as text."""
        del judge, thresholds
        for file in change.python_files():
            reason = _unsound(file)
            if reason:
                return self.fails(f"{file.path}: {reason}", path=file.path)
        return self.passes("it compiles, and has no error that was not there before")


def _unsound(file: FileChange) -> str:
    after = file.after or ""
    try:
        tree = ast.parse(after)
        compile(tree, file.path, "exec")
    except (SyntaxError, ValueError, RecursionError) as error:
        return f"it is no Python: {error}"
    before = _parsed(file.before or "")
    tampering = (_reached(tree) - _reached(before)) & _TAMPERING
    if file.before is None:
        tampering -= _OF_TESTS
    if tampering:
        return f"it newly uses {', '.join(sorted(tampering))}, which a person has to see"
    new = _complaints(after, file.path) - _complaints(file.before or "", file.path)
    return f"ruff newly says {', '.join(sorted(new))}" if new else ""


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])


def _reached(tree: ast.Module) -> frozenset[str]:
    """Return the packages that a file imports, and the names that it calls."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names.add(node.func.id)
    return frozenset(name.partition(".")[0] for name in names)


def _complaints(text: str, path: str) -> Counter[str]:
    """Return how often ruff names each rule, with honed's rules and not the repository's.

    Raises:
        EvaluatorFailed: ruff is not installed, or failed.
    """
    program = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if program is None:
        msg = "ruff is not installed, which looks for new errors"
        raise EvaluatorFailed(msg)
    done = subprocess.run(
        [
            *(program, "check", "--isolated", "--no-cache", "--exit-zero"),
            *("--output-format=json", f"--select={_RULES}", "--stdin-filename", path, "-"),
        ],
        input=text.encode(),
        capture_output=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    if done.returncode != 0:
        msg = f"ruff failed: {done.stderr.decode(errors='replace').strip()[-200:]}"
        raise EvaluatorFailed(msg)
    return Counter(str(each["code"]) for each in json.loads(done.stdout))
