"""Hint rows: the table in which pg_hint_plan keeps hints for statements of everybody's sessions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from honed.core.step import Step
from honed.storage.queries import load_queries
from honed.targets.postgres.plan_history.memory import QUERIES as HISTORY
from honed.targets.postgres.plan_pins.bench import QUERIES
from honed.targets.postgres.target import PostgresTarget

_STORED = load_queries(__package__)

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
    """The table of pg_hint_plan in one database."""

    #: Whether it finds a statement by the server's identifier (since 1.7); else by its text.
    is_by_identifier: bool
    #: Whether new sessions, as the observing role has them, load the extension and read the table.
    is_obeyed: bool
    #: Whether the acting role may insert and delete; True where there is none.
    may_be_written: bool
    actor: str = ""
    #: The hints that are there, by statement.
    hints: Mapping[str, str] = field(default_factory=dict)

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


def read_hint_rows(target: PostgresTarget) -> HintRows | None:
    """Return the table of pg_hint_plan in the target's database; None: there is none."""
    actor = str(conninfo_to_dict(target.record.act_url).get("user") or "")
    rows = target.query(QUERIES["describe_hint_table"], {"actor": actor})
    if not rows:
        return None
    is_known = rows[0]["is_by_identifier"]
    hints = target.query(QUERIES["list_hints"], {}) if is_known else []
    return HintRows(
        **rows[0], actor=actor, hints={row["statement_id"]: row["hints"] for row in hints}
    )


def foreign_hints(target: PostgresTarget) -> dict[str, str]:
    """Return hints that others gave to statements that are slower now, by statement.

    Nothing of theirs is changed, so that honed gives those statements no hint.
    """
    regressed = {row["statement_id"] for row in target.recall(HISTORY["list_regressed"], {})}
    table = read_hint_rows(target) if regressed else None
    if table is None:
        return {}
    own = {row["statement_id"] for row in target.recall(_STORED["list_hint_pins"], {})}
    return {name: table.hints[name] for name in sorted(regressed & table.hints.keys() - own)}


def hint_step(statement_id: str, hints: str) -> Step:
    """Return the step that gives one statement hints in everybody's sessions.

    It fails where the statement has hints already, and its undo deletes the row only as it was
    inserted: what somebody has written there since stays.
    """
    row = _ROW.format(statement_id=sql.Literal(int(statement_id)), hints=sql.Literal(hints))
    return Step(
        f"give statement {statement_id} the hints {hints}",
        do=(
            _INSERT.format(
                statement_id=sql.Literal(int(statement_id)), hints=sql.Literal(hints)
            ).as_string(None),
        ),
        undo=(_DELETE.format(row=row).as_string(None),),
        inspect=_INSPECT.format(row=row).as_string(None),
    )
