"""A pattern: what a small change made of what, without a word of anybody's code.

``$0.strip() -> ($0 or '').strip()``: expressions, or simple statements, before and after. What is
numbered stands for any expression, the same number for the same one. All else is of Python's own
words (``words``), so that a pattern tells nothing of where it was found.
"""

import ast
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from honed.repair.mining.words import ATTRIBUTES, KEYWORDS, NAMES, is_general
from honed.repair.source import parsed

#: Expressions and statements of a pattern, a side.
MOST_NODES: Final = 20
#: What a pattern may be made of, beside its words and operators.
EXPRESSIONS: Final = (
    *(ast.Attribute, ast.BinOp, ast.BoolOp, ast.Call, ast.Compare, ast.Constant, ast.Dict),
    *(ast.DictComp, ast.GeneratorExp, ast.IfExp, ast.List, ast.ListComp, ast.Name, ast.Set),
    *(ast.SetComp, ast.Starred, ast.Slice, ast.Subscript, ast.Tuple, ast.UnaryOp),
)
STATEMENTS: Final = (ast.Assert, ast.Assign, ast.AugAssign, ast.Expr, ast.Raise, ast.Return)
_PARTS: Final = (
    *(ast.comprehension, ast.keyword),
    *(ast.boolop, ast.cmpop, ast.expr_context, ast.operator, ast.unaryop),
)
#: Parts of others that are expressions in name only.
_NEVER_ALONE: Final = (ast.Slice, ast.Starred)
_SILENT: Final = frozenset({"ctx", "kind", "type_comment"})
_ARROW: Final = " -> "
_LONGEST: Final = 400
_NUMBERED: Final = re.compile(r"\$(\d{1,2})")
#: No word of Python's, so that it stands for a number while a text is read.
_STAND_IN: Final = "__"

#: By number what a pattern's ``$0``, ``$1`` ... stand for.
Bound: TypeAlias = Mapping[str, ast.expr]


@dataclass(frozen=True)
class Pattern:
    """What a change makes of what: two expressions, or two simple statements."""

    before: ast.AST
    after: ast.AST

    @cached_property
    def text(self) -> str:
        """Return how it is written, numbered by where a number first stands."""
        sides = f"{ast.unparse(self.before)}{_ARROW}{ast.unparse(self.after)}"
        numbers: dict[str, int] = {}
        return _NUMBERED.sub(lambda found: f"${numbers.setdefault(found[1], len(numbers))}", sides)

    def match(self, node: ast.AST) -> Bound | None:
        """Return what its numbers stand for where a node is as it is before; None: it is not."""
        bound: dict[str, ast.expr] = {}
        return bound if _do_match(self.before, node, bound) else None

    def reaches(self, other: "Pattern") -> bool:
        """Whether another is this one, or a special case of it."""
        bound: dict[str, ast.expr] = {}
        return _do_match(self.before, other.before, bound) and _do_match(
            self.after, other.after, bound
        )


def name_of(text: str) -> str:
    """Return the name of the template of a pattern: ``mined:`` and a digest's beginning."""
    return f"mined:{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def read_pattern(text: str) -> Pattern | None:
    """Return the pattern of a text; None: it is none, or says more than a pattern may."""
    sides = text.split(_ARROW)
    if len(sides) != 2 or len(text) > _LONGEST or _STAND_IN in text:  # noqa: PLR2004 - two sides
        return None
    read = [_read(each) for each in sides]
    return pattern_of(read[0], read[1])


def pattern_of(before: ast.AST | None, after: ast.AST | None) -> Pattern | None:
    """Return the pattern of two sides; None: they are none.

    Both are small and of general words alone. What is before is
    more than a number or a constant, and what is after holds no other numbers.
    """
    if before is None or after is None:
        return None
    if isinstance(before, ast.stmt) or isinstance(after, ast.stmt):
        before, after = _as_statement(before), _as_statement(after)
    are_whole = is_specific(before) and (isinstance(after, STATEMENTS) or is_free(after))
    are_fit = are_whole and is_sound(before) and is_sound(after)
    if not are_fit or not numbers(after) <= numbers(before) or meaning(before) == meaning(after):
        return None
    return Pattern(before, after)


def is_specific(node: ast.AST) -> bool:
    """Whether what is before can stand alone, and be told from any expression."""
    is_number = isinstance(node, ast.Name) and node.id.startswith("$")
    is_whole = isinstance(node, STATEMENTS) or is_free(node)
    return is_whole and not is_number and not isinstance(node, ast.Constant)


def is_sound(side: ast.AST) -> bool:
    """Whether a side is small, and holds nothing but numbers and words of Python's own."""
    return size(side) <= MOST_NODES and all(map(is_known, ast.walk(side)))


def is_known(node: ast.AST) -> bool:
    """Whether a node itself, without what is in it, may be a part of a pattern."""
    if isinstance(node, ast.Name):
        return node.id in NAMES or _NUMBERED.fullmatch(node.id) is not None
    if isinstance(node, ast.Attribute):
        return node.attr in ATTRIBUTES
    if isinstance(node, ast.keyword):
        return node.arg is None or node.arg in KEYWORDS
    if isinstance(node, ast.Constant):
        return is_general(node)
    return isinstance(node, (*EXPRESSIONS, *STATEMENTS, *_PARTS))


def is_free(node: ast.AST) -> bool:
    """Whether a number may stand for a node."""
    return isinstance(node, ast.expr) and not isinstance(node, _NEVER_ALONE)


def size(side: ast.AST) -> int:
    """Return how many expressions and statements a side has."""
    return sum(isinstance(node, (ast.expr, ast.stmt)) for node in ast.walk(side))


def numbers(side: ast.AST) -> set[str]:
    """Return the numbers of a side: ``$0`` ..."""
    return {node.id for node in ast.walk(side) if isinstance(node, ast.Name) and node.id[0] == "$"}


def meaning(node: ast.AST) -> str:
    """Return what is the same for nodes that are written alike, read or assigned to."""
    return ast.dump(node).replace("Store()", "Load()").replace(", ctx=Load()", "")


def fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Yield the parts of a node that tell what it is, by their names."""
    return ((name, value) for name, value in ast.iter_fields(node) if name not in _SILENT)


def _read(side: str) -> ast.AST | None:
    tree = parsed(_NUMBERED.sub(rf"{_STAND_IN}\1", side))
    if not isinstance(tree, ast.Module) or len(tree.body) != 1:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id.startswith(_STAND_IN):
            node.id = f"${node.id.removeprefix(_STAND_IN)}"
    (only,) = tree.body
    return only.value if isinstance(only, ast.Expr) else only


def _as_statement(side: ast.AST) -> ast.AST:
    return ast.Expr(side) if isinstance(side, ast.expr) else side


def _do_match(part: object, node: object, bound: dict[str, ast.expr]) -> bool:
    """Whether a node is as a part of a pattern says; what numbers stand for is added."""
    if isinstance(part, ast.Name) and part.id.startswith("$"):
        if not isinstance(node, ast.expr) or not is_free(node):
            return False
        return meaning(bound.setdefault(part.id, node)) == meaning(node)
    if isinstance(part, list):
        return (
            isinstance(node, list)
            and len(part) == len(node)
            and all(_do_match(one, other, bound) for one, other in zip(part, node, strict=True))
        )
    if not isinstance(part, ast.AST) or not isinstance(node, ast.AST):
        return type(part) is type(node) and part == node
    return type(part) is type(node) and all(
        _do_match(value, getattr(node, name, None), bound) for name, value in fields(part)
    )
