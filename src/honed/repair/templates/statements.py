"""Statements: one less, elsewhere, or of another sort."""

import ast

from honed.repair.templates.insertions import SIMPLE, STEP, is_documentation, is_elif, line
from honed.repair.templates.template import Drafts, Site, template


@template(ast.stmt)
def delete_statement(site: Site, node: ast.stmt) -> Drafts:
    """Drop a statement."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Pass)) or is_documentation(node):
        return
    start, end = site.source.lines_of(node)
    if not site.source.has_own_lines(node) or len(site.source.block(node)) == 1:
        yield site.edit(site.source.start(node), site.source.end(node), "pass", 0.7)
    elif not is_elif(site, node):
        yield site.edit(start, end, "")


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
        return "".join(STEP * by + each if each.strip() else each for each in lines)
    return "".join(each.removeprefix(STEP * -by) for each in lines)


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
    elif not node.orelse and not is_elif(site, node):
        yield site.edit(start, start + len("if"), "while")


@template(ast.If)
def elif_if(site: Site, node: ast.If) -> Drafts:
    """Make the next branch a condition of its own, and back."""
    start = site.source.start(node)
    if is_elif(site, node):
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
    if not isinstance(node, SIMPLE) or is_documentation(node):
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
