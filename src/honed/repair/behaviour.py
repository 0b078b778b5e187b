"""What patches do beyond the tests: clusters of equal behaviour, and what tells them apart."""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import median
from typing import Any, Final, Protocol

from honed.repair.inputs import mutated
from honed.repair.localise import Spectrum
from honed.repair.workers import Workers

_MOST_INPUTS: Final = 200
_MOST_FUNCTIONS: Final = 2
_CALL_CPU_S: Final = 0.5
_WALL_S: Final = 10.0
#: Where the time is over: calls that never end are not waited for until the sandbox ends.
_LEAST_WALL_S: Final = 2.0
#: So many are compared whatever the time: two that disagree are what matters.
_LEAST_COMPARED: Final = 6

#: An answer: how a call ended, what it returned, and the lines that it ran; None: not known.
Answer = tuple[str, str, int] | None


class Asked(Protocol):
    """A change that the fork server can make."""

    def asked(self) -> dict[str, list[list[int | str]]]:
        """Return its edits by file, as the fork server takes them."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A function and inputs to compare patches by."""

    path: str
    name: str
    inputs: tuple[tuple[str, ...], ...]
    #: How many of the inputs, from the first, are from the tests themselves.
    known: int


@dataclass
class Compared:
    """Candidates by what they did on the inputs of probes."""

    probes: list[Probe]
    #: By candidate, in the order of the probes and their inputs.
    answers: list[list[Answer]]
    base: list[Answer]
    #: By candidate the number of its cluster, from 0 in the order of the candidates.
    clusters: list[int] = field(default_factory=list)

    def inputs(self) -> list[tuple[Probe, tuple[str, ...]]]:
        """Return all inputs in the order of the answers."""
        return [(probe, each) for probe in self.probes for each in probe.inputs]


def probes(spectrum: Spectrum, seed: int, changed: Collection[tuple[str, str]] = ()) -> list[Probe]:
    """Return the functions that tests call with plain values or simple objects, and inputs alike.

    Those of ``changed``, by file and name, come first: in a larger repository most calls run
    nothing of what a patch changes.
    """
    calls: dict[tuple[str, str], list[tuple[str, ...]]] = defaultdict(list)
    for call in spectrum.calls:
        called = (call["path"], call["name"])
        # Of objects that some calls hold, the simple ones alone would say too little.
        is_partial = call.get("has_objects") and called in spectrum.untold
        if (call["is_entry"] or called in changed) and not is_partial:
            calls[called].append(tuple(call["arguments"]))
    most = sorted(calls.items(), key=lambda item: (item[0] not in changed, -len(item[1]), item[0]))
    found = []
    for (path, name), known in islice(most, _MOST_FUNCTIONS):
        width = Counter(map(len, known)).most_common(1)[0][0]
        own = list(dict.fromkeys(each for each in known if len(each) == width))
        inputs = mutated(own, _MOST_INPUTS, seed)
        found.append(Probe(path, name, tuple(map(tuple, inputs)), min(len(own), _MOST_INPUTS)))
    return found


def compare(
    workers: Workers,
    candidates: Sequence[Asked],
    asked: Sequence[Probe],
    until: float = math.inf,
    *,
    with_arguments: bool = False,
) -> Compared:
    """Return what the code as it is and each candidate do on the probes' inputs.

    After the time ``until``, by ``time.monotonic``, no more candidates are looked at but the first
    few: answers are then of the first candidates alone. Arguments that a call changes are part of
    its answer where it returns nothing or they are objects, and always ``with_arguments``.
    """
    changes: list[dict[str, Any]] = [{}, *(each.asked() for each in candidates)]
    answers: list[list[Answer]] = []
    size = len(workers)
    for start in range(0, len(changes), size):
        if start > _LEAST_COMPARED and time.monotonic() > until:
            break
        some = changes[start : start + size]
        found: list[list[Answer]] = [[] for _ in some]
        for probe in asked:
            of_all = {"with_arguments": with_arguments}
            left_s = max(_LEAST_WALL_S, min(_WALL_S, until - time.monotonic()))
            requests = [{**_request(probe, change, left_s), **of_all} for change in some]
            for number, answer in enumerate(workers.ask_all(requests)):
                found[number] += [tuple(each) if each else None for each in answer["outputs"][0]]
        answers += found
    compared = Compared(list(asked), answers[1:], answers[0])
    compared.clusters = _clusters(compared.answers)
    return compared


