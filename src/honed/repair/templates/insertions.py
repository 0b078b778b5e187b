"""Insertions: a line more, before or behind a statement."""

import ast
from typing import Final

from honed.repair.templates.template import Draft, Drafts, Site, template

SIMPLE: Final = (ast.Assign, ast.AugAssign, ast.Expr, ast.Return, ast.Break, ast.Continue)
STEP: Final = "    "


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


def is_elif(site: Site, node: ast.stmt) -> bool:
    """Whether a statement is a further branch, before which nothing can stand."""
    return isinstance(node, ast.If) and site.source.text[site.source.start(node) :].startswith(
        b"elif"
    )


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
    if not site.source.has_own_lines(node) or is_documentation(node) or is_elif(site, node):
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
        or is_elif(site, node)
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
    text = f"if {condition}:{site.source.ends()}{indent}{STEP}{act}"
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
    if function is None or not site.source.has_own_lines(node) or is_elif(site, node):
        return
    for each in ast.walk(function):
        if not isinstance(each, SIMPLE) or each is node or is_documentation(each):
            continue
        text = site.of(each)
        if "\n" not in text:
            yield before(site, node, text, 0.4)
            if not isinstance(node, (ast.Return, ast.Break, ast.Continue)):
                yield after(site, node, text, 0.4)
