"""Conditions of a plan, read: which column is compared how, and with what."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import Enum

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from honed.targets.postgres.indexes.definition import Key

#: What EXPLAIN writes for the result of a subquery: a value that an index may be searched with.
_SUBPLAN = re.compile(r"\((?:hashed )?(?:SubPlan|InitPlan|CTE) \d+\)(?:\.\w+)?")
_PARAMETER = "honed_parameter"
#: Functions that are immutable whatever their arguments, so that an index may hold their result.
_IMMUTABLE = (exp.Lower, exp.Upper, exp.Substring, exp.Trim, exp.Length, exp.Abs, exp.MD5)
#: Casts that read the column's own bytes: an index on the column serves the condition.
_RELABELLED = (exp.DataType.Type.TEXT, exp.DataType.Type.VARCHAR)
_RANGES = (exp.LT, exp.LTE, exp.GT, exp.GTE)
_CONTAINMENTS = (exp.ArrayContainsAll, exp.ArrayOverlaps, exp.MatchAgainst, exp.JSONBContains)


class Comparison(Enum):
    """How an index would be searched."""

    EQUAL = "equal"
    RANGE = "range"
    #: LIKE with a known beginning.
    PREFIX = "prefix"
    #: A value inside an array, a document or a text: an inverted index.
    INSIDE = "inside"


@dataclass(frozen=True, slots=True)
class Predicate:
    """One comparison of one relation's key with a value that is known when it is searched."""

    #: The relation's alias in the plan.
    alias: str
    key: Key
    comparison: Comparison
    #: The other relation's alias, where its rows give the value; empty: constant or parameter.
    partner: str = ""
    #: Whether it is one branch of an OR.
    is_alternative: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """What one condition of a plan says."""

    predicates: tuple[Predicate, ...]
    #: Columns that it reads, by (alias, column).
    columns: frozenset[tuple[str, str]]
    #: Pairs of columns that it makes equal.
    equalities: tuple[tuple[tuple[str, str], tuple[str, str]], ...] = ()
    #: Parts that hold for rows of one relation whatever the parameters: (alias, SQL).
    fixed: tuple[tuple[str, str], ...] = ()


def parse(text: str, aliases: Collection[str]) -> exp.Expr | None:
    """Return the tree of an expression as EXPLAIN writes it, None where it cannot be read.

    Where a plan has one relation, EXPLAIN leaves its name out; here it is put back.
    """
    try:
        tree = sqlglot.parse_one(_SUBPLAN.sub(_PARAMETER, text), dialect="postgres")
    except (SqlglotError, RecursionError):
        return None
    if len(aliases) == 1:
        for column in tree.find_all(exp.Column):
            if not column.table and column.name != _PARAMETER:
                column.set("table", exp.to_identifier(next(iter(aliases))))
    return tree


def columns_of(tree: exp.Expr, aliases: Collection[str]) -> frozenset[tuple[str, str]]:
    """Return the columns in ``tree`` that belong to one of ``aliases``, as (alias, column)."""
    return frozenset(
        (column.table, column.name)
        for column in tree.find_all(exp.Column)
        if column.table in aliases
    )


def read_condition(text: str, aliases: Collection[str]) -> Condition:
    """Return what the condition ``text`` of a plan with relations ``aliases`` says.

    What cannot be read says nothing: it costs a candidate, never the run.
    """
    tree = parse(text, aliases)
    if tree is None:
        return Condition((), frozenset())
    predicates: list[Predicate] = []
    equalities: list[tuple[tuple[str, str], tuple[str, str]]] = []
    fixed: list[tuple[str, str]] = []
    for part in _conjuncts(tree):
        predicates.extend(_predicates(part, aliases))
        equalities.extend(_equality(part, aliases))
        fixed.extend(_fixed(part, aliases))
    return Condition(tuple(predicates), columns_of(tree, aliases), tuple(equalities), tuple(fixed))


def read_key(text: str, aliases: Collection[str]) -> tuple[str, Key] | None:
    """Return alias and key of one entry of a sort or group key, None for what no index orders."""
    words = re.sub(r" NULLS (FIRST|LAST)$| USING .*$| COLLATE .*$", "", text)
    descending = words.endswith(" DESC")
    tree = parse(words.removesuffix(" DESC").removesuffix(" ASC"), aliases)
    side = None if tree is None else _side(tree, aliases)
    if side is None or side[1].is_expression:
        return None
    return side[0], Key(side[1].text, descending=descending)


def plain_expression(text: str) -> str:
    """Return the expression of an index as ``Key`` has it, so that equal ones are equal texts."""
    tree = parse(text, ())
    return text if tree is None else _without_alias(tree.unnest())


def _conjuncts(tree: exp.Expr) -> Iterator[exp.Expr]:
    tree = tree.unnest()
    if isinstance(tree, exp.And):
        yield from _conjuncts(tree.left)
        yield from _conjuncts(tree.right)
    else:
        yield tree


