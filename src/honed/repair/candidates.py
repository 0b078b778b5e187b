"""Everything that one edit could be, the most promising first and nothing twice."""

import ast
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from honed.repair.localise import Spectrum, ordered_names, suspects, targets, types_at
from honed.repair.source import Source, applied, do_overlap, parsed
from honed.repair.suite import Edit
from honed.repair.templates import TEMPLATES, Pool, Site, Template
from honed.repair.templates.template import shown_type

#: A mined template has done it twice at least: as usual as the rarest of the known ones.
_UNKNOWN_PRIOR: Final = 0.2
#: What was learned of a template makes it so much less or more likely, and no more than that.
LEAST_WEIGHT: Final = 0.5
MOST_WEIGHT: Final = 2.0
#: Nothing was learned: every template's weight is 1.
NO_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType({})
#: How much more the place counts than the sort of change.
_OF_PLACE: Final = 2.0
_OF_LOOP: Final = 1.0
_LONGEST_EXPRESSION: Final = 60
_NAMED: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One change that may be tried."""

    path: str
    edits: tuple[Edit, ...]
    template: str
    #: Logarithm of how promising it is before it is tried.
    promise: float

    def asked(self) -> dict[str, list[list[int | str]]]:
        """Return it as the fork server takes it."""
        return {self.path: [[each.start, each.end, each.text] for each in self.edits]}


def joined(one: Candidate, other: Candidate) -> Candidate | None:
    """Return both changes as one; None where they touch the same place or other files."""
    edits = tuple(sorted((*one.edits, *other.edits)))
    if one.path != other.path or do_overlap(edits):
        return None
    template = f"{one.template}+{other.template}"
    return Candidate(one.path, edits, template, one.promise + other.promise)


@cache
def priors() -> Mapping[str, float]:
    """Return how often each template is the repair, as a share of the most usual one."""
    text = (Path(__file__).parent / "priors.json").read_text(encoding="utf-8")
    known: dict[str, float] = json.loads(text)
    return known


def prior(template: str, weights: Mapping[str, float] = NO_WEIGHTS) -> float:
    """Return how usual a template is, times its weight, which is bounded; 1 where it has none."""
    weight = min(MOST_WEIGHT, max(LEAST_WEIGHT, weights.get(template, 1.0)))
    return priors().get(template, _UNKNOWN_PRIOR) * weight


def drafted(  # noqa: PLR0913 - two of them by name
    source: Source,
    spectrum: Spectrum,
    scores: Mapping[tuple[str, int], float],
    weights: Mapping[str, float] = NO_WEIGHTS,
    *,
    is_endless: bool = False,
    templates: Sequence[Template] = TEMPLATES,
) -> list[Candidate]:
    """Return what the templates make of a file's suspicious statements, unordered.

    Where tests never end (``is_endless``), loops come first. ``weights`` are by template's name.
    """
    candidates = []
    for score, statement in suspects(source, scores):
        types = types_at(source, spectrum, statement)
        names = tuple(ordered_names(source, statement, types))
        site = Site(source, statement, types, names, pool(source, statement, spectrum))
        place = _OF_PLACE * math.log(score)
        if is_endless and _is_of_loop(source, statement):
            place += _OF_LOOP
        candidates += [
            Candidate(source.path, draft, name, place + math.log(weight))
            for name, draft, weight in _drafts(site, weights, templates)
        ]
    return candidates


def _is_of_loop(source: Source, statement: ast.stmt) -> bool:
    above: ast.AST | None = statement
    while above is not None and not isinstance(above, (ast.While, ast.FunctionDef)):
        above = source.parents.get(above)
    return isinstance(above, ast.While)


def _drafts(
    site: Site, weights: Mapping[str, float], templates: Sequence[Template]
) -> Iterator[tuple[str, tuple[Edit, ...], float]]:
    for node in site.source.own_nodes(site.statement):
        for template in templates:
            if isinstance(node, template.types):
                usual = prior(template.name, weights)
                for draft in template.propose(site, node):
                    yield template.name, draft.edits, usual * draft.weight


def ordered(candidates: list[Candidate], sources: Mapping[str, Source]) -> Iterator[Candidate]:
    """Yield candidates, the most promising first, each that parses and is new once."""
    seen: set[tuple[str, int, str]] = set()
    for candidate in sorted(candidates, key=lambda each: (-each.promise, each.path, each.edits)):
        begin, end, text = changed_part(sources[candidate.path], candidate.edits)
        meaning = _meaning(text)
        if (candidate.path, begin, "") not in seen:
            original = sources[candidate.path].text[begin:end]
            seen |= {(candidate.path, begin, ""), (candidate.path, begin, _meaning(original))}
        if (candidate.path, begin, meaning) not in seen:
            seen.add((candidate.path, begin, meaning))
            yield candidate


def changed_part(source: Source, edits: tuple[Edit, ...]) -> tuple[int, int, bytes]:
    """Return where the changed statements of the module begin and end, and their new text."""
    starts = [0, *(start for start, _ in source.top_levels[1:]), len(source.text) + 1]
    first, last = min(each.start for each in edits), max(each.end for each in edits)
    begin = max(start for start in starts if start <= first)
    # What is inserted where the next statement begins belongs to the one before.
    is_between = first == last == begin and begin > 0
    if is_between:
        begin = max(start for start in starts if start < first)
    end = min(start for start in starts[1:] if start >= last and start > begin)
    moved = [Edit(each.start - begin, each.end - begin, each.text) for each in edits]
    return begin, end, applied(source.text[begin:end], moved)


def changed_functions(source: Source, candidate: Candidate) -> frozenset[tuple[str, str]]:
    """Return file and name of the function or method that an edit is in; else all of the file's."""
    at, names, body = min(each.start for each in candidate.edits), [], source.tree.body
    while True:
        named = [each for each in body if isinstance(each, _NAMED)]
        found = next((each for each in named if source.start(each) <= at < source.end(each)), None)
        if found is None:
            break
        names.append(found.name)
        body = found.body if isinstance(found, ast.ClassDef) else []
    if names:
        return frozenset({(source.path, ".".join(names))})
    return frozenset((source.path, each.name) for each in named)


