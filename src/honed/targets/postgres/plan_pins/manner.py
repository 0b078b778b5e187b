"""Manners: how a session on a clone is told what production's sessions look up.

Production's sessions find the words for a statement by an identifier that a replay does not have,
for parameters are values there. What says the same to the planner stands in a comment before the
statement, or in a setting of the session.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from honed.targets.postgres.plan_pins.hints import MARK, hinted


@dataclass(frozen=True, slots=True)
class Manner:
    """How sessions are told the words of one extension."""

    #: What the words are called; what a claim records them under, so that it is never renamed.
    noun: str
    #: One of them.
    singular: str
    #: What sessions must load to obey them.
    library: str
    #: The setting that takes them; empty: they are a comment before the statement.
    setting: str = ""

    def text(self, statement: str, words: str) -> str:
        """Return ``statement`` as it is sent."""
        return statement if self.setting else hinted(statement, words)

    def is_in(self, examples: Sequence[str]) -> bool:
        """Return whether the application itself writes words before the statement."""
        return not self.setting and any(MARK in each for each in examples)

    def settings(self, words: str) -> dict[str, str]:
        """Return what the session is given for one statement."""
        return {self.setting: words} if self.setting and words else {}


HINTS = Manner("hints", "hint", "pg_hint_plan")
ADVICE = Manner("advice", "advice", "pg_plan_advice", "pg_plan_advice.advice")
#: By the name of the mechanism.
MANNERS: Mapping[str, Manner] = {"hint_table": HINTS, "stash_advice": ADVICE}


def manner_of(parameters: Mapping[str, Any]) -> Manner | None:
    """Return the manner that a claim's ``parameters`` record words for; None: they record none."""
    return next((each for each in MANNERS.values() if each.noun in parameters), None)
