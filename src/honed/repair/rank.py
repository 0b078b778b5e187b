"""How natural a patch is: small, of a usual sort, and nothing that a person would not write."""

import ast
import difflib
import io
import math
import tokenize
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from honed.repair.candidates import Candidate, changed_part
from honed.repair.simplify import simplified, size
from honed.repair.source import Source, applied
from honed.space.clones.ingredients import shapes

#: Each token that is added or taken away costs so much of the logarithm.
_OF_TOKEN: Final = 0.12
_OF_SILLINESS: Final = 2.0
_OF_UNUSED: Final = 1.0
_OF_LITERAL: Final = 0.5
_OF_SECOND_EDIT: Final = 2.0
_OF_FREQUENCY: Final = 0.15
_MOST_FAMILIAR: Final = 3.0
#: One element that stands nowhere in the file, ``names[-1]``, is rarely what a condition is about.
_OF_ELEMENT: Final = 1.0
#: Where no loop of a function ends it, to skip one turn is more usual than to end it.
_OF_FIRST_EXIT: Final = 1.5
#: A condition with a part that need not be there ranks so much below the one without at least: of
#: the many parts that one could add, each is as unlikely as there are many.
_OF_NEEDLESS_PART: Final = 4.0
#: What is another candidate with a detour ranks so much below it at least.
_OF_DETOUR: Final = 1.0
_STEPS: Final = (ast.Add, ast.Sub)
_SCALES: Final = (ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)


def naturalness(source: Source, candidate: Candidate, written: Mapping[str, int]) -> float:
    """Return the logarithm of how natural a candidate is; only differences have a meaning.

    ``written`` are shapes of expressions with how often the repository writes them: what others
    write so, too, is natural (Hindle et al., "On the Naturalness of Software", ICSE 2012).
    """
    begin, end, after = changed_part(source, candidate.edits)
    before = source.text[begin:end]
    old, new = ast.parse(before), ast.parse(after)
    score = candidate.promise
    score -= _OF_TOKEN * distance(before, after)
    score -= _OF_SILLINESS * max(0, silliness(new) - silliness(old))
    score -= _OF_UNUSED * (len(unused(new)) - len(unused(old)))
    score += _OF_FREQUENCY * familiarity(old, new, written)
    score -= _OF_LITERAL * len(_literals(new) - _literals(source.tree))
    score -= _OF_FIRST_EXIT * (_leaves_loops(new) and not _leaves_loops(old))
    score -= _OF_ELEMENT * len(_elements(new) - _elements(source.tree))
    return score - _OF_SECOND_EDIT * candidate.template.count("+")


def ranked(
    sources: Mapping[str, Source], candidates: Sequence[Candidate], written: Mapping[str, int]
) -> list[tuple[float, Candidate]]:
    """Return candidates with how natural each is, the most natural first.

    Of those that are one expression when detours are taken out (``x``, ``x[0:]``, ``x + 0``), the
    smallest is before all others, whatever the templates that they are from; and so is a condition
    before those that ask for more than it does.
    """
    scores = [naturalness(sources[each.path], each, written) for each in candidates]
    places = [changed_part(sources[each.path], each.edits) for each in candidates]
    trees = [ast.parse(after) for _, _, after in places]
    where = [(each.path, begin) for each, (begin, _, _) in zip(candidates, places, strict=True)]
    before = [
        size(ast.parse(sources[path].text[begin:end]))
        for (path, _), (begin, end, _) in zip(where, places, strict=True)
    ]
    _lower_needless(scores, where, trees, before)
    alike: dict[tuple[tuple[str, int], str], list[tuple[int, int]]] = defaultdict(list)
    for number, (place, tree) in enumerate(zip(where, trees, strict=True)):
        nodes = size(tree)
        alike[place, ast.dump(simplified(tree))].append((nodes, number))
    for group in alike.values():
        _, smallest = min(group)
        most = scores[smallest] - _OF_DETOUR
        for nodes, number in group:
            if nodes > min(group)[0]:
                scores[number] = min(scores[number], most)
    scored = zip(scores, candidates, strict=True)
    return sorted(scored, key=lambda each: (-each[0], each[1].edits))


