"""Which functions of a project take its tests' time."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from honed.repair.refactor.touched import Span, spans
from honed.repair.refactor.twins import Own
from honed.repair.source import parsed

#: A function by path and qualified name.
Place: TypeAlias = tuple[str, str]


def shares(own: Iterable[Own], texts: Mapping[str, str]) -> dict[Place, float]:
    """Return the share of the tests' processor time that each function takes by itself.

    Of the whole: the project's files, what they call, and the tests themselves, without fixtures
    and what runs the tests. Lambdas and comprehensions count for the function that they stand in.

    Args:
        own: what pieces of code took.

        texts: the project's files, by path.
    """
    taken: dict[Place, float] = defaultdict(float)
    whole = 0.0
    known: dict[str, list[Span]] = {}
    for each in own:
        whole += each.cpu_s
        if each.path not in known:
            tree = parsed(texts.get(each.path, ""))
            known[each.path] = spans(tree) if isinstance(tree, ast.Module) else []
        around = [span for span in known[each.path] if span.first <= each.line <= span.last]
        if around:
            innermost = max(around, key=lambda span: span.first)
            taken[each.path, innermost.name] += each.cpu_s
    return {place: cpu_s / whole for place, cpu_s in taken.items()} if whole > 0 else {}
