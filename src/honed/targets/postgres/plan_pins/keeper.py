"""Keepers: extensions that keep words to the planner for single statements of all sessions.

One writes them into a table, another into shared memory; what a pin needs of them is the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from psycopg.conninfo import conninfo_to_dict

from honed.core.step import Step
from honed.storage.queries import load_queries
from honed.targets.postgres.plan_history.memory import QUERIES as HISTORY
from honed.targets.postgres.target import PostgresTarget

QUERIES = load_queries(__package__, "pins.sql")
_STORED = load_queries(__package__)


class Keeper(Protocol):
    """What one extension keeps in one database."""

    @property
    def words(self) -> Mapping[str, str]:
        """What is there, by statement, whoever put it there."""

    @property
    def place(self) -> str:
        """Name where it is, in a sentence."""

    @property
    def reach(self) -> str:
        """Name the sessions that look there, in a sentence."""

    @property
    def obstacle(self) -> str:
        """Return why no pin can be put there, with what would let it; empty: it can."""

    def of(self, roles: Sequence[str]) -> "Keeper":
        """Return what sessions of ``roles`` look up; of none: sessions of anybody."""

    def step(self, statement_id: str, words: str) -> Step:
        """Return the step that keeps ``words`` for one statement.

        It fails where the statement has some already, and its undo removes them only as they were
        put there: what somebody has written there since stays.
        """


@dataclass(frozen=True, slots=True)
class Foreign:
    """Words that somebody else gave a statement that is slower now."""

    statement_id: str
    words: str
    place: str


def actor_of(target: PostgresTarget) -> str:
    """Return the name of the acting role; empty: there is none."""
    return str(conninfo_to_dict(target.record.act_url).get("user") or "")


def regressed_statements(target: PostgresTarget) -> frozenset[str]:
    """Return the statements that are slower now than they were."""
    rows = target.recall(HISTORY["list_regressed"], {})
    return frozenset(row["statement_id"] for row in rows)


def foreign_words(
    target: PostgresTarget, regressed: frozenset[str], mechanism: str, keeper: Keeper
) -> list[Foreign]:
    """Return what ``keeper`` has for ``regressed`` statements that is no pin of ours.

    Nothing of it is changed, so that honed gives those statements nothing there.
    """
    rows = target.recall(_STORED["list_pinned_statements"], {"mechanism": mechanism})
    own = {row["statement_id"] for row in rows}
    return [
        Foreign(name, keeper.words[name], keeper.place)
        for name in sorted(regressed & keeper.words.keys() - own)
    ]
