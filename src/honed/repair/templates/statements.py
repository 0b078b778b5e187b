"""Statements: one less, one more, elsewhere, or of another sort."""

import ast
from typing import Final

from honed.repair.templates.template import Draft, Drafts, Site, template

_SIMPLE: Final = (ast.Assign, ast.AugAssign, ast.Expr, ast.Return, ast.Break, ast.Continue)
_STEP: Final = "    "


def is_documentation(node: ast.stmt) -> bool:
    """Whether a statement is a text that stands for itself."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def line(site: Site, text: str, at: ast.stmt) -> str:
    """Return a line of its own with the indentation of a statement."""
    return f"{site.source.indent(at)}{text}{site.source.ends()}"


def before(site: Site, node: ast.stmt, text: str, weight: float = 1.0) -> Draft:
    """Return the insertion of a line before a statement."""
    start, _ = site.source.lines_of(node)
    return site.edit(start, start, line(site, text, node), weight)


def after(site: Site, node: ast.stmt, text: str, weight: float = 1.0) -> Draft:
    """Return the insertion of a line behind a statement."""
    _, end = site.source.lines_of(node)
    missing = "" if site.source.text[:end].endswith(b"\n") else site.source.ends()
    return site.edit(end, end, missing + line(site, text, node), weight)


@template(ast.stmt)
def delete_statement(site: Site, node: ast.stmt) -> Drafts:
    """Drop a statement."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Pass)) or is_documentation(node):
        return
    start, end = site.source.lines_of(node)
    if not site.source.has_own_lines(node) or len(site.source.block(node)) == 1:
        yield site.edit(site.source.start(node), site.source.end(node), "pass", 0.7)
    elif not _is_elif(site, node):
        yield site.edit(start, end, "")


