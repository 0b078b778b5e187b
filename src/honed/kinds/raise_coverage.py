"""Writes down, as tests, what code does today that no test reaches.

## What it does

It runs the tests of a repository's branch and looks which lines of functions none of them reaches.
For the modules where that matters most (many such lines, complex functions, called by what tests
reach) it calls those functions in the sandbox with what tests pass to others, with what the code
compares with and with what annotations allow, and writes down what came of it: one new file of
tests for a module. Carried out, it is a branch with one commit and a request for review.

## Why it helps

What no test reaches nobody can change with an easy mind: not a person, and not honed, whose gates
refuse changes that no test reaches. A test of what the code does today tells whoever changes it
what else they have changed.

## Risk and rollback

No code changes. Such a test says what the code does, whether that is right or not: a fault would be
written down, too, so a person reads it. Nothing is written down that asks for time, chance, files,
the network or the environment, or that does not end the same way under three seeds. The undo closes
the request and deletes its branch.

## How it is measured

By gates, in a sandbox: the new tests pass every time, they reach lines that none reached, and they
fail for at least half of a few ways to make those lines wrong. Nothing of production is measured.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

from honed.core.canonical import Json
from honed.core.change import CodeChange, FileChange, Purpose
from honed.core.counted import counted
from honed.core.finding import Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.risk import Risk
from honed.errors import EvaluatorFailed
from honed.repair.characterise.case import Case
from honed.repair.characterise.characterise import SCRIPT, Hints, characterise
from honed.repair.characterise.functions import Gap, Lines, functions_of, gaps, is_source
from honed.repair.characterise.literals import literal_calls
from honed.repair.characterise.placing import place_of_tests
from honed.repair.characterise.writing import TestFile, test_file
from honed.repair.reproduce.classes import Classes
from honed.targets.repository.code_kind import Claimed, CodeKind
from honed.targets.repository.judging.judge import Checkout
from honed.targets.repository.target import RepositoryTarget

UNREACHED_CODE: Final = FindingType("unreached_code")

#: Modules that are told of, and modules that tests are written for in one cycle.
_MODULES: Final = 20
_SEARCHES: Final = 2
#: Fewer new lines are not worth a review.
_LEAST_GAINED: Final = 3
#: A new file has no more lines: a person reads it in a few minutes.
_LONGEST: Final = 380
_NAMED: Final = 3


class RaiseCoverage(CodeKind):
    """See the module's docstring."""

    name: ClassVar[str] = "raise_coverage"
    risk: ClassVar[Risk] = Risk(level=2)
    wants: ClassVar[frozenset[FindingType]] = frozenset({UNREACHED_CODE})

    def look(self, target: RepositoryTarget) -> Iterable[Finding]:
        """Return the modules with lines that no test reaches, those worth most first.

        Where the tests cannot be run there are none: the target itself says so.
        """
        commit = target.shape().commit
        memory = _Memory.of(target, commit)
        with target.files(commit) as tree:
            side = Checkout(tree.root, {}, target.court)
            if memory.lines is None:
                run = side.run_tests(lines=True)
                if run.error:
                    return []
                memory.lines = run.lines
                memory.keep()
            return list(_findings(side, commit, memory.lines))

    def propose(
        self, findings: Sequence[Finding], target: RepositoryTarget
    ) -> Iterator[Hypothesis]:
        """Yield one claim for each module that tests could be written for."""
        commit = target.shape().commit
        known = [
            each
            for each in sorted(findings, key=lambda each: _number(each, "worth"), reverse=True)
            if each.evidence.get("commit") == commit and not target.withheld(_cause(each.subject))
        ]
        memory = _Memory.of(target, commit)
        if not known or memory.lines is None:
            return
        with target.files(commit) as tree:
            author = _Author(target, Checkout(tree.root, {}, target.court), memory)
            claims = (self._claim(each, author) for each in known)
            yield from islice((each for each in claims if each is not None), _SEARCHES)

    def _claim(self, finding: Finding, author: "_Author") -> Hypothesis | None:
        """Return the claim that tests of a module are worth having; None: there are none."""
        written = author.tests(finding.subject)
        if written is None:
            return None
        place, text, gained = written
        missed, lines = _number(finding, "missed"), _number(finding, "lines")
        title = f"Test what {author.module(finding.subject)} does today"
        words = f"tests reach {lines - missed:.0f} of {lines:.0f} lines of its functions"
        change = CodeChange(
            str(finding.evidence["commit"]),
            (FileChange(place, None, text),),
            message=f"{title}\n\nSo far {words}; these reach {gained} more.\n",
            purpose=Purpose.TEST,
            made_by=f"{self.name}: characterisation",
        )
        claimed = Claimed(
            _cause(finding.subject),
            change,
            claim=f"tests for {counted(gained, 'line')} of {finding.subject} that no test reaches",
            priority=1,
            predicted_log_ratio=math.log((missed - gained + 1) / (missed + 1)),
            findings=[finding],
            trouble=f"Of {finding.subject} {words}.",
        )
        return self.claim(claimed, author.target)


