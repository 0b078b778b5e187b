"""What a repository itself passes to functions, where it writes that down in literals."""

import ast
import doctest
from collections.abc import Iterable, Iterator
from typing import Final

from honed.core.canonical import Json

_MOST: Final = 10
_LONGEST: Final = 120


def literal_calls(texts: Iterable[str]) -> dict[str, Json]:
    """Return by last name of what is called the literals that it is given: by place and by name.

    Examples in docstrings count, too. A call with anything else among its arguments is left out.

    Args:
        texts: of the modules, tests included; what is no Python is left out.
    """
    found: dict[str, list[Json]] = {}
    for text in texts:
        for call in _calls(text):
            said = _literals(call)
            known = found.setdefault(_name(call.func), [])
            if said is not None and said not in known and len(known) < _MOST:
                known.append(said)
    return {name: list(known) for name, known in sorted(found.items()) if name and known}


def _calls(text: str) -> Iterator[ast.Call]:
    for tree in _trees(text):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (node.args or node.keywords):
                yield node


def _trees(text: str) -> Iterator[ast.Module]:
    """Yield a module and the examples in it."""
    sources = [text]
    if ">>> " in text:
        try:
            examples = doctest.DocTestParser().get_examples(text)
        except ValueError:
            examples = []
        sources += [each.source for each in examples]
    for source in sources:
        try:
            yield ast.parse(source)
        except (SyntaxError, ValueError, RecursionError):
            continue


def _literals(call: ast.Call) -> list[Json] | None:
    """Return texts of arguments by place, and of those by name; None: one is no literal."""
    if any(each.arg is None for each in call.keywords):
        return None
    try:
        positional: list[Json] = [_text(each) for each in call.args]
        named: dict[str, Json] = {str(each.arg): _text(each.value) for each in call.keywords}
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return None
    return [positional, named]


def _text(node: ast.expr) -> str:
    """Return the text of a literal.

    Raises:
        ValueError: it is none, or too long.
    """
    text = repr(ast.literal_eval(node))
    if len(text) > _LONGEST:
        msg = "it is too long"
        raise ValueError(msg)
    return text


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