def _is_elif(site: Site, node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and site.source.text[site.source.start(node) :].startswith(
        b"elif"
    )


@template(ast.stmt)
def swap_statements(site: Site, node: ast.stmt) -> Drafts:
    """Swap a statement with the next one."""
    following = _following(site, node)
    if following is not None and site.source.has_own_lines(following):
        start, middle = site.source.lines_of(node)
        begin, end = site.source.lines_of(following)
        if site.source.text[:end].endswith(b"\n") and site.source.has_own_lines(node):
            text = site.source.between(begin, end) + site.source.between(middle, begin)
            yield site.edit(start, end, text + site.source.between(start, middle))


def _following(site: Site, node: ast.stmt) -> ast.stmt | None:
    block = site.source.block(node)
    number = next((n for n, each in enumerate(block) if each is node), len(block))
    return block[number + 1] if number + 1 < len(block) and not is_documentation(node) else None


def _indented(text: str, by: int) -> str:
    lines = text.splitlines(keepends=True)
    if by > 0:
        return "".join(_STEP * by + each if each.strip() else each for each in lines)
    return "".join(each.removeprefix(_STEP * -by) for each in lines)


@template(ast.stmt)
def move_out(site: Site, node: ast.stmt) -> Drafts:
    """Move the last statement of a block behind the block."""
    parent = site.parent(node)
    block = site.source.block(node)
    if not isinstance(parent, (ast.For, ast.While, ast.If, ast.With)) or block[0] is node:
        return
    if block[-1] is not node or not site.source.has_own_lines(node):
        return
    start, end = site.source.lines_of(node)
    text = site.source.between(start, end)
    if end == site.source.lines_of(parent)[1]:
        yield site.edit(start, end, _indented(text, -1))


@template(ast.stmt)
def move_in(site: Site, node: ast.stmt) -> Drafts:
    """Move a statement to the end of the block before it."""
    block = site.source.block(node)
    number = next((n for n, each in enumerate(block) if each is node), 0)
    if not number or not site.source.has_own_lines(node):
        return
    previous = block[number - 1]
    if isinstance(previous, (ast.For, ast.While, ast.If, ast.With)):
        start, end = site.source.lines_of(node)
        yield site.edit(start, end, _indented(site.source.between(start, end), 1))


@template(ast.Return)
def leave_block(site: Site, node: ast.Return) -> Drafts:
    """Return after the loop in place of in it, or from the loop in place of after it."""
    above = site.parent(node)
    depth = 0
    while isinstance(above, (ast.For, ast.While, ast.If)):
        depth += 1
        start, end = site.source.lines_of(node)
        if depth > 1 and end == site.source.lines_of(above)[1] and len(site.source.block(node)) > 1:
            yield site.edit(start, end, _indented(site.source.between(start, end), -depth))
        above = site.parent(above)


@template(ast.Break, ast.Continue, ast.Pass)
def jump(site: Site, node: ast.stmt) -> Drafts:
    """Turn ``break`` into ``continue`` and back."""
    old = site.of(node)
    for text in ("break", "continue", "pass"):
        if text != old:
            yield site.edit(site.source.start(node), site.source.end(node), text)


@template(ast.stmt)
def insert_jump(site: Site, node: ast.stmt) -> Drafts:
    """Leave a loop, or go on with it, behind a statement."""
    above = site.parent(node)
    while above is not None and not isinstance(above, (ast.For, ast.While, ast.FunctionDef)):
        above = site.parent(above)
    is_last = isinstance(above, (ast.For, ast.While)) and site.source.block(node)[-1] is node
    if (
        is_last
        and site.source.has_own_lines(node)
        and not isinstance(node, (ast.Return, ast.Break))
    ):
        yield after(site, node, "break", 0.6)
        yield after(site, node, "continue", 0.2)


@template(ast.stmt)
def insert_step(site: Site, node: ast.stmt) -> Drafts:
    """Count a variable on, behind a statement."""
    if not site.source.has_own_lines(node) or isinstance(node, (ast.Return, ast.Raise)):
        return
    for name in site.named("int", "float"):
        yield after(site, node, f"{name} += 1", 0.6)
        yield after(site, node, f"{name} -= 1", 0.6)


@template(ast.stmt)
def insert_assignment(site: Site, node: ast.stmt) -> Drafts:
    """Keep one local in another of its sort, before or behind a statement."""
    if not site.source.has_own_lines(node) or is_documentation(node) or _is_elif(site, node):
        return
    for target in site.names:
        for value in site.alike(site.types.get(target, frozenset())):
            if target != value and site.types.get(target):
                yield before(site, node, f"{target} = {value}", 0.4)
                if not isinstance(node, (ast.Return, ast.Break, ast.Continue)):
                    yield after(site, node, f"{target} = {value}", 0.4)


@template(ast.stmt)
def insert_call(site: Site, node: ast.stmt) -> Drafts:
    """Put a local into a container, behind or before a statement."""
    if not site.source.has_own_lines(node) or is_documentation(node):
        return
    for sort, method in (
        ("list", "append"),
        ("set", "add"),
        ("list", "remove"),
        ("deque", "append"),
    ):
        for holder in site.named(sort):
            for name in site.names:
                if name != holder:
                    place = before if isinstance(node, ast.Return) else after
                    yield place(site, node, f"{holder}.{method}({name})", 0.4)
    for holder in site.named("list"):
        for method in ("sort", "reverse"):
            yield before(site, node, f"{holder}.{method}()", 0.3)


@template(ast.stmt)
def insert_guard(site: Site, node: ast.stmt) -> Drafts:
    """Return early where a value is None, empty or zero."""
    if (
        site.source.function(node) is None
        or not site.source.has_own_lines(node)
        or _is_elif(site, node)
    ):
        return
    results = list(dict.fromkeys([*site.pool.returned[:6], "None", "[]", "0", "False"]))
    for name in site.names[:6]:
        types = site.types.get(name, frozenset())
        if types & {"list", "str", "dict", "set", "tuple", "NoneType"}:
            conditions = [f"not {name}"]
            if "NoneType" in types:
                conditions.append(f"{name} is None")
        elif types & {"int", "float"}:
            conditions = [f"{name} == 0", f"{name} < 0", f"{name} == 1"]
        else:
            continue
        for condition in conditions:
            for result in results:
                yield _guarded(site, node, condition, f"return {result}", 0.5)
            yield _guarded(site, node, condition, "return", 0.2)


def _guarded(site: Site, node: ast.stmt, condition: str, act: str, weight: float) -> Draft:
    indent = site.source.indent(node)
    text = f"if {condition}:{site.source.ends()}{indent}{_STEP}{act}"
    return before(site, node, text, weight)


@template(ast.stmt)
def insert_return(site: Site, node: ast.stmt) -> Drafts:
    """Return something behind the last statement of a function."""
    function = site.source.function(node)
    if function is None or function.body[-1] is not node or isinstance(node, ast.Return):
        return
    for text in dict.fromkeys([*site.names, *site.pool.returned]):
        yield after(site, node, f"return {text}", 0.6)


@template(ast.stmt)
def copy_statement(site: Site, node: ast.stmt) -> Drafts:
    """Do what the function does elsewhere before or behind a statement, too."""
    function = site.source.function(node)
    if function is None or not site.source.has_own_lines(node) or _is_elif(site, node):
        return
    for each in ast.walk(function):
        if not isinstance(each, _SIMPLE) or each is node or is_documentation(each):
            continue
        text = site.of(each)
        if "\n" not in text:
            yield before(site, node, text, 0.4)
            if not isinstance(node, (ast.Return, ast.Break, ast.Continue)):
                yield after(site, node, text, 0.4)


@template(ast.Return, ast.Expr)
def yield_return(site: Site, node: ast.Return | ast.Expr) -> Drafts:
    """Turn ``return`` into ``yield`` and back, and yield each element."""
    start = site.source.start(node)
    if isinstance(node, ast.Return) and node.value is not None:
        yield site.edit(start, start + len("return"), "yield")
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield):
        yield site.edit(start, start + len("yield"), "return")
        yield site.edit(start, start + len("yield"), "yield from")
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield site.edit(start, start, "yield from ", 0.4)
        yield site.edit(start, start, "return ", 0.6)
        yield site.edit(start, start, "yield ", 0.3)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.YieldFrom):
        yield site.edit(start, start + len("yield from"), "yield")


