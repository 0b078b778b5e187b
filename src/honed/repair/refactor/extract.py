"""Functions that differ in a few constants share one that is told them."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from honed.repair.refactor.copies import Copy, copies, import_place, may_stand_for
from honed.repair.refactor.package import Module, Package
from honed.repair.refactor.refactor import Proof, Refactor, parses, refactored
from honed.repair.source import applied
from honed.repair.suite import Edit
from honed.space.clones.difference import Parameter, parameters
from honed.space.clones.forms import ExactForm

#: A function that has to be told more is no simpler than its copies.
MOST_PARAMETERS: Final = 3
_WORDS: Final = {int: "number", float: "number", str: "text", bytes: "data", bool: "is_so"}
_YIELDS: Final = (ast.Yield, ast.YieldFrom, ast.Await)


@dataclass(frozen=True, slots=True)
class _Extraction:
    copies: Sequence[Copy]
    told: tuple[Parameter, ...]
    #: Of the function that they share, and of what it is told.
    name: str
    names: tuple[str, ...]

    @property
    def first(self) -> Copy:
        return self.copies[0]


def shared_code(package: Package) -> list[Refactor]:
    """Return one change for each group of top-level functions that differ in 1 to 3 constants.

    Each keeps its name, signature and docstring and calls a private function that stands before
    the first of them. The private function, with the constants put back, is proven to have the
    tree of the first copy. Left alone is what `merged_copies` leaves alone, and generators,
    functions of any number of arguments, and constants in patterns and f-strings.
    """
    found = [_shared(package, group) for group in copies(package, 2)]
    return [each for each in found if each is not None]


def _shared(package: Package, group: Sequence[Copy]) -> Refactor | None:
    extraction = _extraction(package, [each for each in group if _is_simple(each)])
    definition = _definition(extraction) if extraction else None
    if extraction is None or definition is None:
        return None
    first = extraction.first
    place = _place(first)
    changes: dict[Module, list[Edit]] = {first.module: [Edit(place, place, definition)]}
    for number, copy in enumerate(extraction.copies):
        if copy.module not in changes:
            where = import_place(copy.module, copy.node)
            if where is None:
                return None
            home, end = package.name(first.module.path), copy.module.source.ends()
            line = f"from {home} import {extraction.name}{end}"
            changes[copy.module] = [Edit(where, where, line)]
        changes[copy.module].append(_call(extraction, number))
    functions = " and ".join(each.node.name for each in extraction.copies)
    reason = f"{functions} differ in constants alone, {len(extraction.told)} of them"
    return refactored("share_code", reason, Proof.SAME_CODE, changes.items())


def _extraction(package: Package, group: Sequence[Copy]) -> _Extraction | None:
    if len(group) < 2:  # noqa: PLR2004 - one is no copy
        return None
    first, *others = group
    alike = [first, *(each for each in others if may_stand_for(package, first, each))]
    told = parameters([[*_arguments(each), *each.body] for each in alike])
    if len(alike) == 1 or not told or len(told) > MOST_PARAMETERS:
        return None
    if not all(_is_replaceable(first, place[0]) for each in told for place in each.places):
        return None
    name = first.module.fresh(_name([each.node.name for each in alike]))
    if any(name in each.module.words for each in alike):
        return None
    return _Extraction(alike, told, name, _parameter_names(first, told))


def _arguments(copy: Copy) -> list[ast.arg]:
    return [*copy.node.args.posonlyargs, *copy.node.args.args]


def _is_simple(copy: Copy) -> bool:
    """Whether a call of something else can be all that a function does."""
    arguments, first, source = copy.node.args, copy.body[0], copy.module.source
    line = source.between(source.line_start(first.lineno), source.start(first))
    return (
        not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs)
        and not any(isinstance(each, _YIELDS) for each in ast.walk(copy.node))
        and not getattr(first, "decorator_list", [])
        and not line.strip()
        and first.lineno > copy.node.lineno
    )


def _is_replaceable(copy: Copy, constant: ast.Constant) -> bool:
    """Whether a name can stand where a constant does."""
    source = copy.module.source
    above: ast.AST | None = constant
    while above is not None and above is not copy.node:
        if isinstance(above, ast.JoinedStr | ast.pattern):
            return False
        above = source.parents.get(above)
    # "1if x" needs no blank after a number, and does after a name.
    around = source.text[source.start(constant) - 1 :][:1], source.text[source.end(constant) :][:1]
    return not any(each.isalnum() or each == b"_" for each in around)


def _name(names: Sequence[str]) -> str:
    words = [each.strip("_").split("_") for each in names]
    common = []
    for column in zip(*words, strict=False):
        if len(set(column)) > 1:
            break
        common.append(column[0])
    return f"_{'_'.join(common)}" if common else f"_{'_'.join(words[0])}_with"


def _parameter_names(first: Copy, told: Sequence[Parameter]) -> tuple[str, ...]:
    found: list[str] = []
    for each in told:
        node = each.places[0][0]
        above = first.module.source.parents.get(node)
        wanted = above.arg if isinstance(above, ast.keyword) and above.arg else ""
        name = first.module.fresh(wanted or _WORDS.get(type(node.value), "value"))
        base, number = name, 2
        while name in found or name in first.module.words:
            name, number = f"{base}_{number}", number + 1
        found.append(name)
    return tuple(found)


def _definition(extraction: _Extraction) -> str | None:
    """Return the text of the function that copies share, proven to do what the first did."""
    first, source = extraction.first, extraction.first.module.source
    start = source.line_start(extraction.first.body[0].lineno)
    edits = [
        Edit(source.start(place[0]) - start, source.end(place[0]) - start, name)
        for each, name in zip(extraction.told, extraction.names, strict=True)
        for place in each.places
    ]
    text = source.text[start : source.end(first.body[-1])]
    end = source.ends()
    head = f"def {extraction.name}({', '.join(_signature(extraction))}){_returns(extraction)}:{end}"
    definition = f"{head}{applied(text, edits).decode()}{end}{end}{end}"
    return definition if _is_proven(extraction, definition) else None


def _signature(extraction: _Extraction) -> list[str]:
    first = extraction.first
    columns = zip(*(_arguments(each) for each in extraction.copies), strict=True)
    written = [
        f"{column[0].arg}{_annotation(first, ': ', [each.annotation for each in column])}"
        for column in columns
    ]
    is_annotated = any(each.annotation for each in _arguments(first)) or first.node.returns
    for each, name in zip(extraction.told, extraction.names, strict=True):
        types = {type(value).__name__ for value in each.values}
        is_clear = is_annotated and len(types) == 1 and "NoneType" not in types
        written.append(f"{name}: {types.pop()}" if is_clear else name)
    return written


def _returns(extraction: _Extraction) -> str:
    return _annotation(extraction.first, " -> ", [each.node.returns for each in extraction.copies])


def _annotation(first: Copy, mark: str, annotations: Sequence[ast.expr | None]) -> str:
    """Return the annotation that all copies have, as the first writes it."""
    written = {ast.dump(each) if each else "" for each in annotations}
    node = annotations[0]
    return f"{mark}{first.module.source.of(node)}" if node and len(written) == 1 else ""


def _is_proven(extraction: _Extraction, definition: str) -> bool:
    if not parses(definition):
        return False
    values: dict[str, object] = {
        name: each.places[0][0].value
        for each, name in zip(extraction.told, extraction.names, strict=True)
    }
    (made,) = ast.parse(definition).body
    if not isinstance(made, ast.FunctionDef):
        return False
    body = [_Back(values).visit(each) for each in made.body]
    return ExactForm().of(body) == ExactForm().of(extraction.first.body)


class _Back(ast.NodeTransformer):
    """Puts constants back where names stand for them."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return the constant, or the name as it is."""
        if node.id in self._values:
            return ast.Constant(self._values[node.id])  # type: ignore[arg-type]
        return node


def _call(extraction: _Extraction, number: int) -> Edit:
    copy = extraction.copies[number]
    source = copy.module.source
    constants = [source.of(each.places[0][number]) for each in extraction.told]
    arguments = ", ".join([*(each.arg for each in _arguments(copy)), *constants])
    start, end = source.start(copy.body[0]), source.end(copy.body[-1])
    return Edit(start, end, f"return {extraction.name}({arguments})")


def _place(copy: Copy) -> int:
    """Return where something can stand before a function and the comment above it."""
    source = copy.module.source
    start = source.line_start(copy.node.lineno)
    for line in reversed(source.text[:start].splitlines(keepends=True)):
        if not line.startswith(b"#") or line.startswith(b"#!"):
            break
        start -= len(line)
    return start
