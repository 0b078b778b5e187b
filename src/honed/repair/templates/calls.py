"""Calls: another function, other arguments, a call around or away."""

import ast
from typing import Final

from honed.repair.templates.template import Draft, Drafts, Site, template
from honed.repair.templates.values import is_read

#: Functions and methods that are taken for each other.
_SIBLINGS: Final = (
    ("any", "all"),
    ("min", "max"),
    ("append", "extend", "add", "update", "insert", "remove", "appendleft"),
    ("pop", "popleft", "get", "remove"),
    ("keys", "values", "items"),
    ("lower", "upper", "title", "capitalize", "swapcase"),
    ("strip", "lstrip", "rstrip"),
    ("find", "rfind", "index", "rindex", "count"),
    ("split", "rsplit", "splitlines", "partition"),
    ("startswith", "endswith"),
    ("isalpha", "isdigit", "isalnum", "islower", "isupper", "isspace", "isnumeric"),
    ("floor", "ceil", "trunc"),
    ("floor", "round", "int"),
    ("ceil", "round", "int"),
    ("list", "set", "tuple", "sorted", "dict", "frozenset"),
    ("sorted", "reversed", "list"),
    ("union", "intersection", "difference", "symmetric_difference"),
    ("ord", "chr", "int", "str"),
    ("int", "float", "str", "bool", "round"),
    ("len", "sum", "max", "min"),
    ("bin", "oct", "hex", "str"),
    ("map", "filter"),
    ("enumerate", "range", "zip"),
    ("difference", "issubset", "issuperset"),
)
_FEW: Final = 3
_AROUND: Final = {
    "number": ("abs", "int", "round", "str", "float"),
    "many": ("sorted", "list", "set", "len", "reversed", "max", "min", "sum", "tuple"),
    "text": ("int", "set", "len", "list", "sorted", "float", "reversed"),
}
_METHODS: Final = {
    "str": ("lower()", "upper()", "strip()", "split()"),
    "list": ("copy()",),
    "dict": ("copy()", "values()", "keys()", "items()"),
    "set": ("copy()",),
}


@template(ast.Call)
def swap_arguments(site: Site, node: ast.Call) -> Drafts:
    """Swap two arguments."""
    plain = [each for each in node.args if not isinstance(each, ast.Starred)]
    for number, one in enumerate(plain):
        for other in plain[number + 1 :]:
            edits = (
                *site.replace(one, site.of(other)).edits,
                *site.replace(other, site.of(one)).edits,
            )
            yield Draft(edits)


@template(ast.Call)
def sibling(site: Site, node: ast.Call) -> Drafts:
    """Call a function that is easily taken for this one, or another one of the file."""
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    end = site.source.end(node.func)
    start = end - len(name.encode())
    is_method = isinstance(node.func, ast.Attribute)
    others: dict[str, float] = {}
    for group in _SIBLINGS:
        if name in group:
            others |= {each: 1.0 if len(group) <= _FEW else 0.6 for each in group}
    if not is_method:
        count = len(node.args) + len(node.keywords)
        others |= {
            each: 0.4 for each, arguments in site.pool.functions.items() if arguments == count
        }
    for other, weight in others.items():
        if other != name and name:
            yield site.edit(start, end, other, weight)


@template(ast.Call)
def drop_argument(site: Site, node: ast.Call) -> Drafts:
    """Call with an argument less."""
    parts: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
    for number in range(len(parts)):
        kept = ", ".join(site.of(each) for each in parts[:number] + parts[number + 1 :])
        start, end = site.source.end(node.func), site.source.end(node)
        yield site.edit(start, end, f"({kept})")


