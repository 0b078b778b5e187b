"""Normal forms of Python's trees: what two pieces of code that do the same have in common."""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

Function = ast.FunctionDef | ast.AsyncFunctionDef
_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
#: Operators whose operands may change places; ``+`` only where no text is seen to be joined.
_COMMUTATIVE: Final = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor)
_MIRRORED: Final = {ast.Gt: "Lt", ast.GtE: "LtE"}


def digest(parts: Iterable[str]) -> str:
    """Return the SHA-256 of a form."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def without_docstring(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Return the statements of a body that do something."""
    first = body[0] if body else None
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return list(body[1:] if is_text and isinstance(first.value.value, str) else body)  # type: ignore[union-attr]


def own_names(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that a function or a block binds itself, functions within it left out.

    What is declared global or nonlocal is not its own. Names of imports are not either: they are
    what the code uses, and not how it calls it.
    """
    found: set[str] = set()
    foreign: set[str] = set()
    for node in _in_scope(nodes):
        match node:
            case ast.Global() | ast.Nonlocal():
                foreign.update(node.names)
            case ast.arg():
                found.add(node.arg)
            case ast.Name(ctx=ast.Store() | ast.Del()):
                found.add(node.id)
            case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar() if node.name:
                found.add(node.name)
            case ast.MatchMapping() if node.rest:
                found.add(node.rest)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
    return found - foreign


def _in_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _Scope):
            waiting.extend(ast.iter_child_nodes(node))


class ExactForm:
    """A tree as it stands, without positions, docstrings and the unit's own name."""

    silent = frozenset({"ctx", "kind", "type_comment"})

    def __init__(self, own_name: str = "") -> None:
        self._own_name = own_name

    def of(self, nodes: Iterable[ast.AST]) -> list[str]:
        """Return the parts of the form, in order.

        Raises:
            RecursionError: the code is nested too deep.
        """
        parts: list[str] = []
        for node in nodes:
            self._write(node, parts)
        return parts

    def name(self, name: str) -> str:
        """Return what stands for a name."""
        return "$itself" if name and name == self._own_name else name

    def constant(self, value: object) -> str:
        """Return what stands for a constant."""
        return f"{type(value).__name__}:{value!r}"

    def ordered(self, node: ast.AST) -> tuple[str, list[ast.AST]] | None:
        """Return kind and operands of a node whose operands have no order of their own."""
        return None

    def _write(self, node: ast.AST, parts: list[str]) -> None:
        if isinstance(node, ast.Constant):
            parts.append(self.constant(node.value))
            return
        if isinstance(node, ast.Name):
            parts.append(self.name(node.id))
            return
        ordered = self.ordered(node)
        if ordered is not None:
            parts.append(ordered[0])
            for each in ordered[1]:
                self._write(each, parts)
            return
        self._write_fields(node, parts)

    def _write_fields(self, node: ast.AST, parts: list[str]) -> None:
        parts.append(type(node).__name__)
        for field, value in ast.iter_fields(node):
            if field in self.silent or value is None:
                continue
            parts.append(field)
            values = value if isinstance(value, list) else [value]
            if field == "body" and isinstance(node, _Scope):
                values = without_docstring(values)
            for each in values:
                if isinstance(each, ast.AST):
                    self._write(each, parts)
                else:
                    parts.append(self._word(node, field, each))
        parts.append(".")

    def _word(self, node: ast.AST, field: str, value: object) -> str:
        is_bound = field in ("name", "arg", "rest") and not isinstance(
            node, ast.alias | ast.keyword
        )
        return self.name(value) if is_bound and isinstance(value, str) else repr(value)


class ShapeForm(ExactForm):
    """A tree with own names in the order in which they come, and constants by their type.

    Operands that may change places are sorted: first by what they are, then by names that came
    before. Names that a function within binds are numbered with those of the unit.
    """

    silent = ExactForm.silent | {"annotation", "returns", "type_params"}

    def __init__(self, own: Iterable[str], own_name: str = "") -> None:
        super().__init__(own_name)
        self._own = set(own)
        self._numbers: dict[str, str] = {}

    def name(self, name: str) -> str:
        """Return the number of an own name, or the name of something else."""
        if name in self._own:
            return self._numbers.setdefault(name, f"${len(self._numbers)}")
        return super().name(name)

    def constant(self, value: object) -> str:
        """Return the sort of a constant."""
        if value is None or value is ...:
            return repr(value)
        is_number = isinstance(value, int | float | complex) and not isinstance(value, bool)
        return "number" if is_number else type(value).__name__

    def ordered(self, node: ast.AST) -> tuple[str, list[ast.AST]] | None:
        """Return kind and sorted operands, if their order says nothing."""
        match node:
            case ast.BinOp() if isinstance(node.op, _COMMUTATIVE) and not _joins_text(node):
                return type(node.op).__name__, self._sorted([node.left, node.right])
            case ast.BoolOp():
                return f"{type(node.op).__name__}{len(node.values)}", self._sorted(node.values)
            case ast.Compare(ops=[ast.Eq() | ast.NotEq() as op], comparators=[right]):
                return type(op).__name__, self._sorted([node.left, right])
            case ast.Compare(ops=[ast.Gt() | ast.GtE() as op], comparators=[right]):
                return _MIRRORED[type(op)], [right, node.left]
            case ast.Compare(ops=[ast.Lt() | ast.LtE() as op], comparators=[right]):
                return type(op).__name__, [node.left, right]
        return None

    def _sorted(self, operands: Sequence[ast.AST]) -> list[ast.AST]:
        return sorted(operands, key=lambda each: (skeleton([each], self._own), self._known(each)))

    def _known(self, node: ast.AST) -> list[str]:
        # Names that have not come yet go last, in the order of the text.
        return [
            self._numbers.get(each.id, "$~")
            for each in ast.walk(node)
            if isinstance(each, ast.Name)
        ]


class _Skeleton(ShapeForm):
    def name(self, name: str) -> str:
        return "$" if name in self._own else ExactForm.name(self, name)


def skeleton(nodes: Iterable[ast.AST], own: set[str]) -> list[str]:
    """Return the shape of an expression in which all own names are alike."""
    return _Skeleton(own).of(nodes)


def _joins_text(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.Add) and (_is_sequence(node.left) or _is_sequence(node.right))


def _is_sequence(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str | bytes)
    return isinstance(node, ast.JoinedStr | ast.List | ast.Tuple)
