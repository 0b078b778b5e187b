"""Loops that do the same again and again: a length, a search in a list, a text that grows."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from honed.repair.refactor.certain import MUTABLE, PLAIN, SIZED, Certain
from honed.repair.refactor.package import Module
from honed.repair.refactor.refactor import Proof, Refactor, refactored
from honed.repair.source import Function
from honed.repair.suite import Edit

#: From so many constants on, a set answers faster than a list wherever the value stands in it;
#: fewer gain nothing where it stands first (measured with timeit, Python 3.11).
LEAST_CONSTANTS: Final = 4
_LOOPS: Final = (ast.For, ast.While)
_Loop = ast.For | ast.While
_FRESH: Final = (
    ast.List, ast.ListComp, ast.Dict, ast.DictComp, ast.Set, ast.SetComp, ast.Call,
)  # fmt: skip


def faster_loops(module: Module) -> list[Refactor]:
    """Return the changes of loops that are certain to do the same, each alone.

    * ``hoist_length``: the length of what the loop does not change is taken once before it.
    * ``constant_set``: a number or text that is looked for in a list or tuple of 4 or more
      constants is looked for in a set of them.
    * ``join_texts``: a text that only grows in a loop is joined once behind it.

    Arguments of functions have any type, and so nothing is certain of them. What an annotation says
    of them is believed of lengths and searches, and the proof says so; of texts that grow it is
    not, because a text of another class would lose that.
    """
    found: list[Refactor | None] = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _loops(node):
            certain = Certain(module, node)
            sure = [*hoisted(module, certain), *in_sets(module, certain)]
            found += [*sure, *joined(module, certain)]
            believed = Certain(module, node, believes=True)
            if believed.names != certain.names:
                found += _declared(sure, [*hoisted(module, believed), *in_sets(module, believed)])
    return [each for each in found if each is not None]


def _declared(
    sure: Sequence[Refactor | None], believed: Sequence[Refactor | None]
) -> Iterator[Refactor]:
    """Yield the changes that only annotations allow."""
    files = {each.files for each in sure if each is not None}
    for each in believed:
        if each is not None and each.files not in files:
            yield replace(each, proof=Proof.DECLARED)


def hoisted(module: Module, certain: Certain) -> Iterator[Refactor | None]:
    """Yield changes that take a length before the loop that does not change it."""
    done: set[int] = set()
    for loop in _loops(certain.function):
        for name, type_ in sorted(certain.names.items()):
            calls = [each for each in _lengths(loop, name) if id(each) not in done]
            if not calls or type_ not in SIZED or not certain.builtin("len"):
                continue
            if not _is_bound_before(module, certain, name, loop) or not _keeps(
                module, certain, name, loop
            ):
                continue
            done.update(id(each) for each in calls)
            yield _hoist(module, loop, name, calls)


def _hoist(module: Module, loop: _Loop, name: str, calls: list[ast.Call]) -> Refactor | None:
    source, fresh = module.source, module.fresh(f"{name}_length")
    start = source.line_start(loop.lineno)
    if source.text[:start].endswith((b"\\\n", b"\\\r\n")):
        return None
    line = f"{source.indent(loop)}{fresh} = len({name}){source.ends()}"
    edits = [Edit(start, start, line)]
    edits += [Edit(source.start(each), source.end(each), fresh) for each in calls]
    reason = f"line {loop.lineno}: the length of {name} does not change while the loop runs"
    return refactored("hoist_length", reason, Proof.ANALYSED, [(module, edits)])


def _lengths(loop: _Loop, name: str) -> list[ast.Call]:
    found = []
    # What a loop goes through is asked for once.
    repeated = [*loop.body, *([loop.test] if isinstance(loop, ast.While) else [])]
    for node in _outside_texts(repeated):
        match node:
            case ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=used)], keywords=[]):
                found += [node] if used == name else []
    return found


def _is_bound_before(module: Module, certain: Certain, name: str, loop: _Loop) -> bool:
    """Whether every way to a loop binds a name first."""
    if name in certain.declared:
        return True
    node: ast.stmt = loop
    while node is not certain.function:
        for each in module.source.block(node):
            if each is node:
                break
            match each:
                case ast.Assign(targets=[ast.Name(id=bound)]) if bound == name:
                    return True
        above = module.source.parents.get(node)
        while above is not None and not isinstance(above, ast.stmt):
            above = module.source.parents.get(above)
        if above is None:
            return False
        node = above
    return False


def _keeps(module: Module, certain: Certain, name: str, loop: _Loop) -> bool:
    """Whether a loop neither binds a name anew nor changes what it stands for."""
    inside = {id(each) for each in ast.walk(loop)}
    uses = certain.uses(name)
    if any(id(each) in inside and not isinstance(each.ctx, ast.Load) for each in uses):
        return False
    if certain.names[name] not in MUTABLE:
        return True
    return all(_is_harmless(module, each, is_inside=id(each) in inside) for each in uses)


def _is_harmless(  # noqa: PLR0911 - one for each way to use it
    module: Module, use: ast.Name, *, is_inside: bool
) -> bool:
    """Whether a use of a list, dictionary or set lets nobody else change it."""
    above = module.source.parents.get(use)
    match above:
        case ast.Assign(targets=[target], value=value) if target is use:
            return isinstance(value, _FRESH)
        case ast.Call(func=ast.Name(id="len"), args=[argument]):
            return argument is use
        case ast.Subscript(value=value, ctx=ast.Load()):
            return value is use
        case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[right]):
            return right is use and _is_plain_side(above.left)
        case ast.For(iter=iterated):
            return iterated is use
        case ast.Return():
            return True
        case ast.Attribute():
            call = module.source.parents.get(above)
            statement = module.source.parents.get(call) if call else None
            is_call = isinstance(call, ast.Call) and call.func is above
            return not is_inside and is_call and isinstance(statement, ast.Expr)
    return False


def _is_plain_side(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Constant | ast.Attribute | ast.Subscript)


def in_sets(module: Module, certain: Certain) -> Iterator[Refactor | None]:
    """Yield changes that look for plain values in sets of constants."""
    seen: set[int] = set()
    for loop in _loops(certain.function):
        repeated = [*loop.body, *([loop.test] if isinstance(loop, ast.While) else [])]
        for node in _outside_texts(repeated):
            match node:
                case ast.Compare(
                    left=left,
                    ops=[ast.In() | ast.NotIn()],
                    comparators=[ast.List() | ast.Tuple() as listed],
                ) if id(node) not in seen:
                    seen.add(id(node))
                    if certain.type(left) in PLAIN and _are_constants(listed):
                        yield _in_set(module, listed)


def _are_constants(listed: ast.List | ast.Tuple) -> bool:
    values = [each.value for each in listed.elts if isinstance(each, ast.Constant)]
    is_plain = all(isinstance(each, int | str) for each in values)
    return (
        is_plain
        and len(values) == len(listed.elts) >= LEAST_CONSTANTS
        and len(set(values)) == len(values)
    )


def _in_set(module: Module, listed: ast.List | ast.Tuple) -> Refactor | None:
    start, end = module.source.start(listed), module.source.end(listed)
    around = module.source.text[start : start + 1] + module.source.text[end - 1 : end]
    if around not in (b"[]", b"()"):
        return None
    edits = [Edit(start, start + 1, "{"), Edit(end - 1, end, "}")]
    reason = f"line {listed.lineno}: a set of constants is searched in one step, each time"
    return refactored("constant_set", reason, Proof.ANALYSED, [(module, edits)])


def joined(module: Module, certain: Certain) -> Iterator[Refactor | None]:
    """Yield changes that collect the parts of a text and join them behind the loop."""
    for loop in _loops(certain.function):
        for name, type_ in sorted(certain.names.items()):
            first = _first_value(module, loop, name) if type_ == "str" else None
            if first is None or loop.orelse or _is_guarded(module, certain, loop):
                continue
            added = _added(module, certain, loop, name)
            if added:
                yield _join(module, loop, name, (first, added))


def _first_value(module: Module, loop: _Loop, name: str) -> ast.Assign | None:
    """Return the statement that gives a text its first value, if nothing between reads it."""
    found: ast.Assign | None = None
    for each in module.source.block(loop):
        if each is loop:
            return found
        match each:
            case ast.Assign(targets=[ast.Name(id=bound)], value=ast.Constant(value=str())) if (
                bound == name
            ):
                found = each
            case _ if name in {n.id for n in ast.walk(each) if isinstance(n, ast.Name)}:
                found = None
    return None


def _is_guarded(module: Module, certain: Certain, loop: _Loop) -> bool:
    """Whether something around a loop may catch what it raises, and then look at the text."""
    above = module.source.parents.get(loop)
    while above is not None and above is not certain.function:
        if isinstance(above, ast.Try | ast.TryStar | ast.With | ast.AsyncWith):
            return True
        above = module.source.parents.get(above)
    return False


def _added(module: Module, certain: Certain, loop: _Loop, name: str) -> list[ast.AugAssign]:
    """Return the statements that add to a text, if a loop does nothing else with it."""
    inside = {id(each) for each in ast.walk(loop)}
    added = []
    for use in certain.uses(name):
        if id(use) not in inside:
            continue
        above = module.source.parents.get(use)
        is_addition = isinstance(above, ast.AugAssign) and above.target is use
        if not is_addition or not isinstance(above, ast.AugAssign):
            return []
        if not isinstance(above.op, ast.Add) or certain.type(above.value) != "str":
            return []
        added.append(above)
    return added


def _join(
    module: Module, loop: _Loop, name: str, change: tuple[ast.Assign, list[ast.AugAssign]]
) -> Refactor | None:
    source, fresh = module.source, module.fresh(f"{name}_parts")
    first, added = change
    behind = source.lines_of(loop)[1]
    dropped = [source.between(source.start(each), source.start(each.value)) for each in added]
    dropped += [source.between(source.end(each.value), source.end(each)) for each in added]
    line = source.between(source.start(first), source.lines_of(first)[1])
    if "# type:" in line or any("#" in each for each in dropped):
        return None
    if source.text[behind - 1 : behind] != b"\n":
        return None
    target, value = first.targets[0], first.value
    written = source.of(value) if getattr(value, "value", "") else ""
    edits = [
        Edit(source.start(target), source.end(target), fresh),
        Edit(source.start(value), source.end(value), f"[{written}]"),
        Edit(behind, behind, f'{source.indent(loop)}{name} = "".join({fresh}){source.ends()}'),
    ]
    for each in added:
        edits += [
            Edit(source.start(each), source.start(each.value), f"{fresh}.append("),
            Edit(source.end(each.value), source.end(each), ")"),
        ]
    reason = f"line {loop.lineno}: {name} is copied each time that the loop adds to it"
    return refactored("join_texts", reason, Proof.ANALYSED, [(module, edits)])


def _loops(function: Function) -> list[_Loop]:
    """Return the loops of a function, outer ones first, without those of functions within."""
    found: list[_Loop] = []
    waiting: list[ast.AST] = list(reversed(function.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, _LOOPS):
            found.append(node)
        waiting.extend(reversed(list(ast.iter_child_nodes(node))))
    return found


def _outside_texts(nodes: list[ast.AST] | list[ast.stmt | ast.expr]) -> Iterator[ast.AST]:
    """Yield nodes with what is below them; inside f-strings positions are not to be trusted."""
    waiting: list[ast.AST] = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.JoinedStr | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))
