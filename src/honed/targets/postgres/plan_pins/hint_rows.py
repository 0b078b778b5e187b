"""Hint rows: the table in which pg_hint_plan keeps hints for statements of everybody's sessions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from psycopg import sql

from honed.core.step import Step
from honed.targets.postgres.plan_pins.keeper import QUERIES, actor_of
from honed.targets.postgres.target import PostgresTarget

#: The extension, and the mechanism of a pin that is a row of its table; neither is ever renamed.
EXTENSION, MECHANISM = "pg_hint_plan", "hint_table"

_INSERT = sql.SQL(
    "INSERT INTO hint_plan.hints (query_id, application_name, hints)"
    " VALUES ({statement_id}, '', {hints})"
)
_DELETE = sql.SQL("DELETE FROM hint_plan.hints WHERE {row}")
_INSPECT = sql.SQL(
    "SELECT CASE WHEN EXISTS (SELECT FROM hint_plan.hints WHERE {row})"
    " THEN 'done' ELSE 'absent' END"
)
_ROW = sql.SQL("query_id = {statement_id} AND application_name = '' AND hints = {hints}")


@dataclass(frozen=True, slots=True)
class HintRows:
    """The table of pg_hint_plan in one database; implements ``Keeper``."""

    #: Whether it finds a statement by the server's identifier (since 1.7); else by its text.
    is_by_identifier: bool
    #: Whether new sessions, as the observing role has them, load the extension and read the table.
    is_obeyed: bool
    #: Whether the acting role may insert and delete; True where there is none.
    may_be_written: bool
    actor: str = ""
    #: The hints that are there, by statement.
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Name the table in a sentence."""
        return "hint_plan.hints"

    @property
    def reach(self) -> str:
        """Name the sessions that read it."""
        return "every session"

    @property
    def obstacle(self) -> str:
        """Return why no pin can be put there; empty: it can."""
        if not self.is_by_identifier:
            return (
                f"this version of {EXTENSION} finds statements by their text to the letter, which"
                " the server does not keep; since 1.7 it finds them by their identifier"
            )
        if not self.is_obeyed:
            return (
                "sessions do not read hint_plan.hints: load the library, and set"
                f" {EXTENSION}.enable_hint_table = on"
            )
        if not self.may_be_written:
            return (
                f"the acting role {self.actor} may not write hint_plan.hints"
                " (GRANT INSERT, DELETE ON hint_plan.hints)"
            )
        return ""

    def of(self, roles: Sequence[str]) -> "HintRows":
        """Return itself: all sessions read the same table."""
        del roles
        return self

    def step(self, statement_id: str, words: str) -> Step:
        """Return the step that inserts a row; see ``Keeper``."""
        row = _ROW.format(statement_id=sql.Literal(int(statement_id)), hints=sql.Literal(words))
        return Step(
            f"give statement {statement_id} the hints {words}",
            do=(
                _INSERT.format(
                    statement_id=sql.Literal(int(statement_id)), hints=sql.Literal(words)
                ).as_string(None),
            ),
            undo=(_DELETE.format(row=row).as_string(None),),
            inspect=_INSPECT.format(row=row).as_string(None),
        )


def read_hint_rows(target: PostgresTarget) -> HintRows | None:
    """Return the table of pg_hint_plan in the target's database; None: there is none."""
    actor = actor_of(target)
    rows = target.query(QUERIES["describe_hint_table"], {"actor": actor})
    if not rows:
        return None
    is_known = rows[0]["is_by_identifier"]
    hints = target.query(QUERIES["list_hints"], {}) if is_known else []
    return HintRows(
        **rows[0], actor=actor, words={row["statement_id"]: row["hints"] for row in hints}
    )