def _predicates(part: exp.Expr, aliases: Collection[str]) -> Iterator[Predicate]:
    if isinstance(part, exp.Or):
        for branch in (part.left, part.right):
            for inner in _conjuncts(branch):
                for found in _predicates(inner, aliases):
                    yield replace(found, is_alternative=True)
        return
    comparison = _comparison(part)
    if comparison is None:
        return
    for key, value in _sides(part, comparison):
        yield from _compared(key, value, comparison, aliases)


def _sides(part: exp.Expr, comparison: Comparison) -> Iterator[tuple[exp.Expr, exp.Expr | None]]:
    """Yield what an index could hold, with what it would be searched for."""
    if isinstance(part, exp.MatchAgainst):
        yield part.expressions[0], part.this
    elif isinstance(part, exp.Binary):
        yield part.left, part.right
        if comparison in {Comparison.EQUAL, Comparison.RANGE}:
            yield part.right, part.left
    else:
        yield part.this, None


def _comparison(part: exp.Expr) -> Comparison | None:
    if part.args.get("negate"):
        return None
    if isinstance(part, _RANGES):
        return Comparison.RANGE
    if isinstance(part, exp.Like):
        pattern = part.expression.find(exp.Literal)
        text = pattern.name if pattern else "%"
        return None if text.startswith(("%", "_")) or not text else Comparison.PREFIX
    if isinstance(part, _CONTAINMENTS):
        return Comparison.INSIDE
    if isinstance(part, exp.Is):
        return Comparison.EQUAL if isinstance(part.expression, exp.Null) else None
    return Comparison.EQUAL if isinstance(part, exp.EQ) else None


def _compared(
    key: exp.Expr,
    value: exp.Expr | None,
    comparison: Comparison,
    aliases: Collection[str],
) -> Iterator[Predicate]:
    side = _side(key, aliases)
    if side is None:
        return
    alias, found = side
    partners = {a for a, _ in columns_of(value, aliases)} if value else set()
    if alias in partners or len(partners) > 1:
        return
    if comparison is Comparison.PREFIX and not found.opclass:
        found = Key(found.text, found.is_expression, "text_pattern_ops")
    yield Predicate(alias, found, comparison, next(iter(partners), ""))


def _equality(
    part: exp.Expr, aliases: Collection[str]
) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    if not isinstance(part, exp.EQ):
        return
    left, right = (_side(side, aliases) for side in (part.left, part.right))
    if left is None or right is None or left[0] == right[0]:
        return
    if not left[1].is_expression and not right[1].is_expression:
        yield (left[0], left[1].text), (right[0], right[1].text)


def _side(tree: exp.Expr, aliases: Collection[str]) -> tuple[str, Key] | None:
    """Return alias and key where ``tree`` is something that an index of one relation can hold."""
    tree = _bare(tree)
    if isinstance(tree, exp.Column):
        return (tree.table, Key(tree.name)) if tree.table in aliases else None
    used = {alias for alias, _ in columns_of(tree, aliases)}
    if len(used) != 1 or not _is_immutable(tree):
        return None
    return next(iter(used)), Key(_without_alias(tree), is_expression=True)


def _bare(tree: exp.Expr) -> exp.Expr:
    tree = tree.unnest()
    if isinstance(tree, exp.Cast) and tree.to.this in _RELABELLED:
        inner = tree.this.unnest()
        return inner if isinstance(inner, exp.Column) else tree
    return tree


def _is_immutable(tree: exp.Expr) -> bool:
    """Return whether ``tree`` is made of columns, constants and functions of a short list.

    A clone refuses to build what is not immutable after all, and such a candidate is left out.
    """
    if not isinstance(tree.unnest(), (*_IMMUTABLE, exp.JSONExtractScalar, exp.Mod, exp.Extract)):
        return False
    calls = [node for node in tree.find_all(exp.Func) if not isinstance(node, exp.Cast)]
    return all(
        isinstance(call, (*_IMMUTABLE, exp.JSONExtractScalar, exp.Extract)) for call in calls
    ) and not tree.find(exp.Parameter, exp.Placeholder, exp.Subquery)


def _fixed(part: exp.Expr, aliases: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield ``part`` where it compares columns of one relation with nothing but each other."""
    used = columns_of(part, aliases)
    others = [column for column in part.find_all(exp.Column) if column.table not in aliases]
    if len({alias for alias, _ in used}) != 1 or others:
        return
    if part.find(exp.Literal, exp.Parameter, exp.Placeholder, exp.Func, exp.Subquery):
        return
    yield next(iter(used))[0], _without_alias(part)


def _without_alias(tree: exp.Expr) -> str:
    def bare(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Paren) and isinstance(node.this, exp.Column):
            node = node.this
        if isinstance(node, exp.Column):
            return exp.column(exp.to_identifier(node.name, quoted=True))
        return node

    return tree.copy().transform(bare).sql(dialect="postgres")
