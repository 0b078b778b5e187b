"""Conditions from what locals were seen to be: asked of the failing tests before they are tried."""

import ast
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from honed.repair.base import Base
from honed.repair.candidates import NO_WEIGHTS, Candidate, pool, prior
from honed.repair.localise import ordered_names, suspects, types_at
from honed.repair.source import Source
from honed.repair.suite import Edit
from honed.repair.templates import Site
from honed.repair.templates.insertions import is_documentation
from honed.repair.workers import Workers

_MOST_ATOMS: Final = 240
_MOST_PLACES: Final = 160
_MOST_RESULTS: Final = 5
_MOST_CONSTANTS: Final = 6
_BATCH: Final = 6
_WALL_S: Final = 20.0
_OF_PLACE: Final = 2.0
_ASKED: Final = "__honed__"


@dataclass(frozen=True, slots=True)
class Place:
    """A place for a condition: ``{}`` in its edits' texts is where it goes."""

    path: str
    edit: Edit
    #: The condition that is there; False for one that is not there yet.
    old: str
    atoms: tuple[str, ...]
    template: str
    promise: float

    def asked(self) -> dict[str, Any]:
        """Return it as the fork server takes it, instrumented."""
        text = self.edit.text.format(f"{_ASKED}({self.old})")
        return {
            "edits": {self.path: [[self.edit.start, self.edit.end, text]]},
            "atoms": list(self.atoms),
        }

    def with_condition(self, text: str, number: int) -> Candidate | None:
        """Return the candidate with a condition that was found, the ``number``-th."""
        if "{}" in text and self.old == "False":
            return None
        old = f"({self.old})" if _is_loose(self.old) else self.old
        whole = self.edit.text.format(text.replace("{}", old, 1))
        edit = Edit(self.edit.start, self.edit.end, whole)
        return Candidate(self.path, (edit,), self.template, self.promise - 0.1 * number)


def _is_loose(text: str) -> bool:
    return not isinstance(ast.parse(text, mode="eval").body, (ast.Compare, ast.Name, ast.Call))


def places(
    base: Base,
    sources: Mapping[str, Source],
    scores: Mapping[tuple[str, int], float],
    weights: Mapping[str, float] = NO_WEIGHTS,
) -> list[Place]:
    """Return where a condition may be wrong or missing, the most promising first.

    These are existing conditions, and guards with a result of the function before a statement.
    ``weights`` are by template's name.
    """
    found = (each for source in sources.values() for each in _places(source, base, scores, weights))
    return sorted(found, key=lambda each: (-each.promise, each.path, each.edit))[:_MOST_PLACES]


def synthesised(
    workers: Workers, base: Base, wrong: Sequence[Place], until: float
) -> list[Candidate]:
    """Return candidates with conditions that decide as the failing tests need it.

    ``until`` is the time, by ``time.monotonic``, after which no more places are looked at.
    """
    found: list[Candidate] = []
    waiting = iter(wrong)
    while time.monotonic() < until:
        batches = [list(islice(waiting, _BATCH)) for _ in range(len(workers))]
        answers = workers.ask_all([_request(batch, base) for batch in batches if batch])
        for batch, answer in zip(filter(None, batches), answers, strict=True):
            for site, texts in zip(batch, answer["found"], strict=True):
                made = (site.with_condition(text, n) for n, text in enumerate(texts))
                found += [each for each in made if each]
        if not answers:
            break
    return found


def _request(batch: Sequence[Place], base: Base) -> dict[str, Any]:
    return {
        "do": "decide",
        "sites": [each.asked() for each in batch],
        # The whole of a test asks more often than one decision can answer for; its parts do not.
        "failing": [
            key
            for key in base.failing
            if not any(other.startswith(f"{key}@") for other in base.failing)
        ],
        "passing": base.passing,
        "limits": base.limits,
        "wall_s": _WALL_S,
    }


def _places(
    source: Source,
    base: Base,
    scores: Mapping[tuple[str, int], float],
    weights: Mapping[str, float],
) -> Iterator[Place]:
    for score, statement in suspects(source, scores):
        if source.function(statement) is None or is_documentation(statement):
            continue
        types = types_at(source, base.spectrum, statement)
        names = tuple(ordered_names(source, statement, types))
        site = Site(source, statement, types, names, pool(source, statement, base.spectrum))
        atoms = tuple(dict.fromkeys(islice(_atoms(site), _MOST_ATOMS)))
        place = _OF_PLACE * math.log(score)
        for edit, old, template, weight in (*_existing(site), *_guards(site)):
            promise = place + math.log(prior(template, weights) * weight)
            yield Place(source.path, edit, old, atoms, template, promise)


