"""One change that keeps what code does, why that is a gain, and how sure it is."""

import ast
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from honed.core.change import FileChange
from honed.repair.refactor.package import Module
from honed.repair.source import applied, do_overlap
from honed.repair.suite import Edit


class Proof(StrEnum):
    """Why a change keeps what code does, the strongest first."""

    #: The same code runs, for the same names.
    SAME_CODE = "same code"
    #: Every way through one function was looked at, with types that are certain.
    ANALYSED = "analysed"
    #: The same, with types that annotations say.
    DECLARED = "declared"
    #: Nothing in any of the files names it; what is outside of them is not known.
    UNNAMED = "unnamed"
    #: A linter calls it safe.
    LINTER = "linter"


@dataclass(frozen=True, slots=True)
class Refactor:
    """One change, made alone on the files as they are."""

    #: What was done: ``join_texts``, ``merge_copies`` ...
    rule: str
    #: One sentence for whoever reads the change.
    reason: str
    proof: Proof
    files: tuple[FileChange, ...]


def refactored(
    rule: str, reason: str, proof: Proof, edits: Iterable[tuple[Module, list[Edit]]]
) -> Refactor | None:
    """Return the change that edits make, or None: one of them is in doubt.

    Edits that overlap, that change nothing, or after which a file is no Python, are in doubt.
    """
    files = []
    for module, each in edits:
        if do_overlap(each):
            return None
        after = applied(module.source.text, each).decode()
        if after == module.text or not parses(after):
            return None
        files.append(FileChange(module.path, module.text, after))
    return Refactor(rule, reason, proof, tuple(files)) if files else None


def parses(text: str) -> bool:
    """Whether a text is Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def removed(module: Module, node: ast.stmt) -> Edit:
    """Return the edit that takes out a statement with the comment and the blank lines above it."""
    source = module.source
    start, end = source.lines_of(node)
    lines = source.text[:start].splitlines(keepends=True)
    while lines and lines[-1].startswith(b"#") and not lines[-1].startswith(b"#!"):
        start -= len(lines.pop())
    while lines and not lines[-1].strip():
        start -= len(lines.pop())
    return Edit(start, end, "")
