"""What ruff says of a repository: functions that are too complex, names that are never used."""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from honed.backlog.code.repository import Function, Module, Repository
from honed.backlog.code.trouble import Deadline, Trouble
from honed.backlog.draft import Facts
from honed.core.counted import counted
from honed.errors import SourceFailed
from honed.repair.refactor.linters import ruff

#: McCabe's number, returns, branches, arguments and statements of one function.
_COMPLEX: Final = ("C901", "PLR0911", "PLR0912", "PLR0913", "PLR0915")
#: Imports and variables that nothing uses.
_UNUSED: Final = ("F401", "F841")
_COMPLEXITY: Final = re.compile(r"\((\d+) > \d+\)")


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that ruff says."""

    code: str
    message: str
    #: From the repository's folder.
    path: str
    line: int


def complaints(repository: Repository, deadline: Deadline) -> list[Complaint]:
    """Return what ruff says, with its own rules and not those of the repository's configuration.

    It reads only, in a process of its own, and keeps no cache.

    Raises:
        MissingExtra: ruff is not installed.
        SourceFailed: it failed, or took too long.
    """
    arguments = [
        ruff(), "check", "--isolated", "--no-cache", "--exit-zero", "--output-format=json",
        f"--select={','.join((*_COMPLEX, *_UNUSED))}",
        # What a package imports it may offer.
        "--per-file-ignores=__init__.py:F401", "--", ".",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            arguments,
            cwd=repository.folder,
            capture_output=True,
            check=False,
            timeout=deadline.left_s(),
        )
    except subprocess.TimeoutExpired as error:
        raise deadline.passed() from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["no words"]
        msg = f"ruff failed: {words[-1]}"
        raise SourceFailed(msg)
    return [_complaint(each, repository.folder) for each in json.loads(done.stdout)]


def complex_functions(
    repository: Repository, said: Iterable[Complaint], reached: frozenset[str]
) -> list[Trouble]:
    """Return one trouble for each function that is too complex, tests left out.

    Args:
        repository: what was analysed.

        said: what ruff says of it.

        reached: paths of modules that tests reach.
    """
    modules = {module.path: module for module in repository.modules if not module.is_test}
    by_function: dict[tuple[str, str], list[Complaint]] = {}
    functions: dict[tuple[str, str], Function] = {}
    for each in said:
        if each.code not in _COMPLEX or each.path not in modules:
            continue
        found = _function_at(modules[each.path], each.line)
        if found is not None:
            key = (each.path, found[0])
            by_function.setdefault(key, []).append(each)
            functions[key] = found[1]
    return [
        _complex(path, name, complained, functions[path, name], is_tested=path in reached)
        for (path, name), complained in sorted(by_function.items())
    ]


def unused_names(said: Iterable[Complaint]) -> dict[str, list[str]]:
    """Return by path what ruff says of names that nothing uses."""
    unused: dict[str, list[str]] = {}
    for each in said:
        if each.code in _UNUSED:
            unused.setdefault(each.path, []).append(f"line {each.line}: {each.message}")
    return unused


def _complex(
    path: str, name: str, said: list[Complaint], function: Function, *, is_tested: bool
) -> Trouble:
    numbers = [_COMPLEXITY.search(each.message) for each in said if each.code == "C901"]
    complexity = max((int(number[1]) for number in numbers if number), default=0)
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    messages = [each.message for each in said]
    return Trouble(
        sort="complex",
        place=f"{path}:{name}",
        title=f"{name} in {path} is too complex: {'; '.join(messages)}",
        description=f"{name} ({path}, {counted(lines, 'line')}) is hard to read, to test and to"
        " change.",
        solution="Split it along what it does; name each part for its result.",
        test_plan="1. Let a test pin what it does now\n2. Split it\n3. See that the test passes",
        files=(path,),
        evidence={
            "function": name,
            "line": function.lineno,
            "lines": lines,
            "complexity": complexity,
            "messages": messages,
        },
        facts=Facts(complexity=complexity, lines=lines, is_tested=is_tested),
    )


def _function_at(module: Module, line: int) -> tuple[str, Function] | None:
    for name, function in module.functions():
        if function.lineno <= line <= (function.end_lineno or function.lineno):
            return name, function
    return None


def _complaint(said: Mapping[str, Any], folder: Path) -> Complaint:
    path = Path(said["filename"])
    relative = path.relative_to(folder) if path.is_absolute() else path
    return Complaint(
        said["code"] or "", said["message"], relative.as_posix(), said["location"]["row"]
    )