@dataclass(frozen=True, slots=True)
class _Author:
    """Writes tests of the modules of one commit."""

    target: RepositoryTarget
    side: Checkout
    memory: "_Memory"

    def module(self, path: str) -> str:
        """Return what a module is imported as."""
        return Classes(self.side).module(path)

    def tests(self, path: str) -> tuple[str, str, int] | None:
        """Return a new file of tests: its path, its text, and how many lines it newly reaches."""
        known = self.memory.tests.get(path)
        if known is None:
            known = self._searched(path) or ("", "", 0)
            self.memory.tests[path] = known
            self.memory.keep()
        return known if known[2] >= _LEAST_GAINED else None

    def _searched(self, path: str) -> tuple[str, str, int] | None:
        place = place_of_tests(path, self.side.paths(), self.target.court.tests)
        wanted = _gaps(self.side, [path], self.memory.lines or {})
        if not place or not wanted:
            return None
        module, literals = self.module(path), literal_calls(_texts(self.side))
        hints = Hints(self.target.court.tests, literals, self.target.settings.seed)
        try:
            cases = characterise(module, wanted, partial(_asked, self.side), hints)
        except EvaluatorFailed:
            return None
        written = self._passing(place, _short(module, cases), module)
        if not written.cases:
            return None
        missed = frozenset(line for gap in wanted for line in gap.missed)
        every = (
            case.lines.get(path, frozenset()) for some in written.cases.values() for case in some
        )
        return place, written.text, len(missed & frozenset().union(*every))

    def _passing(self, place: str, written: TestFile, module: str) -> TestFile:
        """Return the tests that pass under pytest, too."""
        run = self.side.with_files({place: written.text}).run_tests((place,))
        passed = {test.partition("::")[2].partition("[")[0] for test in run.passed}
        passed -= {test.partition("::")[2].partition("[")[0] for test in run.broken}
        if run.error or passed >= written.cases.keys():
            return TestFile("", {}) if run.error else written
        cases = [case for name, some in written.cases.items() if name in passed for case in some]
        return test_file(module, cases)


@dataclass
class _Memory:
    """What is known of one commit; a file keeps it, so that no cycle finds it out again."""

    place: Path
    #: Names the commit and how its tests are run.
    key: str
    lines: Lines | None = None
    #: By module the path and text of new tests, and how many lines they reach; 0: there are none.
    tests: dict[str, tuple[str, str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, target: RepositoryTarget, commit: str) -> "_Memory":
        """Return what is known of a commit; an odd file is as good as none."""
        place = target.settings.home / "characterised" / f"{target.target_id}.json"
        words = (commit, str(target.court.python), *target.court.tests, str(target.settings.seed))
        memory = cls(place, hashlib.sha256("\0".join(words).encode()).hexdigest())
        try:
            told: Mapping[str, Any] = json.loads(place.read_text(encoding="utf-8"))
            if told["key"] != memory.key:
                return memory
            memory.lines = {path: frozenset(lines) for path, lines in told["lines"].items()}
            memory.tests = {path: tuple(each) for path, each in told["tests"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(place, memory.key)
        return memory

    def keep(self) -> None:
        """Write it down; of another commit nothing is kept."""
        lines = {path: sorted(each) for path, each in (self.lines or {}).items()}
        said = {"key": self.key, "lines": lines, "tests": self.tests}
        self.place.parent.mkdir(parents=True, exist_ok=True)
        new = self.place.with_suffix(".new")
        new.write_text(json.dumps(said), encoding="utf-8")
        new.replace(self.place)


def _findings(side: Checkout, commit: str, reached: Lines) -> Iterator[Finding]:
    """Yield one finding for each module with lines that no test reaches."""
    paths = sorted(each for each in side.paths() if is_source(each))
    by_path: dict[str, list[Gap]] = {}
    for gap in _gaps(side, paths, reached):
        if gap.function.is_callable:
            by_path.setdefault(gap.function.path, []).append(gap)
    totals = {path: _lines(side, path) for path in paths}
    every = sum(totals.values())
    for path, found in sorted(by_path.items(), key=lambda item: -_worth(item[1]))[:_MODULES]:
        missed = sum(len(gap.missed) for gap in found)
        names: list[Json] = [gap.function.name for gap in found]
        named = ", ".join(map(str, names[:_NAMED])) + ", ..." * (len(names) > _NAMED)
        yield Finding(
            UNREACHED_CODE,
            path,
            f"no test reaches {missed} of {counted(totals[path], 'line')} in {path}: {named}",
            evidence={
                "commit": commit,
                "missed": missed,
                "lines": totals[path],
                "worth": _worth(found),
                "functions": names,
            },
            weight=missed / every,
        )


def _gaps(side: Checkout, paths: Iterable[str], reached: Lines) -> list[Gap]:
    functions = (each for path in paths for each in functions_of(path, side.read(path) or ""))
    return gaps(functions, reached)


def _texts(side: Checkout) -> Iterator[str]:
    return (side.read(path) or "" for path in sorted(side.paths()) if path.endswith(".py"))


def _lines(side: Checkout, path: str) -> int:
    return sum(len(each.lines) for each in functions_of(path, side.read(path) or ""))


def _worth(found: Sequence[Gap]) -> float:
    return sum(gap.worth for gap in found)


def _short(module: str, cases: Sequence[Case]) -> TestFile:
    """Return a file with as many of the cases as a person reads, the first of them."""
    written = test_file(module, cases)
    while written.length > _LONGEST:
        cases = cases[: len(cases) * _LONGEST // written.length]
        written = test_file(module, cases)
    return written


def _asked(side: Checkout, request: Mapping[str, Json], variables: Mapping[str, str]) -> Any:  # noqa: ANN401 - nobody vouches for it
    return side.ask(SCRIPT, request, variables)


def _number(finding: Finding, name: str) -> float:
    value = finding.evidence.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _cause(path: str) -> str:
    return f"untested code: {path}"
