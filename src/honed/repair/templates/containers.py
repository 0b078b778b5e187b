"""Containers: other indices and slices, elements for containers and back, joined ones."""

import ast

from honed.repair.suite import Edit
from honed.repair.templates.template import Draft, Drafts, Site, template
from honed.repair.templates.values import is_read


@template(ast.Subscript)
def index(site: Site, node: ast.Subscript) -> Drafts:
    """Take the first, the last or a neighbouring element."""
    if isinstance(node.slice, (ast.Slice, ast.Tuple)) or "str" in site.types_of(node.slice):
        return
    old = site.of(node.slice)
    for text, weight in {"0": 0.6, "-1": 0.6, "1": 0.4, "-2": 0.3}.items():
        if text != old:
            yield site.replace(node.slice, text, weight)
    for name in site.named("int", "str"):
        if name != old:
            yield site.replace(node.slice, name, 0.4)


@template(ast.Subscript)
def clamp_index(site: Site, node: ast.Subscript) -> Drafts:
    """Take the last element where an index is behind it, the first where it is before it."""
    is_fixed = isinstance(node.slice, (ast.Slice, ast.Tuple, ast.Constant, ast.UnaryOp))
    if not is_read(node) or is_fixed or not isinstance(node.value, (ast.Name, ast.Attribute)):
        return
    if site.may_be(node.slice, "int") and site.may_be(node.value, "list", "tuple", "str"):
        old, holder = site.of(node.slice), site.of(node.value)
        yield site.replace(node.slice, f"min({old}, len({holder}) - 1)")
        yield site.replace(node.slice, f"max({old}, 0)", 0.6)


@template(ast.stmt)
def whole_quotients(site: Site, node: ast.stmt) -> Drafts:
    """Divide to whole numbers wherever a statement counts or points."""
    edits = [
        Edit(place, place + 1, "//")
        for each in site.source.own_nodes(node)
        if isinstance(each, ast.BinOp) and isinstance(each.op, ast.Div) and _points(site, each)
        for place in (site.source.text.find(b"/", site.source.end(each.left)),)
    ]
    if edits:
        yield Draft(tuple(edits))


def _points(site: Site, node: ast.AST) -> bool:
    """Whether an expression is within an index, a bound of a slice, or what a range is of."""
    parent = site.parent(node)
    while isinstance(node, ast.expr) and parent is not None:
        if isinstance(parent, ast.Subscript) and node is parent.slice:
            return True
        if isinstance(parent, ast.Call):
            return isinstance(parent.func, ast.Name) and parent.func.id == "range"
        node, parent = parent, site.parent(parent)
    return False


@template(ast.Subscript)
def swap_indices(site: Site, node: ast.Subscript) -> Drafts:
    """Swap the indices of a table."""
    if isinstance(node.value, ast.Subscript):
        one, other = node.slice, node.value.slice
        edits = (*site.replace(one, site.of(other)).edits, *site.replace(other, site.of(one)).edits)
        yield Draft(edits)


@template(ast.Subscript)
def container_cross(site: Site, node: ast.Subscript) -> Drafts:
    """Take another container with another index."""
    if not is_read(node) or isinstance(node.slice, ast.Slice):
        return
    for holder in site.named("list", "dict", "tuple", "str"):
        for key in site.named("int", "str"):
            text = f"{holder}[{key}]"
            if text != site.of(node) and key != holder:
                yield site.replace(node, text, 0.5)


@template(ast.Subscript)
def element_to_container(site: Site, node: ast.Subscript) -> Drafts:
    """Take the whole in place of an element."""
    if is_read(node):
        yield site.replace(node, site.of(node.value), 0.5)


@template(ast.Name)
def container_to_element(site: Site, node: ast.Name) -> Drafts:
    """Take an element in place of the whole."""
    parent = site.parent(node)
    is_base = isinstance(parent, (ast.Attribute, ast.Subscript)) and node is parent.value
    if not is_read(node) or is_base or not site.types_of(node) & {"list", "tuple", "str", "dict"}:
        return
    for key in (*site.named("int", "str"), "0", "-1"):
        if key != node.id:
            yield site.replace(node, f"{node.id}[{key}]", 0.4)


