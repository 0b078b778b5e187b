"""Whether a loop that looks up rows leaves the database, and its keys, as they are."""

import ast
from typing import Final

from honed.repair.refactor.asking.lookups import NotCertain, lookup_of, require
from honed.repair.refactor.asking.turns import Turn, text_of

#: Functions of Python that do nothing but answer or print, whatever they are given.
_PURE: Final = frozenset({
    "abs", "all", "any", "bool", "dict", "divmod", "enumerate", "float", "int", "isinstance",
    "len", "list", "max", "min", "print", "range", "repr", "round", "set", "sorted", "str", "sum",
    "tuple", "zip",
})  # fmt: skip
#: Types of which every method is Python's own.
_OWN: Final = frozenset({"dict", "list", "set", "str"})
#: What makes a new one of them, that nothing else is a name for.
_FRESH: Final = (
    ast.List, ast.ListComp, ast.Dict, ast.DictComp, ast.Set, ast.SetComp, ast.Call, ast.Constant,
    ast.JoinedStr,
)  # fmt: skip
_REBOUND: Final = "it changes what it goes through, or whom it asks"


def check_harmless(turn: Turn) -> None:
    """Return if every turn of a loop would find the same rows, and the same keys, before the first.

    Raises:
        NotCertain: it may write to the database, or change a key.
    """
    fixed = {turn.through, *_names(turn.target), *_names(turn.asking.owner)}
    owner = turn.module.source.of(turn.asking.owner)
    for node in turn.repeated:
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                require(name not in fixed, _REBOUND)
            case ast.Name(id=name) if name == turn.through:
                above = turn.module.source.parents[node]
                is_length = isinstance(above, ast.Call) and _called(above) == "len"
                require(is_length, _REBOUND)
            case ast.Attribute(ctx=ast.Store()):
                require(not owner.startswith(turn.module.source.of(node)), _REBOUND)
            case ast.Call() if not _is_harmless(turn, node):
                called = turn.module.source.of(node.func)
                raise NotCertain(f"it calls {called}, which may write")  # noqa: EM102, TRY003


def _names(node: ast.expr) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _is_harmless(turn: Turn, call: ast.Call) -> bool:
    asking = turn.asking
    if call is asking.fetch or (asking.ask is not None and call is asking.ask.value):
        return True
    # A function that is handed over, as key for instance, may do anything.
    is_plain = not call.keywords
    match call.func:
        case ast.Name(id=name):
            return is_plain and name in _PURE and turn.certain.builtin(name)
        case ast.Attribute(attr="execute"):
            return is_plain and _only_looks_up(turn, call)
        case ast.Attribute(value=ast.Call() as asked, attr="fetchone" | "fetchall"):
            return is_plain and _only_looks_up(turn, asked)
        case ast.Attribute(value=value):
            return is_plain and _is_of_python(turn, value)
    return False


def _only_looks_up(turn: Turn, call: ast.Call) -> bool:
    """Whether a call asks a plain query that only reads."""
    match call:
        case ast.Call(func=ast.Attribute(attr="execute"), args=[text, *_]):
            try:
                lookup_of(text_of(turn.module, text))
            except NotCertain:
                return False
            return True
    return False


def _is_of_python(turn: Turn, value: ast.expr) -> bool:
    """Whether a value is Python's own, and no other name stands for it: its methods are known."""
    match value:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.Name(id=name):
            type_ = turn.certain.names.get(name)
            return type_ == "str" or (type_ in _OWN and _is_fresh(turn, name))
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Load()):
            # A value of a row that was looked up: of the types that nobody can change.
            return _is_row(turn, name)
    return False


def _is_fresh(turn: Turn, name: str) -> bool:
    for node in turn.every:
        match node:
            case ast.Assign(targets=targets, value=value):
                named = any(isinstance(each, ast.Name) and each.id == name for each in targets)
                if named and not isinstance(value, _FRESH):
                    return False
    return True


def _is_row(turn: Turn, name: str) -> bool:
    match turn.module.source.parents[turn.asking.fetch]:
        case ast.Assign(targets=[ast.Name(id=row)]):
            return row == name
    return False
