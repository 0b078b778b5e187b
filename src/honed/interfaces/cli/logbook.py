"""The loop's events as a log: each line with the time of day and the target that it is about."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console

from honed.errors import HonedError
from honed.improvement.record import get
from honed.interfaces.cli.narration import Narration
from honed.interfaces.cli.root import TIME_OF_DAY
from honed.loop.cycle import get_cycle
from honed.loop.events import Event, OnEvent
from honed.storage.db import Database
from honed.targets.registry import get_target


class Logbook:
    """Tells events by a narration whose lines say when it was, and of which target."""

    def __init__(self) -> None:
        """Know no target yet; without a ``store`` none can be asked for."""
        #: Asked for the target of an improvement or a cycle that began elsewhere.
        self.store: Database | None = None
        self._names: dict[tuple[str, int], str] = {}
        self._about = ""

    @contextmanager
    def open(self, console: Console) -> Iterator[OnEvent]:
        """Write on ``console`` whatever event is handed to what this hands out."""
        with Narration(console, stamp=self._stamp) as narration:

            def tell(event: Event) -> None:
                self._about = self._target_of(event)
                narration.on_event(event)

            yield tell

    def _stamp(self) -> str:
        return f"{datetime.now().astimezone():{TIME_OF_DAY}} {self._about}".rstrip()

    def _target_of(self, event: Event) -> str:
        """Return the target's name; empty where the event is about none that is known."""
        for kind in ("cycle_id", "improvement_id", "target_id"):
            number = getattr(event, kind, 0)
            if not number:
                continue
            if (kind, number) not in self._names:
                named: str = getattr(event, "target", "")
                self._names[kind, number] = named or self._asked(kind, number)
            return self._names[kind, number]
        return ""

    def _asked(self, kind: str, number: int) -> str:
        if self.store is None:
            return ""
        try:
            return get_target(self.store, self._target_id(self.store, kind, number)).name
        except HonedError:
            # It was removed, or the store is away: the line is worth more than its target.
            return ""

    @staticmethod
    def _target_id(store: Database, kind: str, number: int) -> int:
        if kind == "target_id":
            return number
        with store.transaction() as conn:
            if kind == "cycle_id":
                return get_cycle(conn, number).target_id
            return get(conn, number).target_id
