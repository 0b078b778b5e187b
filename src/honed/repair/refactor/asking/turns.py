"""A loop that looks up one row in each turn: what it goes through, what it asks, and where."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from honed.repair.refactor.asking.asked_in_loops import innermost
from honed.repair.refactor.asking.lookups import Lookup, NotCertain, lookup_of, require
from honed.repair.refactor.certain import Certain
from honed.repair.refactor.package import Module
from honed.repair.source import Function

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp
_SIMPLE: Final = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return)
#: With these a turn is the last one, runs later, or does what its text does not tell.
_UNFORESEEN: Final = (
    ast.Return, ast.Break, ast.Yield, ast.YieldFrom, ast.Await, ast.With, ast.AsyncWith,
    ast.AsyncFor, ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Global,
    ast.Nonlocal, ast.Import, ast.ImportFrom, ast.Delete,
)  # fmt: skip
#: What stands between an expression and its statement may leave it out.
_CHOOSING: Final = (
    ast.IfExp, ast.BoolOp, ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp,
)  # fmt: skip
_NOT_NAMED: Final = "it is no plain loop through something that has a name"
_NOT_EXECUTED: Final = "it does not ask by execute() with a text and a list of one key"
_NOT_FETCHED: Final = "it does not read one row by fetchone()"
_NOT_CONSTANT: Final = "its query is no constant"
_SOMETIMES: Final = "it asks only where a condition holds"


@dataclass(frozen=True, slots=True)
class Asking:
    """Where a row is looked up."""

    #: The connection or cursor that is asked.
    owner: ast.expr
    key: ast.expr
    #: The call that returns the row.
    fetch: ast.Call
    #: The statement that only asks, before the one that fetches; None: one expression does both.
    ask: ast.Expr | None
    lookup: Lookup


@dataclass(frozen=True)
class Turn:
    """One turn of a loop, and everything around it that is looked at."""

    module: Module
    loop: ast.For | Comprehension
    #: The statement that is the loop, or holds it.
    statement: ast.stmt
    function: Function
    asking: Asking
    #: What the loop goes through, a name.
    through: str
    target: ast.expr

    @cached_property
    def certain(self) -> Certain:
        """The function's names, with what annotations say of its arguments."""
        return Certain(self.module, self.function, believes=True)

    @cached_property
    def repeated(self) -> list[ast.AST]:
        """Every node that runs in each turn."""
        match self.loop:
            case ast.For(body=body):
                roots: list[ast.AST] = list(body)
            case ast.DictComp(key=key, value=value):
                roots = [key, value]
            case _:
                roots = [self.loop.elt]
        return [each for root in roots for each in ast.walk(root)]

    @property
    def every(self) -> Iterator[ast.AST]:
        """Every node of the function's body."""
        return (each for statement in self.function.body for each in ast.walk(statement))


def turn_of(module: Module, node: ast.AST, loop: ast.AST) -> Turn:
    """Return what a loop does in each turn.

    Args:
        module: where it stands.

        node: the text of its query, or the name of a constant that holds it.

        loop: the innermost one around that.

    Raises:
        NotCertain: it is not of the form that can be rewritten.
    """
    statement = _statement(module, loop)
    function = module.source.function(loop)
    if not isinstance(function, ast.FunctionDef):
        raise NotCertain("it stands in no plain function")  # noqa: EM101, TRY003
    match loop:
        case ast.For(target=target, iter=ast.Name(id=through)):
            pass
        case ast.ListComp() | ast.SetComp() | ast.DictComp():
            target, through = _generator(loop)
        case _:
            raise NotCertain(_NOT_NAMED)
    asking = asking_of(module, node)
    # Positions inside an f-string are not to be trusted before Python 3.12.
    is_inside = any(isinstance(each, ast.JoinedStr) for each in _above(module, asking.fetch))
    require(not is_inside, "it asks inside an f-string")
    turn = Turn(module, loop, statement, function, asking, through, target)
    _check_asked_in_each(turn)
    return turn


def _statement(module: Module, loop: ast.AST) -> ast.stmt:
    """Return the statement before which all rows can be asked for."""
    source = module.source
    require(innermost(module, loop) is None, "it stands in another loop")
    statement = source.statement(loop)
    if statement is not loop:
        require(isinstance(statement, _SIMPLE), "the statement around it is no plain one")
        later = any(isinstance(e, ast.Lambda | ast.GeneratorExp) for e in _above(module, loop))
        require(not later, "it runs later than it stands")
    assert statement is not None, "every loop is in a statement"  # noqa: S101 - of any tree
    before = source.text[source.line_start(statement.lineno) : source.start(statement)]
    start = source.text[: source.line_start(statement.lineno)]
    is_alone = not before.strip() and not start.endswith((b"\\\n", b"\\\r\n"))
    require(is_alone, "its statement does not begin a line")
    return statement


def _generator(loop: Comprehension) -> tuple[ast.expr, str]:
    match loop.generators:
        case [ast.comprehension(target=target, iter=ast.Name(id=through), ifs=[], is_async=0)]:
            return target, through
    raise NotCertain(_NOT_NAMED)


