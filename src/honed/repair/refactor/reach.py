"""Which lines can run, which of them a change is about, and how much of those tests reach."""

from collections.abc import Iterator
from types import CodeType

from honed.core.change import FileChange


def runnable(path: str, text: str) -> frozenset[int]:
    """Return the lines of a file in which something can run.

    Raises:
        SyntaxError: it is no Python.
        ValueError: likewise.
    """
    code = compile(text, path, "exec", dont_inherit=True)
    return frozenset(line for each in _codes(code) for _, _, line in each.co_lines() if line)


def replaced(file: FileChange) -> frozenset[int]:
    """Return the lines of the file before that are gone or other, and can run.

    Raises: as ``runnable``.
    """
    back = FileChange(file.path, file.after, file.before)
    return back.touched & runnable(file.path, file.before or "")


def share_reached(file: FileChange, reached: frozenset[int]) -> float:
    """Return the share of the lines of ``replaced`` that ran; 1 where there are none.

    Raises: as ``runnable``.
    """
    lines = replaced(file)
    return len(lines & reached) / len(lines) if lines else 1.0


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