def _meaning(text: bytes) -> str:
    """Return what is the same for texts that differ in layout alone; empty if it is no Python."""
    tree = parsed(text)
    return ast.dump(tree) if tree else ""


def pool(source: Source, statement: ast.stmt, spectrum: Spectrum) -> Pool:
    """Return what a statement's function and file write elsewhere, and what tests showed.

    A statement of a module is its own scope: what it has in common with others is its file alone.
    """
    scope: ast.AST = source.function(statement) or statement
    values = dict(_values_of_module(source))
    keys = {name: _keys(value) for name, value in values.items() if isinstance(value, ast.Dict)}
    types = {name: shown_type(value) for name, value in values.items()}
    found = Pool(
        raised=spectrum.raised,
        keys={**keys, **spectrum.keys.get(source.path, {})},
        types={name: frozenset({known}) for name, known in types.items() if known},
    )
    expressions: Counter[str] = Counter()
    for node in ast.walk(scope):
        _add_to(found, expressions, source, node)
    found.conditions = list(dict.fromkeys(found.conditions))
    found.constants = list(dict.fromkeys(found.constants))
    found.returned = list(dict.fromkeys(found.returned))
    found.expressions = dict(expressions)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            found.attributes.append(node.attr)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.functions[node.name] = len(node.args.args) + len(node.args.kwonlyargs)
    found.attributes = list(dict.fromkeys(found.attributes))
    return found


def _values_of_module(source: Source) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a module sets at its top, with what it sets them to."""
    for statement in source.tree.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            for each in targets(statement):
                if isinstance(each, ast.Name):
                    yield each.id, statement.value


def _keys(value: ast.Dict) -> tuple[str, ...]:
    """Return the keys of a dictionary that are texts."""
    constants = (each.value for each in value.keys if isinstance(each, ast.Constant))
    return tuple(each for each in constants if isinstance(each, str))


def _add_to(found: Pool, expressions: Counter[str], source: Source, node: ast.AST) -> None:
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        found.conditions += _clauses(source, node.test)
    elif isinstance(node, ast.comprehension):
        for each in node.ifs:
            found.conditions += _clauses(source, each)
    elif isinstance(node, ast.Return) and node.value is not None:
        found.returned.append(source.of(node.value))
    elif isinstance(node, ast.Constant) and _is_literal(source, node):
        found.constants.append(repr(node.value))
    if isinstance(node, (ast.Call, ast.BinOp, ast.Subscript, ast.Attribute)):
        is_read = isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        text = source.of(node) if is_read else ""
        if text and len(text) <= _LONGEST_EXPRESSION and "\n" not in text:
            expressions[text] += 1


def _is_literal(source: Source, node: ast.Constant) -> bool:
    parent = source.parents.get(node)
    is_text_alone = isinstance(parent, (ast.Expr, ast.JoinedStr, ast.FormattedValue))
    return isinstance(node.value, (int, float, str)) and not is_text_alone


def _clauses(source: Source, test: ast.expr) -> list[str]:
    """Return a condition and the clauses that it is made of."""
    parts = [test, *(test.values if isinstance(test, ast.BoolOp) else [])]
    return [source.of(each) for each in parts if "\n" not in source.of(each)]
