"""Operators: another one, swapped operands, an operand more or less, a negation."""

import ast
import re
from typing import Final

from honed.repair.templates.template import Draft, Drafts, Site, template

_SIGN: Final[dict[type[ast.AST], str]] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.LShift: "<<",
    ast.RShift: ">>",
}
#: For each operator the others, the likelier ones first: boundary, direction, then the rest.
_COMPARED: Final = {
    "<": ("<=", ">", ">=", "==", "!="),
    "<=": ("<", ">=", ">", "==", "!="),
    ">": (">=", "<", "<=", "!=", "=="),
    ">=": (">", "<=", "<", "==", "!="),
    "==": ("!=", "<", "<=", ">=", ">", "in"),
    "!=": ("==", ">", "<", "<=", ">="),
    "is": ("is not", "=="),
    "is not": ("is", "!="),
    "in": ("not in", "=="),
    "not in": ("in", "!="),
}
_ARITHMETIC: Final = {
    "+": ("-", "*", "//"),
    "-": ("+", "*", "//", "%"),
    "*": ("+", "**", "/", "//", "-"),
    "/": ("//", "*", "%", "-"),
    "//": ("/", "%", "*", "-"),
    "%": ("//", "/", "*", "-"),
    "**": ("*", "//", "+"),
    "&": ("|", "^", "and"),
    "|": ("&", "^", "or"),
    "^": ("&", "|", "**"),
    "<<": (">>", "*"),
    ">>": ("<<", "//"),
}
#: Clauses this likely are tried before the old condition, too.
_LIKELY: Final = 0.5
_WEIGHTS: Final = (1.0, 0.8, 0.6, 0.4, 0.4, 0.3)


def _sign_between(site: Site, left: ast.expr, right: ast.expr, sign: str) -> tuple[int, int] | None:
    """Return where an operator stands between its operands."""
    start, end = site.source.end(left), site.source.start(right)
    pattern = r"\s+".join(map(re.escape, sign.split()))
    found = re.search(pattern.encode(), site.source.text[start:end])
    return (start + found.start(), start + found.end()) if found else None


@template(ast.Compare)
def comparison_operator(site: Site, node: ast.Compare) -> Drafts:
    """Change one comparison: its boundary, its direction, or its sense."""
    operands = [node.left, *node.comparators]
    for number, operator in enumerate(node.ops):
        sign = _SIGN[type(operator)]
        place = _sign_between(site, operands[number], operands[number + 1], sign)
        if not place:
            continue
        for weight, other in zip(_WEIGHTS, _COMPARED[sign], strict=False):
            yield site.edit(*place, other, weight)


@template(ast.Compare)
def comparison_swap(site: Site, node: ast.Compare) -> Drafts:
    """Swap the two sides of a comparison."""
    if len(node.ops) == 1 and not isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
        yield _swapped(site, node.left, node.comparators[0])


@template(ast.Compare, ast.BinOp)
def wrap_both(site: Site, node: ast.Compare | ast.BinOp) -> Drafts:
    """Compare or combine what a function makes of both sides."""
    left = node.left
    right = node.comparators[0] if isinstance(node, ast.Compare) else node.right
    sides = site.types_of(left) | site.types_of(right)
    names = []
    if not sides or sides & {"int", "float"}:
        names += ["abs"]
    if not sides or sides & {"str", "list", "tuple"}:
        names += ["len", "set", "sorted"]
    if not sides or sides & {"str"}:
        names += ["str.lower"]
    for name in names:
        drafts = [site.replace(each, f"{name}({site.of(each)})") for each in (left, right)]
        yield Draft(tuple(edit for draft in drafts for edit in draft.edits), 0.5)


@template(ast.BinOp)
def arithmetic_operator(site: Site, node: ast.BinOp) -> Drafts:
    """Change an arithmetic operator."""
    sign = _SIGN.get(type(node.op), "")
    place = _sign_between(site, node.left, node.right, sign) if sign else None
    if not place or not (site.is_number(node.left) or site.may_be(node.left, "set", "bool")):
        return
    for weight, other in zip(_WEIGHTS, _ARITHMETIC[sign], strict=False):
        yield site.edit(*place, other, weight)


@template(ast.AugAssign)
def augmented_operator(site: Site, node: ast.AugAssign) -> Drafts:
    """Change the operator of an assignment that adds, or make it a plain one."""
    sign = _SIGN.get(type(node.op), "")
    place = _sign_between(site, node.target, node.value, f"{sign}=") if sign else None
    if not place:
        return
    for weight, other in zip(_WEIGHTS, _ARITHMETIC[sign], strict=False):
        if other not in ("and", "or"):
            yield site.edit(*place, f"{other}=", weight)
    yield site.edit(*place, "=", 0.4)


@template(ast.Assign)
def accumulate(site: Site, node: ast.Assign) -> Drafts:
    """Add to a variable in place of setting it."""
    target = node.targets[0]
    if len(node.targets) == 1 and isinstance(target, (ast.Name, ast.Subscript, ast.Attribute)):
        place = _sign_between(site, target, node.value, "=")
        is_new = isinstance(target, ast.Name) and target.id not in site.names
        if place and not is_new:
            yield site.edit(*place, "+=")
            yield site.edit(*place, "-=", 0.4)
            yield site.edit(*place, "*=", 0.3)


@template(ast.BoolOp)
def boolean_operator(site: Site, node: ast.BoolOp) -> Drafts:
    """Turn ``and`` into ``or`` and back."""
    old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    drafts = []
    for left, right in zip(node.values, node.values[1:], strict=False):
        place = _sign_between(site, left, right, old)
        if place:
            drafts.append(site.edit(*place, new))
    if len(drafts) > 1:
        yield Draft(tuple(edit for draft in drafts for edit in draft.edits))
    yield from drafts


