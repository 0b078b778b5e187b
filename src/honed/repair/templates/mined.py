"""Mined templates: what changes of other places made of the like; see ``honed.repair.mining``."""

import ast
import copy
from collections.abc import Iterable
from typing import Final

from honed.repair.mining.pattern import Bound, Pattern, name_of, read_pattern
from honed.repair.templates.template import Drafts, Site, Template, binding, needed
from honed.repair.templates.values import is_read

#: More patterns would take the time of templates that are known to repair.
MOST_PATTERNS: Final = 50
#: A built-in template that is as usual comes first.
_AFTER_BUILT_IN: Final = 0.99


def mined_templates(texts: Iterable[str]) -> tuple[Template, ...]:
    """Return the templates of patterns, 50 at most; what is no pattern is left out."""
    patterns = (read_pattern(text) for text in [*texts][:MOST_PATTERNS])
    return tuple(_template(each) for each in patterns if each is not None)


def _template(pattern: Pattern) -> Template:
    def propose(site: Site, node: ast.AST) -> Drafts:
        bound = pattern.match(node)
        if bound is None or not is_read(node):
            return
        text = written(pattern, bound, site)
        if isinstance(node, ast.expr):
            yield site.replace(node, text, _AFTER_BUILT_IN)
        else:
            start, end = site.source.start(node), site.source.end(node)
            yield site.edit(start, end, text, _AFTER_BUILT_IN)

    return Template(name_of(pattern.text), (type(pattern.before),), propose)


def written(pattern: Pattern, bound: Bound, site: Site) -> str:
    """Return what a pattern makes of a place, with the place's own text for its numbers."""
    after = copy.deepcopy(pattern.after)
    parents = {child: node for node in ast.walk(after) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(after):
        if isinstance(node, ast.Name) and node.id in bound:
            text = site.of(bound[node.id])
            is_tight = binding(text) >= needed(parents.get(node), node)
            # A name is written as it is, whatever it holds.
            node.id = text if is_tight or node is after else f"({text})"
    return ast.unparse(after)
