"""A change is as small as a person reads in a minute.

## What it does

It refuses a change of more files or lines than a repair has. New files, which are tests, have a
limit of their own.

## Why it helps

Small changes are reviewed and merged, large ones are not: what fixes much at once hides what else
it does.

## Risk and rollback

It only counts.

## How it is measured

In lines that are new, other or gone.
"""

from typing import ClassVar, Final

from honed.core.change import CodeChange
from honed.core.counted import counted
from honed.core.gate import Gate, GateResult, Judge, Thresholds

#: Of 8,106 pull requests of agents that repair something, those that were merged had a median of
#: some 30 changed lines, and larger ones were merged less often (AIDev data set, 2025).
_MOST_LINES: Final = 60
_MOST_FILES: Final = 5
#: Of all new files together: a generated test is short.
_MOST_NEW_LINES: Final = 400


class Size(Gate):
    """See the module's docstring."""

    name: ClassVar[str] = "size"
    order: ClassVar[int] = 20

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether the change is small."""
        del judge, thresholds
        new_lines = sum(len(each.touched) for each in change.files if each.before is None)
        edited = [each for each in change.files if each.before is not None]
        lines = sum(max(len(each.touched), each.removed) for each in edited)
        evidence = {"lines": lines, "files": len(edited), "new_lines": new_lines}
        if lines > _MOST_LINES or len(edited) > _MOST_FILES:
            most = f"{_MOST_LINES} lines of {_MOST_FILES} files"
            return self.fails(
                f"{counted(lines, 'line')} of {counted(len(edited), 'file')} are more than {most}",
                **evidence,
            )
        if new_lines > _MOST_NEW_LINES:
            return self.fails(f"{new_lines} new lines are more than {_MOST_NEW_LINES}", **evidence)
        return self.passes(counted(lines, "changed line"), **evidence)
