"""Values: another variable, constant or attribute, one more or less, another beginning."""

import ast
from collections.abc import Iterator
from typing import Final

from honed.repair.templates.template import Draft, Drafts, Site, likely, template

_LOADED: Final = (ast.Name, ast.Attribute, ast.Subscript)
_MOST_ELEMENTS: Final = 12
_MOST_TEXTS: Final = 6


def is_read(node: ast.AST) -> bool:
    """Whether an expression is read, and not assigned to."""
    return not isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del))


@template(ast.Name, ast.Call, ast.BinOp, ast.Subscript, ast.Attribute)
def off_by_one(site: Site, node: ast.expr) -> Drafts:
    """Add or subtract one where a whole number counts or points."""
    if not is_read(node) or "int" not in (site.types_of(node) or _guess(node)):
        return
    weight = _counts(site, node)
    if weight:
        for sign in "+-":
            yield site.replace(node, f"{site.of(node)} {sign} 1", weight)


def _guess(node: ast.expr) -> frozenset[str]:
    is_number = isinstance(node, ast.BinOp) and isinstance(
        node.op, (ast.Sub, ast.FloorDiv, ast.Mod, ast.Div)
    )
    return frozenset({"int"}) if is_number or isinstance(node, ast.Subscript) else frozenset()


def _counts(site: Site, node: ast.expr) -> float:
    """Return how usual an off-by-one is where an expression stands."""
    parent = site.parent(node)
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name):
        if node is parent.func:
            return 0.0
        return 1.0 if parent.func.id == "range" else 0.4
    if isinstance(parent, (ast.Slice, ast.Subscript)):
        return 0.0 if node is getattr(parent, "value", None) else 0.9
    if isinstance(parent, (ast.Compare, ast.Return, ast.Assign)):
        return 0.6
    if isinstance(parent, ast.BinOp):
        return 0.4
    return 0.2 if isinstance(parent, ast.expr) else 0.0


