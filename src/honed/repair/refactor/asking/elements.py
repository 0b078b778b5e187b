"""What a loop goes through: of which type its keys are, and whether that is gone through twice."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from honed.repair.refactor.asking.lookups import (
    Field,
    NotCertain,
    Source,
    Table,
    python_type,
    read_query,
    require,
)
from honed.repair.refactor.asking.turns import Turn, text_of

#: Annotations of what can be gone through twice; an Iterable may be used up by the first time.
_LASTING: Final = frozenset({"Collection", "Sequence", "frozenset", "list", "set"})
_OTHER_KEY: Final = "it looks up something else than what it goes through"
_UNKNOWN: Final = "what it goes through is not known to be a list, or of which type"


@dataclass(frozen=True, slots=True)
class Elements:
    """The keys that a loop looks up."""

    #: The table that they were read from; None: they are what ``python`` says.
    source: Source | None
    column: str = ""
    python: str = ""
    #: Whether only an annotation says so.
    is_declared: bool = False

    def type(self, tables: Sequence[Table]) -> str:
        """Return their type in Python.

        Raises:
            NotCertain: the database does not tell.
        """
        if self.source is None:
            return self.python
        return python_type(self.column, self.source, tables)


def elements_of(turn: Turn) -> Elements:
    """Return what keys a loop looks up.

    Raises:
        NotCertain: their type is not known, or they may be gone through once only.
    """
    selected = _selected(turn)
    if selected is not None:
        source, fields = selected
        return Elements(source, _column(turn, fields))
    require(ast.dump(turn.asking.key) == _loaded(turn.target), _OTHER_KEY)
    type_ = turn.certain.names.get(turn.through, "")
    if type_ == "range":
        return Elements(None, python="int")
    require(type_.startswith("many ") and _lasts(turn), _UNKNOWN)
    return Elements(None, python=type_.removeprefix("many "), is_declared=True)


def _loaded(target: ast.expr) -> str:
    return ast.dump(ast.Name(target.id, ast.Load())) if isinstance(target, ast.Name) else ""


def _lasts(turn: Turn) -> bool:
    """Whether an argument can be gone through twice, by its annotation."""
    for each in ast.walk(turn.function.args):
        match each:
            case ast.arg(arg=name, annotation=ast.Subscript(value=ast.Name(id=many))):
                if name == turn.through:
                    return many in _LASTING
    return False


def _selected(turn: Turn) -> tuple[Source, tuple[Field, ...]] | None:
    """Return the query whose rows a loop goes through; None: it goes through something else."""
    uses = turn.certain.uses(turn.through)
    bound = [each for each in uses if not isinstance(each.ctx, ast.Load)]
    if len(bound) != 1 or turn.through not in turn.certain.own:
        return None
    match turn.module.source.parents[bound[0]]:
        case ast.Assign(
            value=ast.Call(
                func=ast.Attribute(
                    value=ast.Call(func=ast.Attribute(attr="execute"), args=[text, *_]),
                    attr="fetchall",
                ),
                args=[],
            )
        ):
            found = read_query(text_of(turn.module, text))
        case _:
            return None
    is_kept = all(_only_reads(turn, each) for each in uses)
    require(is_kept and not _is_written(turn), "the rows that it goes through may be changed")
    return found


def _only_reads(turn: Turn, use: ast.Name) -> bool:
    above = turn.module.source.parents[use]
    match above:
        case ast.Assign(targets=[target]):
            return target is use
        case ast.For(iter=read) | ast.comprehension(iter=read):
            return read is use
        case ast.Call(func=ast.Name(id="len"), args=[read]):
            return read is use
        case ast.If(test=read) | ast.UnaryOp(op=ast.Not(), operand=read) | ast.Return(value=read):
            return read is use
    return False


def _is_written(turn: Turn) -> bool:
    """Whether a key of some row may be written to."""
    for node in turn.every:
        match node:
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                if turn.certain.names.get(name) not in ("dict", "list"):
                    return True
            case ast.Subscript(ctx=ast.Store() | ast.Del()):
                return True
    return False


def _column(turn: Turn, fields: Sequence[Field]) -> str:
    """Return the column that the key is, of the rows that a loop goes through."""
    key, target = turn.asking.key, turn.target
    names = {each.name: each.column for each in fields}
    columns = [each.column for each in fields]
    match key, target:
        case ast.Name(id=name), ast.Tuple(elts=elements):
            places = [n for n, e in enumerate(elements) if isinstance(e, ast.Name) and e.id == name]
            if len(places) == 1 and len(elements) == len(columns):
                return columns[places[0]]
        case (
            ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=at)),
            ast.Name(id=row),
        ) if name == row:
            if isinstance(at, str) and at in names:
                return names[at]
            if isinstance(at, int) and 0 <= at < len(columns):
                return columns[at]
    raise NotCertain(_OTHER_KEY)