def asking_of(module: Module, node: ast.AST) -> Asking:
    """Return where a row is looked up.

    Raises:
        NotCertain: it is not asked for by one key, or not read by ``fetchone()``.
    """
    parents = module.source.parents
    call = parents.get(node)
    match call:
        case ast.Call(
            func=ast.Attribute(value=owner, attr="execute"),
            args=[text, ast.List(elts=[key]) | ast.Tuple(elts=[key])],
            keywords=[],
        ) if text is node and is_dotted(owner):
            lookup = lookup_of(text_of(module, text))
        case _:
            raise NotCertain(_NOT_EXECUTED)
    above = parents[call]
    if isinstance(above, ast.Expr):
        return Asking(owner, key, _fetched_behind(module, above, owner), above, lookup)
    fetch = parents[above]
    if not isinstance(fetch, ast.Call) or not _fetches(fetch) or fetch.func is not above:
        raise NotCertain(_NOT_FETCHED)
    return Asking(owner, key, fetch, None, lookup)


def text_of(module: Module, node: ast.expr) -> str:
    """Return the text that an expression is: a constant, or the name of one of the module.

    Raises:
        NotCertain: it is none.
    """
    value: ast.expr | None = node
    if isinstance(node, ast.Name) and _times_bound(module, node.id) == 1:
        value = _top_level(module, node.id)
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    raise NotCertain(_NOT_CONSTANT)


def _top_level(module: Module, name: str) -> ast.expr | None:
    """Return what a name of the module is; None: it is not bound by an assignment there."""
    for each in module.tree.body:
        match each:
            case ast.Assign(targets=[ast.Name(id=bound)]) if bound == name:
                return each.value
            case ast.AnnAssign(target=ast.Name(id=bound)) if bound == name:
                return each.value
    return None


def is_dotted(node: ast.expr) -> bool:
    """Whether an expression is a name, or attributes of one."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _times_bound(module: Module, name: str) -> int:
    found = 0
    for node in ast.walk(module.tree):
        match node:
            case ast.Name(id=bound, ctx=ast.Store() | ast.Del()) | ast.arg(arg=bound):
                found += bound == name
    return found


def _fetched_behind(module: Module, ask: ast.Expr, owner: ast.expr) -> ast.Call:
    """Return the call that fetches the row, in the statement behind the one that asks."""
    block = module.source.block(ask)
    place = next(n for n, each in enumerate(block) if each is ask)
    found = [
        each
        for statement in block[place + 1 : place + 2]
        for each in ast.walk(statement)
        if isinstance(each, ast.Call) and _fetches(each)
    ]
    if len(found) != 1 or not module.source.has_own_lines(ask):
        raise NotCertain(_NOT_FETCHED)
    is_own = isinstance(owner, ast.Name) and _is_own_cursor(module, ask, owner.id)
    require(is_own, "its cursor is asked elsewhere, too, or was made elsewhere")
    return found[0]


def _is_own_cursor(module: Module, ask: ast.Expr, owner: str) -> bool:
    """Whether a function makes a cursor by itself, and asks it here alone."""
    made, used = 0, 0
    for node in ast.walk(module.source.function(ask) or module.tree):
        match node:
            case (
                ast.Assign(
                    targets=[ast.Name(id=name)], value=ast.Call(func=ast.Attribute(attr="cursor"))
                )
                | ast.withitem(
                    context_expr=ast.Call(func=ast.Attribute(attr="cursor")),
                    optional_vars=ast.Name(id=name),
                )
            ):
                made += name == owner
            case ast.Name(id=name):
                used += name == owner
    # Where it is made, where it is asked, and where is fetched.
    return (made, used) == (1, 3)


def _fetches(call: ast.Call) -> bool:
    match call:
        case ast.Call(func=ast.Attribute(attr="fetchone"), args=[], keywords=[]):
            return True
    return False


def _check_asked_in_each(turn: Turn) -> None:
    """Return if each turn asks: who asks for all rows before asks for no more of them."""
    ends = any(isinstance(each, _UNFORESEEN) for each in turn.repeated)
    require(not ends, "it may end early, or do what its text does not tell")
    fetch, ask = turn.asking.fetch, turn.asking.ask
    is_chosen = any(isinstance(each, _CHOOSING) for each in _above(turn.module, fetch, turn.loop))
    require(not is_chosen, _SOMETIMES)
    if not isinstance(turn.loop, ast.For):
        return
    statement, body = turn.module.source.statement(fetch), turn.loop.body
    places = [n for n, each in enumerate(body) if each is statement]
    require(places and isinstance(statement, _SIMPLE), _SOMETIMES)
    require(ask is None or any(each is ask for each in body), _SOMETIMES)
    before = (node for each in body[: places[0]] for node in ast.walk(each))
    require(not any(isinstance(node, ast.Continue) for node in before), _SOMETIMES)


def _above(module: Module, node: ast.AST, end: ast.AST | None = None) -> Iterator[ast.AST]:
    """Yield what stands between an expression and its statement, or another end."""
    above = module.source.parents.get(node)
    while above is not None and above is not end and not isinstance(above, ast.stmt):
        yield above
        above = module.source.parents.get(above)
