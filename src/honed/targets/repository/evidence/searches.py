"""Searches for a change that found nothing, so that they are not made again on the same commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.targets.repository.judging.own_code import code_digest

_QUERIES = load_queries("honed.targets.repository.evidence", "searches.sql")
#: What searches: where one of these changes, the next search may find what the last did not.
_ENGINE: Final = (
    *("repair", "proposers", "space/clones", "llm/prompts", "llm/evidence.py", "llm/reach.py"),
    *(f"targets/repository/git/{each}.py" for each in ("blame", "inverse")),
    "targets/repository/judging/judge.py",
    "targets/repository/evidence/sighted.py",
    "targets/repository/publishing/papers",
)


@dataclass(frozen=True, slots=True)
class Vain:
    """Why a search found nothing."""

    #: In a sentence.
    reason: str
    #: Whether somebody could not be asked who may answer later; then it counts for the day.
    is_for_now: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """A search that found nothing."""

    kind: str
    cause: str
    #: In a sentence.
    reason: str
    searched_at: datetime


@dataclass(frozen=True, slots=True)
class Searches:
    """What was searched in vain in one repository.

    Args:
        store: honed's own database, as the daemon.

        target_id: the repository's target.

        budget: what a search has, in words: with more, it may find more.
    """

    store: Database
    target_id: int
    budget: str

    def was_made(self, kind: str, cause: str, commit: str, told: str = "") -> bool:
        """Return whether a kind has searched for a change of a cause on this commit in vain.

        Args:
            kind: who searched.

            cause: what it searched a change for.

            commit: where.

            told: a digest of what people have said of it; empty: nothing. Knowing more, a search
                may find more.
        """
        asked = self._about(kind, cause, commit, told)
        with self.store.transaction() as conn:
            return conn.execute(_QUERIES["find_search"], asked).fetchone() is not None

    def remember(self, kind: str, cause: str, commit: str, vain: Vain, told: str = "") -> None:
        """Remember that a search found nothing, and why; if that is so for now, until 0:00 UTC."""
        said = {
            **self._about(kind, cause, commit, told),
            "reason": vain.reason,
            "is_for_now": vain.is_for_now,
        }
        with self.store.transaction() as conn:
            conn.execute(_QUERIES["keep_search"], said)
            conn.execute(_QUERIES["drop_searches"], {"target_id": self.target_id})

    def on(self, commit: str) -> Sequence[Search]:
        """Return what was searched in vain on a commit, the newest first."""
        asked = {"target_id": self.target_id, "commit": commit}
        with self.store.transaction() as conn:
            return [Search(**row) for row in conn.execute(_QUERIES["list_searches"], asked)]

    def forget(self, named: str) -> None:
        """Let every cause be searched again that has these words in it."""
        asked = {"target_id": self.target_id, "named": named}
        with self.store.transaction() as conn:
            conn.execute(_QUERIES["forget_searches"], asked)

    def _about(self, kind: str, cause: str, commit: str, told: str) -> dict[str, object]:
        knowing = f" told {told}" if told else ""
        return {
            "target_id": self.target_id,
            "kind": kind,
            "cause": cause,
            "commit": commit,
            "engine": f"{engine_digest()} {self.budget}{knowing}",
        }


def engine_digest() -> str:
    """Return the beginning of a digest of everything of honed's that searches."""
    return code_digest(*_ENGINE)[:16]
