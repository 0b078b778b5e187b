"""What a template is: from a place in a tree to small edits of the text."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Final

from honed.repair.source import Source, parsed
from honed.repair.suite import Edit

_NUMBERS: Final = frozenset({"int", "float", "bool"})
#: How tightly what stands at the top of a text binds; higher is tighter.
_ATOM: Final = 20
_BINDING: Final[Mapping[type[ast.AST], int]] = {
    ast.Lambda: 1,
    ast.IfExp: 2,
    ast.Or: 3,
    ast.And: 4,
    ast.Not: 5,
    ast.Compare: 6,
    ast.BitOr: 7,
    ast.BitXor: 8,
    ast.BitAnd: 9,
    ast.LShift: 10,
    ast.RShift: 10,
    ast.Add: 11,
    ast.Sub: 11,
    ast.Mult: 12,
    ast.Div: 12,
    ast.FloorDiv: 12,
    ast.Mod: 12,
    ast.MatMult: 12,
    ast.UAdd: 13,
    ast.USub: 13,
    ast.Invert: 13,
    ast.Pow: 14,
    ast.Await: 15,
    ast.Yield: 0,
    ast.YieldFrom: 0,
    ast.NamedExpr: 0,
    ast.GeneratorExp: _ATOM,
}


@dataclass(frozen=True, slots=True)
class Draft:
    """One change that a template proposes."""

    edits: tuple[Edit, ...]
    #: How usual it is among what its template proposes: in (0, 1].
    weight: float = 1.0


@dataclass
class Site:
    """A statement, what is known of it, and the words to change it with."""

    source: Source
    statement: ast.stmt
    #: Types by the names of locals, as they were seen at run time; empty where never seen.
    types: Mapping[str, frozenset[str]]
    #: Locals that have a value here, parameters first.
    names: tuple[str, ...]
    #: What stands elsewhere in the repository.
    pool: "Pool"

    def replace(self, node: ast.expr, text: str, weight: float = 1.0) -> Draft:
        """Return the change of an expression into ``text``, in parentheses where needed."""
        fitted = self.fit(node, text)
        start, end = self.source.start(node), self.source.end(node)
        return Draft((Edit(start, end, fitted),), weight)

    def edit(self, start: int, end: int, text: str, weight: float = 1.0) -> Draft:
        """Return the change of a slice."""
        return Draft((Edit(start, end, text),), weight)

    def of(self, node: ast.AST) -> str:
        """Return a node's text."""
        return self.source.of(node)

    def parent(self, node: ast.AST) -> ast.AST | None:
        """Return what a node is a part of."""
        return self.source.parents.get(node)

    def fit(self, node: ast.expr, text: str) -> str:
        """Return ``text`` so that it can stand where ``node`` stands."""
        least = needed(self.parent(node), node)
        return text if binding(text) >= least or self._has_parentheses(node) else f"({text})"

    def operand(self, node: ast.expr, operator: type[ast.AST]) -> str:
        """Return a node's text so that it can stand beside an operator."""
        text = self.of(node)
        return text if _binding_of(node) > _BINDING[operator] else f"({text})"

    def _has_parentheses(self, node: ast.expr) -> bool:
        """Whether parentheses of its own stand around a node, which an edit leaves there."""
        parent = self.parent(node)
        if isinstance(parent, ast.Call) and node is not parent.func:
            return False
        text = self.source.text
        before = text[: self.source.start(node)].rstrip()
        after = text[self.source.end(node) :].lstrip()
        return before.endswith(b"(") and after.startswith(b")")

    def types_of(self, node: ast.expr) -> frozenset[str]:
        """Return the types that an expression may have; empty where that is unknown."""
        if isinstance(node, ast.Name):
            return self.types.get(node.id) or self.pool.types.get(node.id, frozenset())
        known = shown_type(node)
        if known:
            return frozenset({known})
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            known = _TYPE_OF_CALL.get(node.func.id)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            known = _TYPE_OF_METHOD.get(node.func.attr)
        if isinstance(node, ast.BinOp):
            return self.types_of(node.left) or self.types_of(node.right)
        return frozenset({known}) if known else frozenset()

    def may_be(self, node: ast.expr, *types: str) -> bool:
        """Whether an expression may have one of these types, as far as is known."""
        seen = self.types_of(node)
        return not seen or bool(seen & set(types))

    def is_number(self, node: ast.expr) -> bool:
        """Whether an expression may be a number, as far as is known."""
        return self.may_be(node, "int", "float", "complex")

    def named(self, *types: str) -> list[str]:
        """Return the locals that were seen with one of these types."""
        return [name for name in self.names if self.types.get(name, frozenset()) & set(types)]

    def alike(self, types: frozenset[str]) -> list[str]:
        """Return the locals that may stand where something of these types stands."""
        return [name for name in self.names if _do_fit(types, self.types.get(name, frozenset()))]


def _do_fit(wanted: frozenset[str], seen: frozenset[str]) -> bool:
    if not wanted or not seen or "NoneType" in wanted | seen:
        return True
    return bool(wanted & seen) or bool(wanted & _NUMBERS and seen & _NUMBERS)


