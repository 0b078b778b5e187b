"""The shape of a database: everything that a step could change, so that two moments compare."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from honed.core.canonical import digest
from honed.core.step import Step

#: What may stand between a keyword and the name that it introduces.
_BETWEEN = (
    r"\s+(?:(?i:CONCURRENTLY|ONLY|IF\s+EXISTS|IF\s+NOT\s+EXISTS)\s+)*"
    r"(?:(?:\"(?:[^\"]|\"\")+\"|[\w$]+)\.)?"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Names and definitions of a database at one moment; neither data nor sizes."""

    #: Each line, and how a statement that changes it names it: ``INDEX``, ``orders_day_idx``.
    lines: Mapping[str, tuple[str, str]]

    @property
    def fingerprint(self) -> str:
        """A digest of all lines."""
        return digest(list(self.lines))

    def is_due_to(self, step: Step, before: "Shape") -> bool:
        """Return whether everything that differs from ``before`` is something that ``step`` names.

        What somebody else does to the very same object meanwhile is not told apart from the step.
        What a statement changes without naming it (the index of a new primary key) counts as
        somebody else's.
        """
        lines = {**before.lines, **self.lines}
        changed = before.lines.keys() ^ self.lines.keys()
        return all(_is_named(step, *lines[line]) for line in changed)


def _is_named(step: Step, keyword: str, name: str) -> bool:
    quoted = '"' + name.replace('"', '""') + '"'
    either = f"(?:{re.escape(name)}|{re.escape(quoted)})"
    # A setting is also named by RESET.
    pattern = re.compile(rf"\b(?i:(?:RE)?{keyword}){_BETWEEN}{either}(?![\w$.])")
    return any(pattern.search(statement) for statement in step.do)
