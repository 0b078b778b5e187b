"""The function of the repository that a captured frame ran in."""

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from keyword import iskeyword
from typing import Final

from honed.core.fault import Frame
from honed.repair.reproduce.classes import Classes
from honed.repair.reproduce.refusal import NotRebuilt

MODULE: Final = "<module>"
#: What can be called by its name.
Function = ast.FunctionDef | ast.AsyncFunctionDef
#: Frames of what has no name, which belong to the function around; newer Pythons have fewer.
NAMELESS: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>"})


@dataclass(frozen=True, slots=True)
class Place:
    """A function that can be called from outside, or a module that can be imported."""

    path: str
    module: str
    #: None: it is the module itself.
    function: Function | None = None
    #: The class that it is a method of, with the classes around it.
    owner: str = ""

    @property
    def name(self) -> str:
        """How a person calls it."""
        parts = [self.module, self.owner, self.function.name if self.function else ""]
        return ".".join(part for part in parts if part)


def place_of(frame: Frame, classes: Classes) -> Place:
    """Return where ``frame`` ran, as the repository is now.

    Raises:
        NotRebuilt: there is no such function any more, or it cannot be called from outside.
    """
    path = path_of(frame, classes)
    module = classes.module(path, "" if frame.module == "__main__" else frame.module)
    if not all(part.isidentifier() and not iskeyword(part) for part in module.split(".")):
        msg = f"{path} cannot be imported by its name"
        raise NotRebuilt(msg)
    if frame.function == MODULE:
        return Place(path, module)
    name = frame.function.rpartition(".")[2]
    tree = classes.tree(path)
    found = [each for each in _functions(tree) if each[1].name == name] if tree else []
    if not found:
        msg = f"{path} has no function {name}"
        raise NotRebuilt(msg)
    text = classes.text(path)
    owner, function, is_inner = max(found, key=lambda each: _likeness(frame, each, text))
    if is_inner:
        msg = f"{name} is a function within a function"
        raise NotRebuilt(msg)
    return Place(path, module, function, owner)


def place_named(name: str, classes: Classes) -> tuple[Place, Function]:
    """Return the function that is called so, with its place.

    Args:
        name: its last name, with as many of the names before as are needed to tell which it is:
            ``total``, ``Cart.empty``, ``shop.cart.total``.

        classes: of the repository.

    Raises:
        NotRebuilt: there is none, or one cannot tell which.
    """
    last = name.rpartition(".")[2]
    word = re.compile(rf"^\s*(?:async\s+)?def {re.escape(last)}\b", re.MULTILINE)
    every = {
        each.name: (each, function)
        for path in classes.sources
        if word.search(classes.text(path)) and (tree := classes.tree(path)) is not None
        for owner, function, is_inner in _functions(tree)
        for each in [Place(path, classes.module(path), function, owner)]
        if not is_inner and f".{each.name}".endswith(f".{name}")
    }
    found = [each for each in every.values() if not each[0].owner] or [*every.values()]
    if len(found) != 1:
        named = (
            f"more than one function {name}: {', '.join(sorted(each.name for each, _ in found))}"
        )
        msg = f"the repository has {named if found else f'no function {name}'}"
        raise NotRebuilt(msg)
    return found[0]


def path_of(frame: Frame, classes: Classes) -> str:
    """Return the path of a frame's file from the repository's root; empty: it is not in it."""
    told = frame.file.replace("\\", "/").split("/")
    named = [path for path in classes.paths if path.rpartition("/")[2] == told[-1]]
    alike = {path: _alike(told, path.split("/")) for path in named if path.endswith(".py")}
    most = max(alike.values(), default=0)
    best = sorted(path for path, count in alike.items() if count == most)
    if most == 1 and most not in {len(told), *(path.count("/") + 1 for path in best)}:
        return ""
    if len(best) > 1 and frame.code:
        best = [path for path in best if frame.code in classes.text(path)]
    return best[0] if len(best) == 1 else ""


def _alike(told: list[str], path: list[str]) -> int:
    """Return how many of the last parts of two paths are the same."""
    pairs = zip(reversed(told), reversed(path), strict=False)
    count = 0
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count


def _functions(tree: ast.Module) -> Iterator[tuple[str, Function, bool]]:
    """Yield each function with its class, and whether it lies within another function."""
    waiting: list[tuple[str, bool, ast.AST]] = [("", False, tree)]
    while waiting:
        owner, is_inner, node = waiting.pop()
        for each in ast.iter_child_nodes(node):
            if isinstance(each, Function):
                yield owner, each, is_inner
                waiting.append((owner, True, each))
            elif isinstance(each, ast.ClassDef):
                waiting.append((f"{owner}.{each.name}".lstrip("."), is_inner, each))
            else:
                waiting.append((owner, is_inner, each))


def _likeness(frame: Frame, found: tuple[str, Function, bool], text: str) -> tuple[bool, ...]:
    """Return how well a function of the right name fits; the best is the greatest."""
    owner, function, is_inner = found
    taken = function.args
    names = {each.arg for each in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)}
    lines = text.splitlines()[function.lineno - 1 : function.end_lineno]
    qualified = f"{owner}.{function.name}".lstrip(".")
    return (
        # Of a name alone one does not know whether it is a method's.
        "." in frame.function and qualified == frame.function,
        bool(frame.code) and any(frame.code == line.strip() for line in lines),
        names <= frame.variables.keys(),
        function.lineno <= frame.line <= (function.end_lineno or 0),
        not is_inner,
    )


def named_place(frames: Collection[Frame]) -> Frame | None:
    """Return the innermost frame in the app that has a name; None: there is none."""
    own = [frame for frame in frames if frame.is_in_app]
    named = [frame for frame in own if frame.function.rpartition(".")[2] not in NAMELESS]
    return named[-1] if named else None
