"""Ingredients: what the same function, file or repository writes in such a place."""

import ast

from honed.repair.templates.template import Drafts, Site, template
from honed.repair.templates.values import is_read


@template(ast.Name, ast.Call, ast.BinOp, ast.Subscript, ast.Compare, ast.BoolOp, ast.Attribute)
def reuse_expression(site: Site, node: ast.expr) -> Drafts:
    """Write what the function writes elsewhere."""
    parent = site.parent(node)
    if not is_read(node) or isinstance(parent, ast.Expr):
        return
    if isinstance(parent, (ast.Call, ast.Attribute)) and node is getattr(parent, "func", node):
        return
    is_truth = isinstance(node, (ast.Compare, ast.BoolOp))
    own = site.of(node)
    for text in site.pool.conditions if is_truth else site.pool.expressions:
        if text != own:
            yield site.replace(node, text, 0.5)