@dataclass
class Pool:
    """Ingredients: what the file and the repository write, with how often."""

    #: Texts of conditions in the same function.
    conditions: list[str] = field(default_factory=list)
    #: Constants of the same function, as texts.
    constants: list[str] = field(default_factory=list)
    #: Names of attributes that the file reads.
    attributes: list[str] = field(default_factory=list)
    #: Functions of the file, with their numbers of arguments.
    functions: dict[str, int] = field(default_factory=dict)
    #: What the same function returns, as texts.
    returned: list[str] = field(default_factory=list)
    #: Expressions of the same function, as texts, by how often they stand there.
    expressions: dict[str, int] = field(default_factory=dict)
    #: Names of the types of exceptions that failing tests end with.
    raised: frozenset[str] = frozenset()
    #: Types by the names that the module itself sets, where their text shows them.
    types: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: By name what can be looked up in it: keys of dictionaries, attributes of objects.
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


Drafts = Iterator[Draft]
Propose = Callable[[Site, Any], Drafts]


@dataclass(frozen=True, slots=True)
class Template:
    """A named way to change nodes of some types."""

    name: str
    types: tuple[type[ast.AST], ...]
    propose: Propose


TEMPLATES: list[Template] = []


def template(*types: type[ast.AST]) -> Callable[[Propose], Propose]:
    """Make a function a template of its own name for nodes of these types."""

    def register(propose: Propose) -> Propose:
        TEMPLATES.append(Template(propose.__name__, types, propose))
        return propose

    return register


def shown_type(node: ast.expr) -> str | None:
    """Return the type that the text of an expression shows; None where it shows none."""
    if isinstance(node, ast.Constant):
        return type(node.value).__name__
    return _TYPE_OF_NODE.get(type(node))


def likely(names: Iterable[str], like: str) -> dict[str, float]:
    """Return names with how usual each is in the place of another: more where they are alike."""
    return {each: 0.4 + 0.6 * SequenceMatcher(None, each, like).ratio() for each in names}


def binding(text: str) -> int:
    """Return how tightly an expression's text binds."""
    tree = parsed(text, mode="eval")
    return _binding_of(tree.body) if isinstance(tree, ast.Expression) else _ATOM


def _binding_of(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return _ATOM
    if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.BoolOp)):
        return _BINDING[type(node.op)]
    if isinstance(node, ast.Tuple):
        return 0
    return _BINDING.get(type(node), _ATOM)


def needed(parent: ast.AST | None, node: ast.expr) -> int:
    """Return how tightly what stands in the place of ``node`` has to bind."""
    if isinstance(parent, ast.BinOp):
        return _needed_beside(parent, node)
    if isinstance(parent, (ast.UnaryOp, ast.BoolOp)):
        return _BINDING[type(parent.op)] + isinstance(parent, ast.BoolOp)
    if isinstance(parent, ast.IfExp):
        return _BINDING[ast.IfExp] + (node is not parent.orelse)
    if node in (getattr(parent, "value", None), getattr(parent, "func", None)):
        # ``value`` is what is assigned and returned, too: there anything may stand.
        is_base = isinstance(parent, (ast.Attribute, ast.Await, ast.Subscript, ast.Call))
        return _ATOM if is_base else 1
    return _NEEDED.get(type(parent), 1) if parent else 1


_NEEDED: Final[Mapping[type[ast.AST], int]] = {
    ast.Compare: _BINDING[ast.BitOr],
    ast.comprehension: _BINDING[ast.Or],
    ast.Subscript: 0,
}


def _needed_beside(parent: ast.BinOp, node: ast.expr) -> int:
    own = _BINDING[type(parent.op)]
    is_right = node is parent.right
    if isinstance(parent.op, ast.Pow):
        return own if is_right else _ATOM
    return own + is_right


_TYPE_OF_NODE: Final[Mapping[type[ast.AST], str]] = {
    ast.List: "list",
    ast.ListComp: "list",
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.SetComp: "set",
    ast.Tuple: "tuple",
    ast.JoinedStr: "str",
    ast.Compare: "bool",
    ast.Lambda: "function",
}
_TYPE_OF_CALL: Final = {
    "len": "int",
    "int": "int",
    "ord": "int",
    "round": "int",
    "float": "float",
    "str": "str",
    "chr": "str",
    "bin": "str",
    "hex": "str",
    "list": "list",
    "sorted": "list",
    "set": "set",
    "dict": "dict",
    "tuple": "tuple",
    "bool": "bool",
    "any": "bool",
    "all": "bool",
    "isinstance": "bool",
    "range": "range",
    "enumerate": "enumerate",
    "zip": "zip",
    "map": "map",
    "filter": "filter",
    "reversed": "iterator",
}
_TYPE_OF_METHOD: Final = {
    "lower": "str",
    "upper": "str",
    "strip": "str",
    "join": "str",
    "replace": "str",
    "format": "str",
    "split": "list",
    "count": "int",
    "find": "int",
    "index": "int",
    "startswith": "bool",
    "endswith": "bool",
    "isalpha": "bool",
    "isdigit": "bool",
    "isupper": "bool",
    "islower": "bool",
    "keys": "dict_keys",
    "values": "dict_values",
    "items": "dict_items",
}
