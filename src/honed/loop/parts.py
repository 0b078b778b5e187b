"""What every phase of the loop works with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from honed.config import Settings
from honed.core.detector import Detector
from honed.core.kind import Kind
from honed.core.step import Step, inverses
from honed.core.target import Target
from honed.errors import Stopped, UnknownPlugin
from honed.ledger.keys import Signer
from honed.loop.boundary import asking
from honed.loop.events import Event, OnEvent
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")

#: Whatever sort of target it improves; the loop gives each kind only targets of its own sort.
AnyKind: TypeAlias = Kind[Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """What every phase of the loop works with; put together once, in ``wiring``."""

    #: honed's own database, in the daemon's role.
    store: Database
    signer: Signer
    settings: Settings
    kinds: Mapping[str, AnyKind]
    detectors: Mapping[str, Detector]
    #: Opens a target by its id; raises UnknownTarget.
    target: Callable[[int], Target]
    #: The URL of a target with its acting role; raises ConfigurationError where it has none.
    acting_url: Callable[[int], str]
    #: What connections that change a target are called: the same for all workers of one store.
    holder: str
    on_event: OnEvent

    def tell(self, *events: Event) -> None:
        """Tell whoever watches what was committed."""
        for event in events:
            self.on_event(event)

    def kind(self, name: str) -> AnyKind:
        """Return an installed kind.

        Raises:
            UnknownPlugin: it is not installed here (any more).
        """
        try:
            return self.kinds[name]
        except KeyError:
            msg = f"the kind {name} is not installed here"
            raise UnknownPlugin(msg) from None

    @property
    def waiting_for_people(self) -> frozenset[str]:
        """Names of kinds whose watch may last for weeks, and so holds up nothing else."""
        return frozenset(name for name, kind in self.kinds.items() if kind.waits_for_people)

    def undo(self, kind: str, steps: Sequence[Step]) -> list[Step]:
        """Return what takes ``steps`` back, as the kind says it; a kind that is gone: last first.

        Raises:
            KindFailed: the kind raised something.
        """
        if kind not in self.kinds:
            return inverses(steps)
        with asking(kind):
            return list(self.kinds[kind].rollback(steps))


def check_switch(conn: Connection) -> None:
    """Return unless honed was told to stop.

    Raises:
        Stopped: it was; the message tells by whom and why.
    """
    (row,) = conn.execute(_QUERIES["is_stopped"])
    if row["stopped"]:
        msg = f"{row['changed_by']} told honed to stop: {row['reason']}"
        raise Stopped(msg)
