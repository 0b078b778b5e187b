"""Lookups: a key that is there, a key as it is written there, another default."""

import ast
from typing import Final

from honed.repair.templates.template import Drafts, Site, likely, template
from honed.repair.templates.values import is_read, quoted

_DEFAULTING: Final = ("get", "pop", "setdefault")
_NUMBERING: Final = ("int", "float", "Decimal", "Fraction")
#: A key that a statement looks up already is rarely looked up by it twice.
_OF_READ: Final = 0.3
_CHANGES: Final = {
    ".strip().lower()": 1.0,
    ".strip()": 0.8,
    ".lower()": 0.8,
    ".strip().upper()": 0.6,
    ".upper()": 0.6,
    ".casefold()": 0.3,
}


@template(ast.Constant)
def known_key(site: Site, node: ast.Constant) -> Drafts:
    """Look up a key that is there: of a dictionary of the module, or of what a local held."""
    holder = _holder(site, node)
    if not isinstance(node.value, str) or not isinstance(holder, ast.Name):
        return
    keys = site.pool.keys.get(holder.id, ())
    if node.value not in keys:
        read = {each.value for each in ast.walk(site.statement) if isinstance(each, ast.Constant)}
        for key, weight in likely(keys, node.value).items():
            usual = weight * (_OF_READ if key in read else 1.0)
            yield site.replace(node, quoted(site, node, key), usual)


@template(ast.Name, ast.Attribute, ast.Subscript)
def written_key(site: Site, node: ast.expr) -> Drafts:
    """Look a text up without the blanks around it, in the case in which keys are written."""
    if _holder(site, node) is not None and is_read(node) and site.may_be(node, "str"):
        for change, weight in _CHANGES.items():
            yield site.replace(node, f"{site.of(node)}{change}", weight)


def _holder(site: Site, node: ast.expr) -> ast.expr | None:
    """Return what something is looked up in."""
    parent = site.parent(node)
    if isinstance(parent, ast.Subscript) and node is parent.slice:
        return parent.value
    if isinstance(parent, ast.Compare) and isinstance(parent.ops[0], (ast.In, ast.NotIn)):
        return parent.comparators[0] if node is parent.left else None
    if isinstance(parent, ast.Call) and parent.args and node is parent.args[0]:
        method = parent.func
        if isinstance(method, ast.Attribute) and method.attr in _DEFAULTING:
            return method.value
    return None


@template(ast.Call)
def default_value(site: Site, node: ast.Call) -> Drafts:
    """Give a lookup another default, or one where it has none."""
    method = node.func
    if not isinstance(method, ast.Attribute) or method.attr not in _DEFAULTING or not node.args:
        return
    parent = site.parent(node)
    name = (
        parent.func.id if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) else ""
    )
    texts = {'"0"': 1.0, '"1"': 1.0} if name in _NUMBERING else {}
    if len(node.args) == 1:
        texts |= {'""': 0.6, "0": 0.6, "[]": 0.6, "{}": 0.6, "None": 0.6, "False": 0.4}
        for text, weight in texts.items():
            yield site.edit(
                site.source.end(node.args[0]), site.source.end(node.args[0]), f", {text}", weight
            )
    elif isinstance(node.args[1], ast.Constant):
        for text, weight in {**texts, "0": 0.6, "1": 0.6}.items():
            yield site.replace(node.args[1], text, weight)
