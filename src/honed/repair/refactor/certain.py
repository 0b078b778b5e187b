"""What is certain of a function's own names: their types, and who else may reach them."""

import ast
import builtins
from collections.abc import Iterator, Mapping
from typing import Final

from honed.repair.refactor.package import Module, is_dynamic
from honed.repair.source import Function

#: Types whose values have an equality and a hash that nobody can replace.
PLAIN: Final = frozenset({"int", "str", "bool"})
#: Types of which a length can be taken, and nothing else happens.
SIZED: Final = frozenset({"str", "list", "tuple", "dict", "set", "range"})
MUTABLE: Final = frozenset({"list", "dict", "set"})
_CALLS: Final = {
    "len": "int", "ord": "int", "id": "int", "chr": "str", "list": "list", "sorted": "list",
    "tuple": "tuple", "dict": "dict", "set": "set", "range": "range",
}  # fmt: skip
#: These return an exact text only for values that have no methods of their own.
_TEXTS: Final = frozenset({"str", "repr", "hex", "bin", "oct"})
_METHODS: Final = {
    **dict.fromkeys(("lower", "upper", "strip", "lstrip", "rstrip", "replace", "join"), "str"),
    **dict.fromkeys(("title", "capitalize", "casefold", "zfill", "swapcase"), "str"),
    **dict.fromkeys(("split", "rsplit", "splitlines"), "texts"),
    **dict.fromkeys(("find", "rfind", "count"), "int"),
}  # fmt: skip
_DISPLAYS: Final = {
    ast.List: "list", ast.ListComp: "list", ast.Tuple: "tuple", ast.Dict: "dict",
    ast.DictComp: "dict", ast.Set: "set", ast.SetComp: "set",
}  # fmt: skip
_ARITHMETIC: Final = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)
_NESTED: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
#: Collections that an annotation may name, whose elements are what it says.
_MANY: Final = frozenset(
    {"Collection", "Iterable", "Iterator", "Sequence", "frozenset", "list", "set"}
)
_NAMES: Final = frozenset(name for name in dir(builtins) if not name.startswith("_"))