def _existing(site: Site) -> Iterator[tuple[Edit, str, str, float]]:
    statement = site.statement
    tests: list[ast.expr] = [statement.test] if isinstance(statement, (ast.If, ast.While)) else []
    tests += [node.test for node in ast.walk(statement) if isinstance(node, ast.IfExp)]
    for test in tests:
        start, end, text = site.source.start(test), site.source.end(test), site.of(test)
        if "\n" not in text:
            yield Edit(start, end, "{}"), text, "condition_synthesis", 1.0


def _guards(site: Site) -> Iterator[tuple[Edit, str, str, float]]:
    """Yield guards before a statement: leave the function, a loop, or skip the statement."""
    statement = site.statement
    source = site.source
    if not source.has_own_lines(statement) or source.of(statement).startswith("elif"):
        return
    indent, ends = source.indent(statement), source.ends()
    start, end = source.lines_of(statement)
    results = dict.fromkeys(
        [*site.pool.returned[:_MOST_RESULTS], "None", "True", "False", *_empty(site)]
    )
    for number, result in enumerate(results):
        if "{" not in result:
            text = f"{indent}if {{}}:{ends}{indent}    return {result}{ends}"
            yield Edit(start, start, text), "False", "guard_synthesis", 0.9**number
    if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Expr, ast.Return)):
        body = source.between(start, end).replace("{", "{{").replace("}", "}}")
        lines = "".join(f"    {each}" for each in body.splitlines(keepends=True))
        yield Edit(start, end, f"{indent}if {{}}:{ends}{lines}"), "True", "guard_synthesis", 0.5


def _empty(site: Site) -> list[str]:
    types = {kind for text in site.pool.returned for kind in site.types.get(text, ())}
    return [
        {"list": "[]", "str": "''", "int": "0"}[each] for each in types & {"list", "str", "int"}
    ]


def _atoms(site: Site) -> Iterator[str]:
    """Yield what can be said of the locals, with its opposite, the simplest first."""
    for text in _claims(site):
        yield text
        yield opposite(text)


_OPPOSITE: Final = {"==": "!=", "<": ">=", ">": "<=", "in": "not in", "is": "is not"}


def opposite(text: str) -> str:
    """Return the negation of a claim, as a person would write it."""
    node = ast.parse(text, mode="eval").body
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for old, new in _OPPOSITE.items():
            left, found, right = text.partition(f" {old} ")
            if found:
                return f"{left} {new} {right}"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return text.removeprefix("not ")
    is_simple = isinstance(node, (ast.Name, ast.Call, ast.Attribute, ast.Subscript))
    return f"not {text}" if is_simple else f"not ({text})"


def _claims(site: Site) -> Iterator[str]:
    numbers = site.named("int", "float")
    holders = site.named("list", "tuple", "str", "set", "dict")
    ordered = site.named("list", "tuple", "str")
    yield from site.named("bool")
    yield from (f"not {name}" for name in holders)
    yield from (f"{name} is None" for name in site.named("NoneType"))
    yield from site.pool.conditions
    for name in numbers:
        yield from (
            f"{name} == 0",
            f"{name} < 0",
            f"{name} > 0",
            f"{name} == 1",
            f"{name} % 2 == 0",
        )
    parts = [f"{name}[{index}]" for name in ordered for index in ("0", "-1", "1")]
    for one in [*numbers, *parts, *site.named("str")]:
        yield from (f"{one} in {holder}" for holder in holders if not one.startswith(holder))
    yield from _compared(numbers)
    lengths = [f"len({name})" for name in holders]
    yield from (f"{length} == {number}" for length in lengths for number in (1, 2))
    yield from _compared([*lengths, *numbers])
    for text in site.pool.constants[:_MOST_CONSTANTS]:
        is_text = text[:1] in "'\""
        for name in site.named("str") if is_text else [*numbers, *lengths]:
            yield f"{name} == {text}"
            yield f"{name} in {text}" if is_text else f"{name} > {text}"
            if not is_text:
                yield f"{name} < {text}"
                yield f"{name} % {text} == 0" if text not in ("0", "1") else f"{name} == {text}"
    for name in site.named("str"):
        yield from (f"{name}.{method}()" for method in ("isdigit", "isalpha", "isupper", "islower"))
    yield from _compared(parts)


def _compared(texts: Iterable[str]) -> Iterator[str]:
    known = list(dict.fromkeys(texts))
    for number, one in enumerate(known):
        for other in known[number + 1 :]:
            yield from (f"{one} == {other}", f"{one} < {other}", f"{one} > {other}")