@template(ast.Constant)
def constant_number(site: Site, node: ast.Constant) -> Drafts:
    """Change a number: by one, to a usual one, or to another of the function."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    near = {value + 1: 0.9, value - 1: 0.9}
    usual = {0: 0.7, 1: 0.7, -1: 0.5, 2: 0.4, -value: 0.4, value * 2: 0.3, value * 10: 0.2, 10: 0.2}
    if isinstance(value, int):
        usual |= {value // 2: 0.2, 3: 0.15, 4: 0.15, 5: 0.15}
    others = {
        float(text) if "." in text else int(text): 0.4
        for text in site.pool.constants
        if text.lstrip("-").replace(".", "", 1).isdigit()
    }
    for other, weight in {**usual, **others, **near}.items():
        if other != value:
            yield site.replace(node, repr(other), weight)
    for name in site.named("int", "float"):
        yield site.replace(node, name, 0.3)


@template(ast.Constant)
def constant_text(site: Site, node: ast.Constant) -> Drafts:
    """Change a text: its case, a character less, or another of the function."""
    value = node.value
    if not isinstance(value, str) or isinstance(site.parent(node), ast.Expr):
        return
    cases = {value.lower(), value.upper(), value.capitalize(), value.title()}
    others = dict.fromkeys(sorted(cases), 0.6)
    others |= {value.strip(): 0.5, value[:-1]: 0.5, value[1:]: 0.4, "": 0.4, " ": 0.3}
    others |= {value + " ": 0.2, " " + value: 0.2}
    for text in site.pool.constants:
        if text[:1] in "'\"":
            others.setdefault(ast.literal_eval(text), 0.5)
    for other, weight in others.items():
        if other != value:
            yield site.replace(node, quoted(site, node, other), weight)
    for name in site.named("str"):
        yield site.replace(node, name, 0.2)


def quoted(site: Site, node: ast.Constant, text: str) -> str:
    """Return a literal with the quotes of the old one."""
    literal = repr(text)
    is_double = site.of(node).lstrip("rRbBuU").startswith('"')
    return f'"{literal[1:-1]}"' if is_double and '"' not in literal else literal


@template(ast.Constant)
def constant_flag(site: Site, node: ast.Constant) -> Drafts:
    """Turn True into False and back, and None into an empty value."""
    if isinstance(node.value, bool):
        yield site.replace(node, str(not node.value))
        yield site.replace(node, "None", 0.2)
        # ``while True`` where something runs out.
        for name in site.names if isinstance(site.parent(node), (ast.If, ast.While)) else ():
            yield site.replace(node, name, 0.6)
    elif node.value is None:
        for text in ("[]", "0", "''", "False", "True", "{}", "-1"):
            yield site.replace(node, text, 0.4)


@template(ast.Constant)
def case_pair(site: Site, node: ast.Constant) -> Drafts:
    """Change the case of all texts of a statement at once."""
    value = node.value
    if not isinstance(value, str) or isinstance(site.parent(node), ast.Expr):
        return
    texts = [
        each
        for each in ast.walk(site.statement)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    if not 1 < len(texts) <= _MOST_TEXTS or texts[0] is not node:
        return
    for change in (str.capitalize, str.lower, str.upper):
        edits = [
            edit
            for each in texts
            if change(str(each.value)) != each.value
            for edit in site.replace(each, quoted(site, each, change(str(each.value)))).edits
        ]
        if len(edits) > 1:
            yield Draft(tuple(edits))


@template(ast.Name)
def variable(site: Site, node: ast.Name) -> Drafts:
    """Take another variable of a type that fits; any, for a name that nothing binds."""
    parent = site.parent(node)
    is_called = isinstance(parent, ast.Call) and node is parent.func
    is_known = node.id in site.types or node.id in site.source.unbound
    if not is_read(node) or is_called or not is_known:
        return
    for name in site.alike(site.types_of(node)):
        if name != node.id:
            yield site.replace(node, name)


@template(ast.Name)
def assigned_variable(site: Site, node: ast.Name) -> Drafts:
    """Assign to another variable."""
    if isinstance(node.ctx, ast.Store) and isinstance(
        site.parent(node), (ast.Assign, ast.AugAssign)
    ):
        for name in site.names:
            if name != node.id:
                yield site.replace(node, name)


@template(ast.Assign, ast.AugAssign)
def assigned_element(site: Site, node: ast.Assign | ast.AugAssign) -> Drafts:
    """Assign to another element, one that the function reads."""
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if not isinstance(target, ast.Subscript):
        return
    for text in site.pool.expressions:
        if text.endswith("]") and "(" not in text and text != site.of(target):
            yield site.replace(target, text)


@template(ast.Attribute)
def attribute(site: Site, node: ast.Attribute) -> Drafts:
    """Read another attribute that the file reads, too."""
    end = site.source.end(node)
    start = end - len(node.attr.encode())
    parent = site.parent(node)
    if isinstance(parent, ast.Call) and node is parent.func:
        return
    holder = node.value.id if isinstance(node.value, ast.Name) else ""
    names = {
        **dict.fromkeys(site.pool.attributes, 1.0),
        **likely(site.pool.keys.get(holder, ()), node.attr),
    }
    for name, weight in names.items():
        if name != node.attr:
            yield site.edit(start, end, name, weight)


@template(ast.Call, ast.BinOp, ast.Subscript, ast.Attribute, ast.UnaryOp, ast.IfExp)
def expression_to_variable(site: Site, node: ast.expr) -> Drafts:
    """Take a variable that is there in place of computing something."""
    if not is_read(node) or isinstance(site.parent(node), ast.Expr):
        return
    parent = site.parent(node)
    if isinstance(parent, ast.Call) and node is parent.func:
        return
    for name in site.alike(site.types_of(node)):
        yield site.replace(node, name, 0.7)


@template(ast.Name, ast.Call, ast.Subscript, ast.BinOp)
def combine(site: Site, node: ast.expr) -> Drafts:
    """Add, subtract or multiply a variable that is there."""
    if not is_read(node) or not site.types_of(node) & {"int", "float"}:
        return
    parent = site.parent(node)
    is_called = isinstance(parent, ast.Call) and node is parent.func
    if is_called or isinstance(parent, ast.BinOp):
        return
    text = site.of(node)
    for name in site.named("int", "float"):
        if name != text:
            yield site.replace(node, f"{site.operand(node, ast.Add)} + {name}", 0.6)
            yield site.replace(node, f"{site.operand(node, ast.Add)} - {name}", 0.6)
            yield site.replace(node, f"{name} - {site.operand(node, ast.Mult)}", 0.3)
            yield site.replace(node, f"{site.operand(node, ast.Mult)} * {name}", 0.3)
    for number in ("2", "10"):
        yield site.replace(node, f"{site.operand(node, ast.Mult)} * {number}", 0.1)
        yield site.replace(node, f"{site.operand(node, ast.Mult)} // {number}", 0.1)
        yield site.replace(node, f"{site.operand(node, ast.Mult)} % {number}", 0.1)


@template(ast.Return)
def return_value(site: Site, node: ast.Return) -> Drafts:
    """Return something else."""
    if node.value is None:
        for name in site.names:
            yield site.edit(site.source.end(node), site.source.end(node), f" {name}", 0.5)
        return
    old = site.of(node.value)
    usual = {"True": 0.4, "False": 0.4, "None": 0.3, "0": 0.3, "[]": 0.3, "''": 0.2, "1": 0.2}
    for text, weight in {**usual, **dict.fromkeys(site.pool.returned, 0.6)}.items():
        if text != old:
            yield site.replace(node.value, text, weight)
    for name in site.names:
        if name != old:
            yield site.replace(node.value, name, 0.5)


@template(ast.Return)
def return_claim(site: Site, node: ast.Return) -> Drafts:
    """Return what a local says in place of the same always."""
    if not isinstance(node.value, ast.Constant) or not isinstance(node.value.value, bool):
        return
    for name in site.names:
        is_number = site.types.get(name, frozenset()) & {"int", "float"}
        for text in (f"{name} == 0", f"{name} > 0") if is_number else (f"not {name}", name):
            yield site.replace(node.value, text)


@template(ast.Assign)
def first_value(site: Site, node: ast.Assign) -> Drafts:
    """Begin with another value."""
    if not isinstance(node.value, (ast.Constant, ast.List, ast.Dict, ast.UnaryOp)):
        return
    usual = ("0", "1", "-1", "None", "[]", "''", "{}", "set()", "True", "False")
    for text in (*usual, "float('inf')", "float('-inf')"):
        if text != site.of(node.value):
            yield site.replace(node.value, text, 0.5)
    for name in site.names:
        yield site.replace(node.value, name, 0.4)
        if site.types.get(name, frozenset()) & {"list", "tuple", "str"}:
            yield site.replace(node.value, f"{name}[0]", 0.4)
            yield site.replace(node.value, f"len({name})", 0.3)


@template(ast.List, ast.Tuple, ast.Set)
def drop_elements(site: Site, node: ast.List | ast.Tuple | ast.Set) -> Drafts:
    """Drop one element, or several that stand together."""
    if not is_read(node) or not 1 < len(node.elts) <= _MOST_ELEMENTS:
        return
    for start, stop in _runs(len(node.elts)):
        kept = node.elts[:start] + node.elts[stop:]
        inner = ", ".join(map(site.of, kept))
        begin, end = site.source.start(node.elts[0]), site.source.end(node.elts[-1])
        if isinstance(node, ast.Tuple) and len(kept) == 1:
            inner += ","
        yield site.edit(begin, end, inner, 1.0 if stop - start == 1 else 0.4)


def _runs(length: int) -> Iterator[tuple[int, int]]:
    for size in range(1, length):
        for start in range(length - size + 1):
            yield start, start + size


@template(ast.List, ast.Tuple)
def swap_elements(site: Site, node: ast.List | ast.Tuple) -> Drafts:
    """Swap two neighbours."""
    for one, other in zip(node.elts, node.elts[1:], strict=False):
        if isinstance(one, ast.Starred) or isinstance(other, ast.Starred):
            continue
        drafts = site.replace(one, site.of(other)), site.replace(other, site.of(one))
        yield Draft(tuple(edit for draft in drafts for edit in draft.edits), 0.8)


@template(ast.IfExp)
def choice(site: Site, node: ast.IfExp) -> Drafts:
    """Swap the two values of a choice, or take one of them always."""
    drafts = (
        site.replace(node.body, site.of(node.orelse)),
        site.replace(node.orelse, site.of(node.body)),
    )
    yield Draft(tuple(edit for draft in drafts for edit in draft.edits))
    yield site.replace(node, site.of(node.body), 0.4)
    yield site.replace(node, site.of(node.orelse), 0.4)
