"""The lab of a target: a private shadow server with a copy of its database, cloned for trials."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from honed.config import Settings
from honed.targets.postgres.clone import Clone


@dataclass(frozen=True, slots=True)
class Copied:
    """What the lab's copy of production is."""

    #: Digest of production's schema when it was copied.
    fingerprint: str
    #: When the copying began.
    taken_at: datetime
    #: Host, port and database it came from, without user and password.
    source: str
    #: Rows copied.
    rows: int
    #: Share of rows copied of the tables that were sampled, by qualified name; empty: all complete.
    sampled: dict[str, float]
    #: What could not be restored, one sentence each: an extension that is not installed here.
    missing: tuple[str, ...]
    #: Seconds that the copying took.
    seconds: float


class Lab:
    """The lab of one target: where trials run, away from production.

    Production is only read, as the observing role. One process uses a lab at a time.

    Args:
        target_id: the row of the target; the folder is ``home/lab/<target_id>``.

        observe_url: URL of production as the observing role, with password if it needs one.

        home: honed's home.

        settings: settings of this process.

        size_limit_bytes: a larger database is copied in part: its large tables are sampled.
    """

    def __init__(
        self,
        target_id: int,
        observe_url: str,
        *,
        home: Path,
        settings: Settings,
        size_limit_bytes: int = 2 * 1024**3,
    ) -> None:
        raise NotImplementedError

    def refresh(self, max_age: timedelta = timedelta(hours=6)) -> Copied:
        """Return what the copy is, after copying again where it is too old or production changed.

        Raises:
            TargetUnavailable: production went away; a copy from before stays as it was.
            MissingPrivilege: the observing role may not read a table.
            DiskFull: there is no room for the copy.
            ServerFailed: the shadow server does not start, even on an empty directory.
        """
        raise NotImplementedError

    @contextmanager
    def clone(self, label: str) -> Iterator[Clone]:
        """Hand out a fresh clone of the copy, and drop it at the end.

        Args:
            label: what it is for; part of the database's name.

        Raises:
            DiskFull: there is no room for it.
        """
        raise NotImplementedError
        yield

    def close(self) -> None:
        """Stop the shadow server; the copy stays for the next time."""
        raise NotImplementedError