def _request(probe: Probe, change: dict[str, Any], wall_s: float) -> dict[str, Any]:
    return {
        "do": "call",
        "path": probe.path,
        "name": probe.name,
        "inputs": [list(each) for each in probe.inputs],
        "candidates": [change],
        "cpu_s": _CALL_CPU_S,
        "wall_s": wall_s,
    }


def _clusters(answers: Sequence[Sequence[Answer]]) -> list[int]:
    """Return for each the first with which it agrees wherever both are known."""
    numbers: list[int] = []
    first: list[int] = []
    for own in answers:
        alike = (n for n, each in enumerate(first) if _is_alike(own, answers[each]))
        number = next(alike, len(first))
        if number == len(first):
            first.append(len(numbers))
        numbers.append(number)
    return numbers


def _is_alike(one: Sequence[Answer], other: Sequence[Answer]) -> bool:
    return all(a is None or b is None or a[:2] == b[:2] for a, b in zip(one, other, strict=True))


def departure(own: Sequence[Answer], base: Sequence[Answer]) -> float:
    """Return the share of inputs on which a candidate does something else than the base."""
    both = [(a, b) for a, b in zip(own, base, strict=True) if a and b]
    return sum(a[:2] != b[:2] for a, b in both) / max(1, len(both))


def dearness(own: Sequence[Answer], others: Sequence[Sequence[Answer]]) -> float:
    """Return how many times the lines of the cheapest of the others a candidate runs.

    The cost of a call is the number of lines that it runs, which no busy machine changes. Of inputs
    the dearest tenth counts: O(n) and O(sqrt n) are alike on small ones.
    """
    ratios = []
    for number, answer in enumerate(own):
        alike = [each[number] for each in others if _same(each[number], answer)]
        costs = [each[2] for each in alike if each]
        if answer and costs:
            ratios.append(((answer[2] + 5) / (min(costs) + 5), answer[2]))
    dearest = sorted(ratios, key=lambda each: -each[1])[: max(3, len(ratios) // 10)]
    return median(ratio for ratio, _ in dearest) if dearest else 1.0


def _same(one: Answer, other: Answer) -> bool:
    return one is not None and other is not None and one[:2] == other[:2]


def separating(
    compared: Compared, one: int, other: int
) -> tuple[Probe, tuple[str, ...], Mapping[int, str]] | None:
    """Return an input on which two clusters disagree, with what each cluster returns on it.

    One on which both return, if there is one, since a person names a value; of these
    the shortest, since a person has to think about it.
    """
    first = {cluster: n for n, cluster in reversed(list(enumerate(compared.clusters)))}
    rows = [
        (number, probe, each)
        for number, (probe, each) in enumerate(compared.inputs())
        if _differ(compared.answers[first[one]][number], compared.answers[first[other]][number])
    ]
    if not rows:
        return None

    def errors(number: int) -> int:
        answers = (compared.answers[first[each]][number] for each in (one, other))
        return sum(each is not None and each[0] != "returned" for each in answers)

    number, probe, arguments = min(
        rows, key=lambda row: (errors(row[0]), len("".join(row[2])), row[0])
    )
    outputs = {cluster: _said(compared.answers[n][number]) for cluster, n in sorted(first.items())}
    return probe, arguments, outputs


def _differ(one: Answer, other: Answer) -> bool:
    return one is not None and other is not None and one[:2] != other[:2]


def _said(answer: Answer) -> str:
    if answer is None:
        return "not known"
    return answer[1] if answer[0] == "returned" else f"{answer[0]} {answer[1]}".strip()