@template(ast.Slice)
def slice_bounds(site: Site, node: ast.Slice) -> Drafts:
    """Drop, add or move a bound of a slice."""
    parts = [site.of(each) if each else "" for each in (node.lower, node.upper, node.step)]
    lower, upper, step = parts
    texts: dict[tuple[str, str, str], float] = {}
    if lower:
        texts["", upper, step] = 0.8
        texts[f"{lower} + 1", upper, step] = 0.6
        texts[f"{lower} - 1", upper, step] = 0.5
    else:
        texts["1", upper, step] = 0.7
    if upper:
        texts[lower, "", step] = 0.8
        texts[lower, f"{upper} + 1", step] = 0.7
        texts[lower, f"{upper} - 1", step] = 0.6
    else:
        texts[lower, "-1", step] = 0.7
    if lower and upper:
        texts[upper, lower, step] = 0.3
    texts[upper, lower, step] = 0.4
    texts |= {(lower, upper, "-1"): 0.4, (lower, upper, "2"): 0.2, (lower, upper, ""): 0.4}
    for name in site.named("int"):
        texts |= {(name, upper, step): 0.3, (lower, name, step): 0.3}
        texts |= {(f"{name} + 1", upper, step): 0.2, (lower, f"{name} + 1", step): 0.2}
    for (low, high, stride), weight in texts.items():
        text = f"{low}:{high}:{stride}" if stride else f"{low}:{high}"
        yield site.edit(site.source.start(node), site.source.end(node), text, weight)


@template(ast.Name, ast.Call)
def add_slice(site: Site, node: ast.expr) -> Drafts:
    """Take a part of a sequence."""
    parent = site.parent(node)
    is_base = isinstance(parent, (ast.Subscript, ast.Attribute)) and node is parent.value
    if isinstance(parent, ast.Call) and node is parent.func:
        return
    if is_read(node) and not is_base and site.types_of(node) & {"list", "tuple", "str"}:
        for part, weight in (("1:", 0.7), (":-1", 0.7), ("::-1", 0.7), (":", 0.4)):
            yield site.replace(node, f"{site.of(node)}[{part}]", weight)
        for name in site.named("int"):
            yield site.replace(node, f"{site.of(node)}[{name}:]", 0.4)
            yield site.replace(node, f"{site.of(node)}[:{name}]", 0.4)


@template(ast.Name, ast.Call, ast.List, ast.Subscript, ast.BinOp, ast.ListComp)
def concatenate(site: Site, node: ast.expr) -> Drafts:
    """Join a sequence with another one, or with an element."""
    types = site.types_of(node)
    parent = site.parent(node)
    if not is_read(node) or isinstance(parent, (ast.Subscript, ast.Attribute, ast.BinOp)):
        return
    if isinstance(parent, ast.Call) and node is parent.func:
        return
    text = site.of(node)
    if "list" in types:
        others = [*site.named("list"), *(f"[{name}]" for name in site.names)]
    elif "str" in types:
        others = [*site.named("str"), "' '"]
    else:
        return
    for other in others:
        if other != text:
            yield site.replace(node, f"{text} + {other}", 0.5)
            yield site.replace(node, f"{other} + {text}", 0.5)


@template(ast.Name, ast.Call, ast.Subscript)
def enlist(site: Site, node: ast.expr) -> Drafts:
    """Put a value into a list of its own."""
    parent = site.parent(node)
    if is_read(node) and isinstance(parent, (ast.Return, ast.Call, ast.BinOp, ast.AugAssign)):
        if isinstance(parent, ast.Call) and node is parent.func:
            return
        yield site.replace(node, f"[{site.of(node)}]", 0.4)


@template(ast.List)
def fill_list(site: Site, node: ast.List) -> Drafts:
    """Put a local, or something empty, into a list that is empty."""
    if is_read(node) and not node.elts:
        for name in site.names:
            yield site.replace(node, f"[{name}]")
        # Where results are lists of things, that of nothing is one result with nothing in it.
        for text in ("[]", "''", "()", "0"):
            yield site.replace(node, f"[{text}]", 0.4)


@template(ast.ListComp, ast.GeneratorExp, ast.SetComp)
def comprehension_filter(site: Site, node: ast.ListComp | ast.GeneratorExp | ast.SetComp) -> Drafts:
    """Drop the filter of a comprehension, or filter by what it takes."""
    last = node.generators[-1]
    end = site.source.end(last.ifs[-1] if last.ifs else last.iter)
    if last.ifs:
        yield site.edit(site.source.end(last.iter), end, "", 0.8)
    elif isinstance(last.target, ast.Name):
        yield site.edit(end, end, f" if {last.target.id}", 0.6)
        for condition in site.pool.conditions:
            yield site.edit(end, end, f" if {condition}", 0.4)
