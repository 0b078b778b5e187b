"""From functions that no test reaches to cases that say what they do today."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from honed.core.canonical import Json
from honed.repair.characterise.case import Case, NotTold
from honed.repair.characterise.functions import Gap, Lines

#: What is asked in the sandbox; it runs with the repository's Python.
SCRIPT: Final = Path(__file__).parent / "inside" / "__main__.py"


class Ask(Protocol):
    """Asks the script a question in the sandbox, and returns what it says."""

    def __call__(self, request: Mapping[str, Json], variables: Mapping[str, str]) -> Any:  # noqa: ANN401 - nobody vouches for it
        """Return the answer.

        Raises:
            EvaluatorFailed: there is none.
        """


#: Calls that are tried of one function, functions of one module, and cases of one function.
_MOST_CALLS: Final = 60
_MOST_FUNCTIONS: Final = 14
_MOST_CASES: Final = 8
#: Beside the cases that reach a line, so many with other outcomes: they see what lines do not.
_MORE_CASES: Final = 5
#: The same calls under other seeds of hashes and another time zone: what differs is not told.
_OTHERWISE: Final = (
    {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu"},
    {"PYTHONHASHSEED": "42", "TZ": "America/St_Johns"},
)


@dataclass(frozen=True, slots=True)
class Hints:
    """Where arguments come from."""

    #: pytest's arguments that name all tests: what they pass to functions is tried.
    tests: Sequence[str]
    #: What the repository passes to functions in literals; see ``literal_calls``.
    literals: Mapping[str, Json]
    #: Of what is tried beyond that.
    seed: int = 0


def characterise(module: str, wanted: Sequence[Gap], ask: Ask, hints: Hints) -> list[Case]:
    """Return cases of one module's functions that reach lines which no test did.

    Each ended the same way three times in processes of their own, under three seeds of hashes, and
    asked neither for the time nor for chance, files, the network or the environment.

    Args:
        module: what it is imported as.

        wanted: its functions with such lines, those worth most first.

        ask: asks the script in the sandbox.

        hints: where arguments come from.

    Raises:
        EvaluatorFailed: the sandbox gave no answer.
    """
    callable_ones = [gap for gap in wanted if gap.function.is_callable][:_MOST_FUNCTIONS]
    if not callable_ones:
        return []
    functions: list[Json] = [
        {
            "path": gap.function.path,
            "name": gap.function.name,
            "constants": list(gap.function.constants),
        }
        for gap in callable_ones
    ]
    path = callable_ones[0].function.path
    asked: dict[str, Json] = {
        "tests": list(hints.tests),
        "literals": dict(hints.literals),
        "seed": hints.seed,
        "most": _MOST_CALLS,
        "modules": [{"path": path, "module": module, "functions": functions}],
    }
    missed = {path: frozenset(line for gap in wanted for line in gap.missed)}
    chosen = choose(_cases(ask(asked, {})), missed)
    for variables in _OTHERWISE:
        if chosen:
            chosen = _confirmed(chosen, asked, partial(ask, variables=variables))
    return chosen


def choose(cases: Iterable[Case], missed: Lines) -> list[Case]:
    """Return few cases that reach as many of the missed lines, in the order of their functions.

    One after the other the case that reaches most lines which none before it did; then some of the
    same functions that end otherwise. A case that says nothing is none.
    """
    left = [each for each in cases if each.says_something]
    order = {each.name: place for place, each in reversed(list(enumerate(left)))}
    found: list[Case] = []
    reached: set[tuple[str, int]] = set()
    while best := max(left, key=lambda each: _rank(each, missed, reached), default=None):
        new = _reaches(best, missed) - reached
        if not new:
            break
        reached |= new
        found.append(best)
        left.remove(best)
        left = [each for each in left if _count(found, each.name) < _MOST_CASES or each is best]
    found += _others(found, left)
    return sorted(found, key=lambda each: order[each.name])


def _cases(told: Any) -> Iterator[Case]:  # noqa: ANN401 - nobody vouches for it
    calls = told.get("calls", ()) if isinstance(told, dict) else ()
    for each in calls if isinstance(calls, list) else ():
        try:
            yield Case.read(each)
        except NotTold:
            continue


def _rank(case: Case, missed: Lines, reached: set[tuple[str, int]]) -> tuple[float, ...]:
    texts = sum(len(each.text) for each in case.arguments) + len(case.receiver)
    new = len(_reaches(case, missed) - reached)
    return (new, not case.raised, -texts - len("".join(case.outcome)))


def _reaches(case: Case, missed: Lines) -> set[tuple[str, int]]:
    return {
        (path, line)
        for path, lines in missed.items()
        for line in lines & case.lines.get(path, frozenset())
    }


def _count(cases: Iterable[Case], name: str) -> int:
    return sum(each.name == name for each in cases)


def _others(found: Sequence[Case], left: Sequence[Case]) -> Iterator[Case]:
    """Yield cases of the functions found whose outcome none of them has, the plainest first."""
    outcomes = {(each.name, each.outcome) for each in found}
    more: dict[str, int] = {}
    names = {each.name for each in found}
    for case in sorted(left, key=lambda each: (bool(each.raised), len(each.outcome[0]))):
        key = (case.name, case.outcome)
        is_full = more.get(case.name, 0) >= _MORE_CASES or case.name not in names
        if is_full or key in outcomes:
            continue
        outcomes.add(key)
        more[case.name] = more.get(case.name, 0) + 1
        yield case


def _confirmed(
    chosen: Sequence[Case],
    asked: Mapping[str, Any],
    ask: Callable[[Mapping[str, Json]], Any],
) -> list[Case]:
    """Return the cases that end as they did."""
    module = asked["modules"][0]
    functions: list[Json] = [
        {
            "path": module["path"],
            "name": name,
            "constants": [],
            "calls": [dict(each.asked) for each in chosen if each.name == name],
        }
        for name in dict.fromkeys(each.name for each in chosen)
    ]
    modules: list[Json] = [{**module, "functions": functions}]
    again = list(_cases(ask({**asked, "tests": None, "modules": modules})))
    return [each for each in chosen if each in again]
