"""What a condition would have to say for the tests to pass, and which conditions say it.

After Nopol (Xuan et al., "Nopol: Automatic Repair of Conditional Statement Bugs in Java Programs",
IEEE TSE 2017): the value that a condition should have had is found by forcing it, and a condition
with that value is then looked for among what the locals can say, without running a test again.
"""

import builtins
import functools
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from . import tests
from .isolated import Say

#: The name that an instrumented condition calls.
NAME = "__honed__"

#: A condition that is asked more often in one test is not looked at.
MOST_VISITS = 60
#: Single visits that are tried the other way round.
MOST_FLIPS = 8
MOST_FAILING = 6
MOST_PASSING = 25
#: Pairs of conditions are looked for among so many.
MOST_PAIRED = 40
MOST_FOUND = 12

#: By the number of a visit and what the condition said the decision that is taken.
Plan = Callable[[int, bool], bool]


class Astray(BaseException):
    """A condition is asked too often."""


class Witness:
    """Answers for a condition by a plan, and remembers what could have been said instead."""

    def __init__(self, texts: list[str]) -> None:
        self._atoms = [compile(text, "<condition>", "eval") for text in texts]
        self.plan: Plan = _as_it_says
        #: For each visit the decision, what the condition said, and what each of the atoms says.
        self.visits: list[tuple[bool, bool, list[bool | None]]] = []

    def __call__(self, said: Any) -> bool:
        """Return the decision for this visit."""
        if len(self.visits) >= MOST_VISITS:
            raise Astray
        frame = sys._getframe(1)  # noqa: SLF001 - the caller has the locals
        decision = self.plan(len(self.visits), bool(said))
        answers = [_value(atom, frame.f_globals, frame.f_locals) for atom in self._atoms]
        self.visits.append((decision, bool(said), answers))
        return decision


def _as_it_says(_visit: int, said: bool) -> bool:  # noqa: FBT001 - it is what a plan is given
    return said


def _flipped(number: int, visit: int, said: bool) -> bool:  # noqa: FBT001 - as above
    return said != (visit == number)


def _value(atom: Any, names: dict[str, Any], local: Any) -> bool | None:
    try:
        return bool(eval(atom, names, dict(local)))  # noqa: S307 - in the sandbox, of its own code
    except Exception:  # noqa: BLE001 - what cannot be said is no condition
        return None


def decide(server: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return for each site texts of conditions with which the tests may pass."""
    return {"found": [_at_site(server, site, request) for site in request["sites"]]}


def _at_site(server: Any, site: dict[str, Any], request: dict[str, Any]) -> list[str]:
    def run(say: Say) -> None:
        witness = Witness(site["atoms"])
        setattr(builtins, NAME, witness)
        say(_conditions(server, witness, site, request))

    try:
        said = server.in_fork(site["edits"], run, request["wall_s"])
    except (SyntaxError, ValueError):
        return []
    return said[-1] if said else []


def _conditions(
    server: Any, witness: Witness, site: dict[str, Any], request: dict[str, Any]
) -> list[str]:
    """Return the conditions that decide as the tests need it, the simplest first."""
    examples: list[tuple[bool, bool, list[bool | None]]] = []
    runs = functools.partial(_passes, server, witness, request)
    for key in request["failing"][:MOST_FAILING]:
        # First as it is: that tells how often the condition is asked.
        runs(key, _as_it_says)
        if not any(runs(key, plan) for plan in _plans(witness)):
            return []
        examples += witness.visits
    for key in request["passing"][:MOST_PASSING]:
        if not runs(key, _as_it_says):
            return []
        examples += witness.visits
    return list(itertools.islice(_fitting(site["atoms"], examples), MOST_FOUND))


def _plans(witness: Witness) -> Iterator[Plan]:
    """Yield ways to decide: one visit the other way round, then always the same way."""
    count = len(witness.visits)
    for flipped in range(min(count, MOST_FLIPS)):
        yield functools.partial(_flipped, flipped)
    if count:
        yield lambda _visit, _said: True
        yield lambda _visit, _said: False


def _passes(server: Any, witness: Witness, request: dict[str, Any], key: str, plan: Plan) -> bool:
    witness.plan = plan
    witness.visits = []
    try:
        return bool(server.run_test(key, request["limits"][key])["outcome"] == "passed")
    except (Astray, tests.OutOfTime):
        return False


def _fitting(
    texts: list[str], examples: list[tuple[bool, bool, list[bool | None]]]
) -> Iterator[str]:
    """Yield conditions with every example's decision: an atom, one with the old, two atoms."""
    wanted = [decision for decision, _, _ in examples]
    columns = {
        text: [answers[number] for _, _, answers in examples] for number, text in enumerate(texts)
    }
    columns = {text: column for text, column in columns.items() if None not in column}
    for text, column in columns.items():
        if column == wanted:
            yield text
    old = [said for _, said, _ in examples]
    for text, column in columns.items():
        if [a and b for a, b in zip(old, column, strict=True)] == wanted:
            yield f"{{}} and {text}"
        elif [a or b for a, b in zip(old, column, strict=True)] == wanted:
            yield f"{{}} or {text}"
    yield from _paired(columns, wanted)


def _paired(columns: dict[str, list[bool | None]], wanted: list[bool]) -> Iterator[str]:
    # What an ``and`` is made of holds wherever the whole has to; what an ``or`` is made of, only
    # there.
    needed = [text for text, column in columns.items() if _implies(wanted, column)]
    enough = [text for text, column in columns.items() if _implies(column, wanted)]
    for names, word, join in ((needed, "and", all), (enough, "or", any)):
        for one, other in itertools.combinations(names[:MOST_PAIRED], 2):
            both = [join(pair) for pair in zip(columns[one], columns[other], strict=True)]
            if both == wanted:
                yield f"{one} {word} {other}"


def _implies(one: Sequence[bool | None], other: Sequence[bool | None]) -> bool:
    return all(b or not a for a, b in zip(one, other, strict=True))
