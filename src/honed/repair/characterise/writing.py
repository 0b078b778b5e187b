"""Tests as a person would write them down, from cases."""

import keyword
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from honed.repair.characterise.case import Argument, Case

_WIDEST: Final = 96
_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+")
_FLOAT: Final = re.compile(r"-?\d+\.\d+(e[+-]?\d+)?|-?\d+e[+-]?\d+")
_SINGLE: Final = frozenset({"None", "True", "False"})
#: Names that linters refuse because they look like numbers.
_AMBIGUOUS: Final = frozenset({"l", "O", "I"})


@dataclass(frozen=True, slots=True)
class TestFile:
    """A file of tests."""

    __test__ = False  # it is no test of ours

    text: str
    #: By name of the test what it says.
    cases: Mapping[str, Sequence[Case]]

    @property
    def length(self) -> int:
        """How many lines it has."""
        return self.text.count("\n")


def test_file(module: str, cases: Sequence[Case]) -> TestFile:
    """Return a file with tests of ``cases``, which are of one module.

    A case whose names two modules have is left out.
    """
    names: dict[str, str] = {}
    kept = []
    for case in cases:
        if all(names.get(name, origin) == origin for origin, name in case.imports):
            names |= {name: origin for origin, name in case.imports}
            kept.append(case)
    tests = _numbered([_Test(group, frozenset(names)) for group in _groups(kept)])
    texts = [test.text(name) for name, test in tests.items()]
    head = f'"""What ``{module}`` does today: what fails here tells that it does otherwise."""\n\n'
    text = head + _imports(names, "".join(texts)) + "\n\n".join(["", *texts])
    return TestFile(text, {name: test.cases for name, test in tests.items()})


def _groups(cases: Iterable[Case]) -> list[list[Case]]:
    """Return cases that are compared in the same way together."""
    groups: dict[tuple[object, ...], list[Case]] = {}
    for each in cases:
        arguments = tuple((argument.name, argument.is_named) for argument in each.arguments)
        changed = tuple(name for name, _ in each.changed)
        key = (each.name, each.raised, changed, arguments, bool(each.receiver), each.through)
        groups.setdefault(key, []).append(each)
    return list(groups.values())


def _imports(names: Mapping[str, str], texts: str) -> str:
    modules: dict[str, list[str]] = {}
    for name, module in names.items():
        modules.setdefault(module, []).append(name)
    lines = [f"from {each} import {', '.join(sorted(modules[each]))}" for each in sorted(modules)]
    with_pytest = "import pytest\n\n" if "pytest." in texts else ""
    return with_pytest + "\n".join(lines) + "\n"


def _numbered(tests: Iterable["_Test"]) -> dict[str, "_Test"]:
    """Return the tests, each under a name of its own."""
    found: dict[str, _Test] = {}
    for each in tests:
        name, number = each.name, 2
        while name in found:
            name, number = f"{each.name}_{number}", number + 1
        found[name] = each
    return found


