"""A source of tickets: one way to notice what should be changed. A plug-in, one file each."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from honed.backlog.draft import Draft
from honed.backlog.ticket import TicketSource
from honed.config import Settings
from honed.storage.db import Connection

#: The package of honed's own, and the entry point group of others.
FAMILY = "honed.backlog.sources"


class Source(ABC):
    """One way to notice troubles that should become tickets.

    It reads and says; what becomes of its drafts, and how many of them, is the scan's.
    """

    #: What the command line and the history call it; never renamed.
    name: ClassVar[str]
    #: Where its tickets come from; the setting ``ticket_sources`` switches it on or off by this.
    source: ClassVar[TicketSource]

    @abstractmethod
    def drafts(self, conn: Connection, since: datetime, settings: Settings) -> Iterable[Draft]:
        """Yield one draft for each trouble that is there, or was seen since ``since``.

        What was yielded before may be yielded again: the same trouble is the same ticket. Whatever
        it yields is scrubbed.

        Args:
            conn: a transaction that it only reads in.

            since: begin of the last scan that left none of its drafts out; with a clock of its own,
                the store's.

            settings: those of this process.

        Raises:
            SourceFailed: it cannot be read; the message says why.
        """