@template(ast.Return)
def drop_return(site: Site, node: ast.Return) -> Drafts:
    """Go on in place of returning."""
    if node.value is not None and isinstance(node.value, ast.Call):
        yield site.edit(site.source.start(node), site.source.start(node.value), "", 0.3)


@template(ast.Expr)
def assign_result(site: Site, node: ast.Expr) -> Drafts:
    """Keep what a call returns."""
    call = node.value
    if isinstance(call, ast.Call):
        start = site.source.start(node)
        for name in site.names:
            yield site.edit(start, start, f"{name} = ", 0.4)


@template(ast.If, ast.While)
def branch_loop(site: Site, node: ast.If | ast.While) -> Drafts:
    """Turn ``if`` into ``while`` and back."""
    start = site.source.start(node)
    if isinstance(node, ast.While):
        if not any(isinstance(each, (ast.Break, ast.Continue)) for each in ast.walk(node)):
            yield site.edit(start, start + len("while"), "if", 0.6)
    elif not node.orelse and not _is_elif(site, node):
        yield site.edit(start, start + len("if"), "while")


@template(ast.If)
def elif_if(site: Site, node: ast.If) -> Drafts:
    """Make the next branch a condition of its own, and back."""
    start = site.source.start(node)
    if _is_elif(site, node):
        yield site.edit(start, start + len("elif"), "if")
        return
    block = site.source.block(node)
    number = next((n for n, each in enumerate(block) if each is node), 0)
    if number and isinstance(block[number - 1], ast.If):
        yield site.edit(start, start + len("if"), "elif", 0.6)


@template(ast.If)
def branch_always(site: Site, node: ast.If) -> Drafts:
    """Take a branch always, or never."""
    yield site.replace(node.test, "True", 0.2)
    yield site.replace(node.test, "False", 0.2)


@template(ast.For)
def loop_over(site: Site, node: ast.For) -> Drafts:
    """Loop over a copy, backwards, or over something else."""
    text = site.of(node.iter)
    if site.may_be(node.iter, "list", "tuple", "str", "set", "dict"):
        yield site.replace(node.iter, f"list({text})", 0.5)
    yield site.replace(node.iter, f"reversed({text})", 0.6)
    yield site.replace(node.iter, f"range(len({text}))", 0.4)
    for name in site.named("list", "tuple", "str", "set", "dict", "range"):
        if name != text:
            yield site.replace(node.iter, name, 0.5)


@template(ast.stmt)
def wrap_in_condition(site: Site, node: ast.stmt) -> Drafts:
    """Do something only where one of the function's conditions holds."""
    if not isinstance(node, _SIMPLE) or is_documentation(node):
        return
    if not site.source.has_own_lines(node):
        return
    start, end = site.source.lines_of(node)
    body = _indented(site.source.between(start, end), 1)
    conditions = [*site.pool.conditions, *(name for name in site.names if _is_guard(site, name))]
    for condition in dict.fromkeys(conditions):
        for text in (condition, f"not ({condition})" if " " in condition else f"not {condition}"):
            yield site.edit(start, end, line(site, f"if {text}:", node) + body, 0.3)


def _is_guard(site: Site, name: str) -> bool:
    return bool(
        site.types.get(name, frozenset()) & {"list", "str", "dict", "set", "NoneType", "bool"}
    )