def _lower_needless(
    scores: list[float],
    where: Sequence[tuple[str, int]],
    trees: Sequence[ast.Module],
    before: Sequence[int],
) -> None:
    """Lower what asks for ``a and b``, or ``a or b``, where ``a`` alone repairs as well.

    Where it has more nodes than there were ``before``, that is: a part that somebody wrote is not
    needless because no test needs it.
    """
    known = {
        (place, ast.dump(tree)): number
        for number, (place, tree) in enumerate(zip(where, trees, strict=True))
    }
    for number in sorted(range(len(trees)), key=lambda each: size(trees[each])):
        if size(trees[number]) <= before[number]:
            continue
        for smaller in _with_less(trees[number]):
            other = known.get((where[number], smaller))
            if other is not None and other != number:
                scores[number] = min(scores[number], scores[other] - _OF_NEEDLESS_PART)


def _with_less(tree: ast.Module) -> Iterator[str]:
    """Yield a tree as text without each single part of its conditions."""
    for parent in ast.walk(tree):
        for name, node in ast.iter_fields(parent):
            if not isinstance(node, ast.BoolOp):
                continue
            for number in range(len(node.values)):
                rest = [*node.values[:number], *node.values[number + 1 :]]
                left = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
                setattr(parent, name, left)
                yield ast.dump(tree)
            setattr(parent, name, node)


def familiarity(old: ast.AST, new: ast.AST, written: Mapping[str, int]) -> float:
    """Return the mean logarithm of how often what is new is written elsewhere."""
    added = shapes(new) - shapes(old)
    known = [math.log1p(written.get(each, 0)) for each in added]
    return min(_MOST_FAMILIAR, sum(known) / len(known)) if known else 0.0


def distance(before: bytes, after: bytes) -> int:
    """Return how many tokens are added and taken away."""
    old, new = _tokens(before), _tokens(after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return sum(
        (j2 - j1) + (i2 - i1) for tag, i1, i2, j1, j2 in matcher.get_opcodes() if tag != "equal"
    )


def _tokens(text: bytes) -> list[str]:
    reading = io.BytesIO(text).readline
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.INDENT, tokenize.DEDENT)
    return [each.string for each in tokenize.tokenize(reading) if each.type not in skipped]


def silliness(tree: ast.AST) -> int:
    """Return how many expressions nobody would write: ``x * 1``, ``not not x``, ``x == x``."""
    return sum(_is_silly(node) for node in ast.walk(tree))


def _is_silly(node: ast.AST) -> bool:
    judge = next((judge for sort, judge in _JUDGES.items() if isinstance(node, sort)), None)
    return judge is not None and judge(node)


def _is_idle_slice(node: ast.Slice) -> bool:
    return any(
        isinstance(bound, ast.Constant) and type(bound.value) is int and bound.value == idle
        for bound, idle in ((node.lower, 0), (node.step, 1))
    )


def _is_idle_comparison(node: ast.Compare) -> bool:
    sides = [node.left, *node.comparators]
    return all(isinstance(each, ast.Constant) for each in sides) or _has_equal(sides)


def _is_idle_clause(node: ast.BoolOp) -> bool:
    return _has_equal(node.values) or any(isinstance(each, ast.Constant) for each in node.values)


def _is_idle_assignment(node: ast.Assign) -> bool:
    return any(ast.dump(node.value) == _as_read(each) for each in node.targets)