@template(ast.Call)
def add_argument(site: Site, node: ast.Call) -> Drafts:
    """Call with an argument more."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    takes = site.pool.functions.get(name)
    count = len(node.args) + len(node.keywords)
    if takes is not None and takes <= count:
        return
    lone = len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp)
    before, after = ("(", ")") if lone and not site.of(node).endswith("))") else ("", "")
    inner = [*map(site.of, node.args), *map(site.of, node.keywords)]
    if lone:
        inner = [f"{before}{inner[0]}{after}"]
    for text in (*site.names, *(["1", "0", "2"] if name == "range" else [])):
        for place in {0, len(node.args)}:
            arguments = [*inner[:place], text, *inner[place:]]
            place_text = f"({', '.join(arguments)})"
            yield site.edit(site.source.end(node.func), site.source.end(node), place_text, 0.5)
    if name in ("sorted", "max", "min") or getattr(node.func, "attr", "") == "sort":
        for text in _orders(site):
            arguments = [*inner, text]
            place_text = f"({', '.join(arguments)})"
            yield site.edit(site.source.end(node.func), site.source.end(node), place_text)


def _orders(site: Site) -> list[str]:
    """Return ways to put things in order: a mapping, a length, a part, backwards."""
    keys = [f"key={name}.get" for name in site.named("dict")]
    parts = ["key=lambda x: x[1]", "key=lambda x: x[0]", "key=lambda x: -x"]
    return [*keys, "reverse=True", "key=len", "key=abs", "key=str", *parts]


@template(ast.Name, ast.Call, ast.BinOp, ast.Subscript, ast.Attribute, ast.ListComp, ast.List)
def wrap(site: Site, node: ast.expr) -> Drafts:
    """Put a builtin around a value."""
    parent = site.parent(node)
    if not is_read(node) or isinstance(parent, (ast.Attribute, ast.Expr, ast.Starred)):
        return
    if isinstance(parent, ast.Call) and node is parent.func:
        return
    text = site.of(node)
    types = site.types_of(node)
    for sort, names in _AROUND.items():
        for name in names if not types or types & _SORTS[sort] else ():
            if not text.startswith(f"{name}("):
                yield site.replace(node, f"{name}({text})", 0.6 if types else 0.3)
    for around in (*_bounded(site, text, types), *_sorted(site, text, types)):
        yield site.replace(node, around, 0.3)


def _bounded(site: Site, text: str, types: frozenset[str]) -> list[str]:
    if types and not types & {"int", "float"}:
        return []
    others = [each for each in (*site.named("int", "float"), "0") if each != text]
    return [f"{name}({text}, {other})" for name in ("max", "min") for other in others]


def _sorted(site: Site, text: str, types: frozenset[str]) -> list[str]:
    if types and not types & {"list", "tuple", "str", "set"}:
        return []
    orders = [f"key={each}.get" for each in site.named("dict")]
    return [f"sorted({text}, {order})" for order in (*orders, "reverse=True")]


_SORTS: Final = {
    "number": frozenset({"int", "float"}),
    "many": frozenset({"list", "tuple", "set", "dict", "range", "zip", "map", "dict_keys"}),
    "text": frozenset({"str"}),
}


@template(ast.Call)
def unwrap(site: Site, node: ast.Call) -> Drafts:
    """Take an argument of a call in place of the call."""
    for each in node.args[:3]:
        if not isinstance(each, ast.Starred):
            yield site.replace(node, site.of(each), 0.8)


@template(ast.Call)
def drop_method(site: Site, node: ast.Call) -> Drafts:
    """Take an object in place of what its method returns."""
    if isinstance(node.func, ast.Attribute):
        yield site.replace(node, site.of(node.func.value))


@template(ast.Name, ast.Call, ast.Subscript, ast.Attribute)
def add_method(site: Site, node: ast.expr) -> Drafts:
    """Call a method on a value: its copy, its other case, its parts."""
    parent = site.parent(node)
    if not is_read(node) or (isinstance(parent, ast.Call) and node is parent.func):
        return
    types = site.types_of(node)
    for sort, methods in _METHODS.items():
        if sort in types or (not types and sort == "str"):
            for method in methods:
                weight = 0.7 if types else 0.3
                yield site.replace(node, f"{site.of(node)}.{method}", weight)


@template(ast.Attribute)
def call_method(site: Site, node: ast.Attribute) -> Drafts:
    """Call a method that is only named."""
    parent = site.parent(node)
    is_called = isinstance(parent, ast.Call) and node is parent.func
    if is_read(node) and not is_called and not isinstance(parent, (ast.Attribute, ast.Expr)):
        yield site.replace(node, f"{site.of(node)}()")


@template(ast.Call)
def method_to_function(site: Site, node: ast.Call) -> Drafts:
    """Use what a method that changes in place returns as if it were a function."""
    if not isinstance(node.func, ast.Attribute) or isinstance(site.parent(node), ast.Expr):
        return
    receiver = site.of(node.func.value)
    rest = "".join(f", {site.of(each)}" for each in (*node.args, *node.keywords))
    if node.func.attr == "sort":
        yield site.replace(node, f"sorted({receiver}{rest})")
    if node.func.attr == "reverse":
        yield site.replace(node, f"{receiver}[::-1]")
