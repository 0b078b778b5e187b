"""Where an approved change would be made: the addresses of its target, as the store has them."""

from collections.abc import Mapping
from dataclasses import dataclass

from honed.core.canonical import Json
from honed.errors import UnknownTarget
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.approval")


@dataclass(frozen=True, slots=True)
class Place:
    """How a target is reached. An approval for one place counts at no other."""

    observe_url: str
    act_url: str
    options: Mapping[str, Json]

    def to_json(self) -> dict[str, Json]:
        """Return the place as JSON."""
        return {
            "observe_url": self.observe_url,
            "act_url": self.act_url,
            "options": dict(self.options),
        }


def read_place(conn: Connection, target_id: int) -> Place:
    """Return how a target is reached at present, also one that was removed.

    Raises:
        UnknownTarget: there never was one with this id.
    """
    row = conn.execute(_QUERIES["read_place"], {"target_id": target_id}).fetchone()
    if row is None:
        msg = f"there is no target {target_id}"
        raise UnknownTarget(msg)
    return Place(**row)