def _is_idle(node: ast.BinOp) -> bool:
    if any(isinstance(each, ast.List) and not each.elts for each in (node.left, node.right)):
        return True
    value = node.right.value if isinstance(node.right, ast.Constant) else None
    first = node.left.value if isinstance(node.left, ast.Constant) else None
    is_same = ast.dump(node.left) == ast.dump(node.right)
    if isinstance(node.op, (ast.Add, ast.Sub)) and (value in (0, "") or first in (0, "")):
        return True
    both = value is not None and first is not None and not isinstance(first, (str, bytes))
    is_same = is_same and isinstance(node.op, (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod))
    return both or is_same or _is_scaling_by_one(node.op, first, value) or _is_two_steps(node)


def _is_scaling_by_one(operator: ast.operator, first: object, value: object) -> bool:
    if isinstance(operator, ast.Pow):
        return value in (0, 1)
    return isinstance(operator, _SCALES) and (value in (0, 1) or first in (0, 1))


def _is_two_steps(node: ast.BinOp) -> bool:
    """Whether it is like ``n + 1 - 1``, or a power of something negative."""
    if isinstance(node.op, ast.Pow):
        return isinstance(node.right, ast.UnaryOp)
    inner = node.left
    return (
        isinstance(node.op, _STEPS)
        and isinstance(node.right, ast.Constant)
        and isinstance(inner, ast.BinOp)
        and isinstance(inner.op, _STEPS)
        and isinstance(inner.right, ast.Constant)
    )


def _is_idle_call(node: ast.Call) -> bool:
    """Whether a function is called on what itself returns, or on one value twice."""
    if node.args and _has_equal(node.args):
        return True
    inner = node.args[0] if node.args else None
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if isinstance(inner, ast.Constant) and name in (
        "abs",
        "int",
        "len",
        "str",
        "min",
        "max",
        "set",
    ):
        return len(node.args) == 1
    inner_name = getattr(inner.func, "id", "") if isinstance(inner, ast.Call) else ""
    return inner_name == name and name in ("abs", "sorted", "set", "list")


_JUDGES: Final[Mapping[type[ast.AST], Callable[[Any], bool]]] = {
    ast.BinOp: _is_idle,
    ast.Compare: _is_idle_comparison,
    ast.BoolOp: _is_idle_clause,
    ast.UnaryOp: lambda node: isinstance(node.operand, ast.UnaryOp),
    ast.If: lambda node: isinstance(node.test, ast.Constant),
    ast.IfExp: lambda node: isinstance(node.test, ast.Constant),
    ast.Call: _is_idle_call,
    ast.Assign: _is_idle_assignment,
    ast.Slice: _is_idle_slice,
}


def _has_equal(nodes: list[ast.expr]) -> bool:
    dumps = [ast.dump(each) for each in nodes]
    return len(set(dumps)) < len(dumps)


def _as_read(node: ast.expr) -> str:
    return ast.dump(node).replace("Store()", "Load()")


def unused(tree: ast.AST) -> set[str]:
    """Return the names that a tree sets or takes as arguments and never reads."""
    read: set[str] = set()
    kept: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else kept).add(node.id)
        elif isinstance(node, ast.arg):
            kept.add(node.arg)
    return {name for name in kept - read if not name.startswith("_")}


def _literals(tree: ast.AST) -> set[str]:
    """Return the numbers and texts of a tree but for those that stand everywhere."""
    usual = {0, 1, 2, -1, ""}
    return {
        repr(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, (int, float, str))
        and not isinstance(node.value, bool)
        and node.value not in usual
    }


def _leaves_loops(tree: ast.AST) -> bool:
    """Whether a function returns out of a loop."""
    loops = (node for node in ast.walk(tree) if isinstance(node, (ast.For, ast.While)))
    return any(isinstance(each, ast.Return) for loop in loops for each in ast.walk(loop))


def _elements(tree: ast.AST) -> set[str]:
    """Return the elements that a tree takes by a number: ``names[-1]``."""
    return {
        ast.dump(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, (ast.Constant, ast.UnaryOp))
        and isinstance(node.ctx, ast.Load)
    }


def text_after(source: Source, candidate: Candidate) -> str:
    """Return a file as a candidate leaves it."""
    return applied(source.text, candidate.edits).decode()