@dataclass(frozen=True, slots=True)
class _Test:
    """One test of a function, with one case or several."""

    cases: Sequence[Case]
    #: Names that the file imports.
    taken: frozenset[str]

    @property
    def name(self) -> str:
        """What it is called."""
        first = self.cases[0]
        words = ["test", *(word for part in first.name.split(".") for word in _words(part))]
        if first.raised:
            words += ["raises", *_words(first.raised.rpartition(".")[2])]
        elif first.changed:
            words += ["changes", *(w for name, _ in first.changed for w in _words(name or "it"))]
        return "_".join(words)

    def text(self, name: str) -> str:
        """Return it as Python."""
        columns = self._columns(self.cases[0])
        if len(self.cases) == 1 or not columns:
            values = dict(zip(columns, self._row(self.cases[0]), strict=True))
            return f"def {name}():\n" + self._body(values, {})
        rows = "".join(_folded(self._row(each)) for each in self.cases)
        names = ", ".join(f'"{each}"' for each in columns)
        head = f"({names})" if len(columns) > 1 else names
        return (
            f"@pytest.mark.parametrize(\n    {head},\n    [\n{rows}    ],\n)\n"
            f"def {name}({', '.join(columns)}):\n" + self._body({}, dict.fromkeys(columns))
        )

    def _columns(self, case: Case) -> list[str]:
        """Return what differs from case to case."""
        first = [self._object(case)] if case.receiver else []
        last = [] if case.raised else [self._free("expected", case)]
        changed = [self._free(f"{name or 'state'}_after", case) for name, _ in case.changed]
        return [*first, *(self._own(each) for each in case.arguments), *last, *changed]

    def _row(self, case: Case) -> list[str]:
        first = [case.receiver] if case.receiver else []
        last = [] if case.raised else [case.returned]
        return [
            *first,
            *(each.text for each in case.arguments),
            *last,
            *(text for _, text in case.changed),
        ]

    def _body(self, values: Mapping[str, str], columns: Mapping[str, None]) -> str:
        """Return the statements; what is in ``values`` stands in them, the rest has its name."""
        case = self.cases[0]
        needs_names = {self._own(each) for each in case.arguments if self._is_changed(each)}
        if case.receiver:
            needs_names.add(self._object(case))
        lines = [f"{name} = {values[name]}" for name in sorted(needs_names & values.keys())]

        def said(name: str) -> str:
            return name if name in needs_names or name in columns else values[name]

        call = self._call(case, said)
        if case.raised:
            lines += [f"with pytest.raises({case.raised}):", f"    {call}"]
        else:
            lines.append(self._compared(call, said(self._free("expected", case))))
        for name, _ in case.changed:
            own = next((self._own(each) for each in case.arguments if each.name == name), "")
            state = own if name else f"vars({self._object(case)})"
            after = said(self._free(f"{name or 'state'}_after", case))
            lines.append(f"assert {state} == {after}")
        return "".join(f"    {line}\n" for line in lines)

    def _call(self, case: Case, said: Callable[[str], str]) -> str:
        arguments = ", ".join(
            f"{each.name}={said(self._own(each))}" if each.is_named else said(self._own(each))
            for each in case.arguments
        )
        own = case.name.rpartition(".")[2]
        called = f"{self._object(case)}.{own}" if case.receiver else case.name
        call = called if case.is_property else f"{called}({arguments})"
        return f"{case.through}({call})" if case.through else call

    def _compared(self, call: str, expected: str) -> str:
        texts = [each.returned for each in self.cases]
        if any(_FLOAT.fullmatch(each) for each in texts):
            return f"assert {call} == pytest.approx({expected})"
        return f"assert {call} {'is' if expected in _SINGLE else '=='} {expected}"

    def _is_changed(self, argument: Argument) -> bool:
        return any(name == argument.name for name, _ in self.cases[0].changed)

    def _object(self, case: Case) -> str:
        kind = case.name.rpartition(".")[0].rpartition(".")[2]
        return self._free("_".join(_words(kind)), case)

    def _own(self, argument: Argument) -> str:
        is_odd = argument.name in self.taken | _AMBIGUOUS or keyword.iskeyword(argument.name)
        return f"{argument.name}_" if is_odd else argument.name

    def _free(self, name: str, case: Case) -> str:
        taken = {self._own(each) for each in case.arguments} | self.taken
        while name in taken or keyword.iskeyword(name):
            name += "_"
        return name


def _folded(row: Sequence[str]) -> str:
    """Return one case of several, on one line or with a line for each value."""
    line = f"({', '.join(row)})" if len(row) > 1 else row[0]
    if len(line) <= _WIDEST - 9 or len(row) == 1:
        return f"        {line},\n"
    values = "".join(f"            {each},\n" for each in row)
    return f"        (\n{values}        ),\n"


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)] or ["it"]