@template(ast.BoolOp)
def drop_clause(site: Site, node: ast.BoolOp) -> Drafts:
    """Drop one clause of a condition."""
    word = " and " if isinstance(node.op, ast.And) else " or "
    for number in range(len(node.values)):
        rest = [site.of(each) for each in node.values[:number] + node.values[number + 1 :]]
        yield site.replace(node, word.join(rest))


@template(ast.BinOp)
def drop_operand(site: Site, node: ast.BinOp) -> Drafts:
    """Keep one operand; of three, drop the one in the middle."""
    yield site.replace(node, site.of(node.left))
    yield site.replace(node, site.of(node.right), 0.7)
    if isinstance(node.left, ast.BinOp):
        sign = _SIGN.get(type(node.left.op))
        if sign:
            left, right = (
                site.operand(e, type(node.left.op)) for e in (node.left.left, node.right)
            )
            yield site.replace(node, f"{left} {sign} {right}", 0.7)


@template(ast.BinOp)
def swap_operands(site: Site, node: ast.BinOp) -> Drafts:
    """Swap two operands whose order matters."""
    is_number = bool(site.types_of(node.left) & {"int", "float"})
    if isinstance(node.op, (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor)) and is_number:
        return
    yield _swapped(site, node.left, node.right)


@template(ast.BinOp)
def regroup(site: Site, node: ast.BinOp) -> Drafts:
    """Put the parentheses elsewhere: ``a + b * c`` becomes ``(a + b) * c``."""
    sign = _SIGN.get(type(node.op), "")
    for side, is_left in ((node.left, True), (node.right, False)):
        if not isinstance(side, ast.BinOp) or type(side.op) is type(node.op):
            continue
        inner = _SIGN.get(type(side.op), "")
        if is_left:
            text = (
                f"{site.of(side.left)} {inner} ({site.of(side.right)} {sign} {site.of(node.right)})"
            )
        else:
            text = (
                f"({site.of(node.left)} {sign} {site.of(side.left)}) {inner} {site.of(side.right)}"
            )
        yield site.replace(node, text)


@template(ast.Name, ast.Compare, ast.Call, ast.BoolOp, ast.Attribute, ast.Subscript)
def negate(site: Site, node: ast.expr) -> Drafts:
    """Negate a condition."""
    if is_condition(site, node) and not isinstance(getattr(node, "ctx", None), ast.Store):
        text = site.of(node)
        yield site.replace(node, f"not ({text})" if isinstance(node, ast.BoolOp) else f"not {text}")


@template(ast.UnaryOp)
def drop_sign(site: Site, node: ast.UnaryOp) -> Drafts:
    """Drop a minus or a negation."""
    yield site.replace(node, site.of(node.operand))


@template(ast.Name, ast.Call, ast.Subscript, ast.BinOp, ast.Attribute)
def add_minus(site: Site, node: ast.expr) -> Drafts:
    """Change the sign of a number."""
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        return
    if site.types_of(node) & {"int", "float"} and not isinstance(site.parent(node), ast.UnaryOp):
        yield site.replace(node, f"-{site.operand(node, ast.USub)}", 0.6)


@template(ast.If, ast.While, ast.IfExp, ast.comprehension)
def add_clause(site: Site, node: ast.If | ast.While | ast.IfExp | ast.comprehension) -> Drafts:
    """Add a clause to a condition: one of the function's own, or a guard."""
    tests = node.ifs if isinstance(node, ast.comprehension) else [node.test]
    for test in tests:
        for clause, weight in _clauses(site):
            if clause == site.of(test):
                continue
            for word, operator, factor in (("and", ast.And, 1.0), ("or", ast.Or, 0.8)):
                old = site.operand(test, operator)
                yield site.replace(test, f"{old} {word} {clause}", weight * factor)
                if weight >= _LIKELY:
                    yield site.replace(test, f"{clause} {word} {old}", weight * factor * 0.5)


def _clauses(site: Site) -> list[tuple[str, float]]:
    own = [(_closed(text), 0.5) for text in site.pool.conditions]
    own += [(f"not {_closed(text)}", 0.4) for text in site.pool.conditions if " " not in text]
    for name in site.names:
        types = site.types.get(name, frozenset())
        if types & {"list", "str", "dict", "set", "tuple", "NoneType", "bool"}:
            own += [(name, 0.5), (f"not {name}", 0.4)]
        if "NoneType" in types:
            own += [(f"{name} is not None", 0.5), (f"{name} is None", 0.5)]
        if types & {"int", "float"}:
            own += [(f"{name} > 0", 0.2), (f"{name} == 0", 0.2), (f"{name} != 0", 0.2)]
    return own


def _closed(text: str) -> str:
    return f"({text})" if " or " in text or " and " in text or " if " in text else text


def is_condition(site: Site, node: ast.expr) -> bool:
    """Whether only the truth of an expression matters where it stands."""
    parent = site.parent(node)
    if isinstance(parent, (ast.If, ast.While, ast.IfExp, ast.Assert)):
        return node is parent.test
    if isinstance(parent, ast.comprehension):
        return any(node is each for each in parent.ifs)
    if isinstance(parent, ast.Return):
        return isinstance(node, (ast.Compare, ast.BoolOp)) or "bool" in site.types_of(node)
    return isinstance(parent, ast.BoolOp)


def _swapped(site: Site, left: ast.expr, right: ast.expr) -> Draft:
    one, other = site.replace(left, site.of(right)), site.replace(right, site.of(left))
    return Draft((*one.edits, *other.edits))