class Certain:
    """The names of one function that are its own alone, with their types where these are certain.

    A name is its own if only this function binds it, by assignments and loops, no function within
    it mentions it, and nothing in the function reads names that are not written there.

    Args:
        module: where the function stands.

        function: whose names they are.

        believes: whether arguments are what their annotations say, where that is a number or a
            text, or a collection of one of them. That is no longer certain.
    """

    def __init__(self, module: Module, function: Function, *, believes: bool = False) -> None:
        self.function = function
        self._module = module
        self._nodes = [each for statement in function.body for each in ast.walk(statement)]
        self._hidden = module.bound_anywhere
        self.names: Mapping[str, str] = {}
        #: Arguments whose types are believed.
        self.declared: Mapping[str, str] = {}
        #: Names that are its own.
        self.own: frozenset[str] = frozenset()
        if not is_dynamic(function) and not module.has_star:
            self.declared = self._declared() if believes else {}
            self.own = frozenset(_own(function, self._nodes))
            self.names = self._typed(self.own)

    def builtin(self, name: str) -> bool:
        """Whether a name is Python's own here."""
        return name in _NAMES and name not in self._hidden and not self._module.has_star

    def uses(self, name: str) -> list[ast.Name]:
        """Return where the function names something."""
        return [each for each in self._nodes if isinstance(each, ast.Name) and each.id == name]

    def type(self, node: ast.expr | None) -> str:
        """Return the type of an expression, or nothing if it is not certain."""
        found = self._type(node, self.names)
        return "list" if found == "texts" else found

    def _declared(self) -> dict[str, str]:
        """Return arguments by what their annotations say of them, where nobody else binds them."""
        nested = [each for each in self._nodes if isinstance(each, _NESTED)]
        foreign = {name for each in nested for name in _mentioned(each)}
        for node in self._nodes:
            if isinstance(node, ast.Global | ast.Nonlocal):
                foreign.update(node.names)
        arguments = self.function.args
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        said = {each.arg: self._annotated(each.annotation) for each in every}
        return {name: type_ for name, type_ in said.items() if type_ and name not in foreign}

    def _annotated(self, node: ast.expr | None) -> str:
        match node:
            case ast.Name(id=name) if name in PLAIN and self.builtin(name):
                return name
            case ast.Subscript(value=ast.Name(id=many), slice=ast.Name(id=name)):
                is_known = many in _MANY and name in PLAIN and self.builtin(name)
                return f"many {name}" if is_known else ""
        return ""

    def _typed(self, own: frozenset[str]) -> dict[str, str]:
        bindings = list(_bindings(self._nodes))
        known: dict[str, str] = dict(self.declared)
        # From what is assigned plainly on: a name may be made of another.
        for _ in range(len(own) + 1):
            before = dict(known)
            for name, value, how in bindings:
                if name in own and name not in known and how != "more":
                    found = self._bound_type(name, value, how, known)
                    if found:
                        known[name] = found
            if known == before:
                break
        return self._kept(known, bindings)

    def _kept(
        self, known: dict[str, str], bindings: list[tuple[str, ast.expr | None, str]]
    ) -> dict[str, str]:
        while True:
            wrong = {
                name
                for name, value, how in bindings
                if name in known and self._bound_type(name, value, how, known) != known[name]
            }
            if not wrong:
                return known
            known = {name: found for name, found in known.items() if name not in wrong}

    def _bound_type(
        self, name: str, value: ast.expr | None, how: str, known: Mapping[str, str]
    ) -> str:
        found = self._type(value, known)
        if how == "each":
            each = {"str": "str", "texts": "str", "range": "int"}.get(found, "")
            return found.removeprefix("many ") if found.startswith("many ") else each
        if how == "more":
            # Adding keeps a number and a text what they are.
            return found if known[name] == found and found in PLAIN - {"bool"} else ""
        return "list" if found == "texts" else found

    def _type(  # noqa: PLR0911 - one for each sort of expression
        self, node: ast.expr | None, known: Mapping[str, str]
    ) -> str:
        match node:
            case ast.Constant(value=str() | int()):
                return type(node.value).__name__
            case ast.Name():
                return known.get(node.id, "")
            case ast.JoinedStr():
                # One value alone is what its own __format__ makes of it.
                return "str" if len(node.values) > 1 else ""
            case ast.BinOp():
                return self._operation(node, known)
            case ast.IfExp():
                one, other = self._type(node.body, known), self._type(node.orelse, known)
                return one if one == other else ""
            case ast.Subscript():
                return "str" if self._type(node.value, known) == "str" else ""
            case ast.Call():
                return self._call(node, known)
        return _DISPLAYS.get(type(node), "")

    def _operation(self, node: ast.BinOp, known: Mapping[str, str]) -> str:
        sides = self._type(node.left, known), self._type(node.right, known)
        if sides == ("int", "int") and isinstance(node.op, _ARITHMETIC):
            return "int"
        return "str" if sides == ("str", "str") and isinstance(node.op, ast.Add) else ""

    def _call(self, node: ast.Call, known: Mapping[str, str]) -> str:
        match node.func:
            case ast.Name(id=name) if self.builtin(name):
                is_plain = len(node.args) == 1 and self._type(node.args[0], known) in PLAIN
                return "str" if name in _TEXTS and is_plain else _CALLS.get(name, "")
            case ast.Attribute(value=value, attr=name) if self._type(value, known) == "str":
                return _METHODS.get(name, "")
        return ""


def _bindings(nodes: list[ast.AST]) -> Iterator[tuple[str, ast.expr | None, str]]:
    """Yield each name that is bound, what by, and how: ``is``, ``each`` (of it) or ``more``."""
    plain: set[int] = set()
    for node in nodes:
        target, value, how = _binding(node)
        if target is not None:
            plain.add(id(target))
            yield target.id, value, how
    for node in nodes:
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load) and id(node) not in plain:
                yield node.id, None, "is"
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name, None, "is"


def _binding(node: ast.AST) -> tuple[ast.Name | None, ast.expr | None, str]:
    match node:
        case ast.Assign(targets=[ast.Name() as target], type_comment=None):
            return target, node.value, "is"
        case ast.For(target=ast.Name() as target):
            return target, node.iter, "each"
        case ast.AugAssign(target=ast.Name() as target, op=ast.Add()):
            return target, node.value, "more"
    return None, None, ""


def _own(function: Function, nodes: list[ast.AST]) -> set[str]:
    foreign = set(_arguments(function))
    for node in nodes:
        if isinstance(node, ast.Global | ast.Nonlocal):
            foreign.update(node.names)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            foreign.update(each.asname or each.name.split(".")[0] for each in node.names)
        elif isinstance(node, ast.MatchMapping):
            foreign.add(node.rest or "")
        elif isinstance(node, _NESTED):
            foreign.update(_mentioned(node))
    return {name for name, _, _ in _bindings(nodes)} - foreign


def _mentioned(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Nonlocal):
            yield from each.names
        yield getattr(each, "name", None) or ""


def _arguments(function: Function) -> set[str]:
    return {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
