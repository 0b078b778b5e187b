"""Answers: every world of a trial must return what the baseline returns."""

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from honed.core.canonical import Json
from honed.errors import EvaluatorFailed
from honed.targets.postgres.answer import Answer
from honed.targets.postgres.worlds import Side, Worlds

#: What leaves the rows of a statement open: which of equal ones, or in which order they are.
_OPEN = (
    exp.Limit,
    exp.Offset,
    exp.Fetch,
    exp.TableSample,
    exp.Window,
    exp.ArrayAgg,
    exp.GroupConcat,
    exp.JSONObjectAgg,
    exp.JSONArrayAgg,
)
#: The same of functions that the parser does not know: ``jsonb_agg``, ``xmlagg``.
_GATHERS = re.compile(r"agg$", re.IGNORECASE)


def leaves_rows_open(statement: str) -> bool:
    """Return whether ``statement`` may return other rows under another plan.

    It has a LIMIT, DISTINCT ON, a window, or gathers rows into one value. What cannot be parsed is
    taken to say exactly what it returns.
    """
    try:
        tree = sqlglot.parse_one(statement, dialect="postgres")
    except (SqlglotError, RecursionError):
        return False
    return (
        tree.find(*_OPEN) is not None
        or any(each.args.get("on") is not None for each in tree.find_all(exp.Distinct))
        or any(_GATHERS.search(each.name) for each in tree.find_all(exp.Anonymous))
    )


class Answers:
    """Sees to it that every arm of a trial returns what the baseline returns.

    A statement whose rows move by themselves (``now()``, ``random()``) is asked again on both sides
    before anybody is accused, and no more if the baseline disagrees with itself. One whose text
    leaves open which rows it returns (LIMIT among equals) may return other ones under another plan,
    but not another number of them.
    """

    def __init__(self, worlds: Worlds) -> None:
        self._worlds = worlds
        self._rows: dict[tuple[str, str], int] = {}
        self._answers: dict[tuple[str, str], Answer] = {}
        self._moving: set[tuple[str, str]] = set()
        self._open: set[str] = set()

    def facts(self) -> dict[str, Json]:
        """Return what was compared, for the record of the trial."""
        return {
            "answers_compared": len(self._answers),
            "answers_that_move": sorted({unit for unit, _ in self._moving}),
            "answers_left_open": sorted(self._open),
        }

    def check(self, unit: str, example: str, answer: Answer, side: Side) -> None:
        """Return if ``answer`` is what ``example`` returns on ``side`` and should, row by row.

        Raises:
            EvaluatorFailed: the statement returns other rows than on the baseline.
        """
        self.check_rows(unit, example, answer.rows, side)
        key = (unit, example)
        if key in self._moving or self._answers.setdefault(key, answer) == answer:
            return
        if not self._is_explained(unit, example, side):
            msg = f"statement {unit} returns other rows than on the baseline"
            raise EvaluatorFailed(msg)

    def check_rows(self, unit: str, example: str, rows: int, side: Side) -> None:
        """Return if ``example`` returns as many ``rows`` on ``side`` as it should.

        Raises:
            EvaluatorFailed: the statement returns another number of rows than on the baseline.
        """
        key = (unit, example)
        if key in self._moving or self._rows.setdefault(key, rows) == rows:
            return
        before, mine, after = self._ask_again(example, side)
        if before is None or mine is None or after is None or before.rows != after.rows:
            self._moving.add(key)
        elif before.rows == mine.rows:
            self._rows[key] = mine.rows
        else:
            msg = f"statement {unit} returns {mine.rows} rows, on the baseline {before.rows}"
            raise EvaluatorFailed(msg)

    def _is_explained(self, unit: str, example: str, side: Side) -> bool:
        before, mine, after = self._ask_again(example, side)
        if before is None or mine is None or after is None or before != after:
            self._moving.add((unit, example))
            return True
        if before == mine:
            self._answers[unit, example] = mine
            return True
        if leaves_rows_open(example):
            self._open.add(unit)
            return True
        return False

    def _ask_again(self, example: str, side: Side) -> list[Answer | None]:
        sides = (Side.BASELINE, side, Side.BASELINE)
        return [self._worlds.enter(each).run(example, reads=True).answer for each in sides]
