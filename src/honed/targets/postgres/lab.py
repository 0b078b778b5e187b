"""The lab of a target: a private shadow server with a copy of its database, cloned for trials."""

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from honed.config import Settings
from honed.errors import DiskFull, EvaluatorFailed
from honed.targets.postgres.carry import carry_statistics
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.copy import Copied, Copying
from honed.targets.postgres.phantom import Phantom
from honed.targets.postgres.production import Activity, Production, Snapshot, shares
from honed.targets.postgres.shadow import COPYING, Shadow

#: A table of which a larger share was written since the copying is no longer what it was ...
_CHANGED_SHARE = 0.1
#: ... unless these are only so many rows.
_FEW_ROWS = 1000

__all__ = ["Copied", "Lab", "lacking"]


def lacking(extension: str) -> str:
    """Return why nothing can be tried that takes an extension which the shadow server lacks."""
    return (
        f"honed's private server does not have {extension}, so that nothing can be tried there"
        " (postgres_bin may name programs that have it)"
    )


class Lab:
    """The lab of one target: where trials run, away from production.

    Production is only read, as the observing role. Several processes may use the lab of a target;
    one thread of each at a time. What a killed process left behind is dropped at the next start.

    Args:
        target_id: the row of the target; the folder is ``home/lab/<target_id>``.

        observe_url: URL of production as the observing role, with password if it needs one.

        home: honed's home.

        settings: settings of this process; of a database larger than ``copy_limit_mb`` the large
            tables are sampled.

        search_path: the one that production's application uses; empty: the observing role's.
    """

    def __init__(
        self,
        target_id: int,
        observe_url: str,
        *,
        home: Path,
        settings: Settings,
        search_path: str = "",
    ) -> None:
        self._production = Production(observe_url, settings, search_path=search_path)
        self._shadow = Shadow(home / "lab" / str(target_id), settings)
        self._limit_bytes = settings.copy_limit_mb * 1024 * 1024

    def refresh(self, max_age: timedelta = timedelta(hours=6)) -> Copied:
        """Return what the copy is, after copying again where it is too old or production changed.

        It is copied again when it is older than ``max_age``, comes from elsewhere, when the schema
        changed, or when a tenth of a table was written. When tables were only analysed, or
        settings changed, those are carried over.

        Raises:
            TargetUnavailable: production went away; a copy from before stays as it was.
            MissingPrivilege: the observing role may not read a table.
            DiskFull: there is no room for the copy.
            ServerFailed: the shadow server does not start, even on an empty directory.
            EvaluatorFailed: the shadow server went away.
        """
        with self._production.snapshot() as snapshot:
            self._shadow.start()
            with self._shadow.replacing():
                # What a killed process was copying is of no use.
                self._shadow.drop(COPYING)
                copied = self._copied()
                if copied is None or not self._is_like(copied, snapshot, max_age):
                    return self._copy(snapshot)
                return self._carry(copied, snapshot)

    @contextmanager
    def clone(self, label: str) -> Iterator[Clone]:
        """Hand out a fresh clone of the copy, and drop it at the end; copy first if there is none.

        Args:
            label: what it is for; part of the database's name.

        Raises:
            DiskFull: there is no room for it.
            EvaluatorFailed: the shadow server went away.
            TargetUnavailable: there was no copy, and production does not answer.
        """
        copied = self.copied()
        name = self._shadow.create_clone(label)
        clone: Clone | None = None
        try:
            clone = Clone(self._shadow, name, sampled=copied.sampled, sizes=copied.sizes)
            yield clone
        finally:
            if clone is not None:
                clone.close()
            # If the server is gone, the next start drops it.
            with contextlib.suppress(EvaluatorFailed):
                self._shadow.drop(name)

    @contextmanager
    def phantom(self, label: str) -> Iterator[Phantom]:
        """Hand out a fresh database to plan on, and drop it at the end; no row is copied for it.

        Args:
            label: what it is for; part of the database's name.

        Raises:
            TargetUnavailable, MissingPrivilege: production went away, or does not let us read.
            DiskFull: there is no room for it.
            ServerFailed: the shadow server does not start, even on an empty directory.
            EvaluatorFailed: the shadow server went away.
            ConfigurationError: the programs here are older than PostgreSQL 18.
        """
        self._shadow.start()
        name = self._shadow.new_name(label)
        phantom: Phantom | None = None
        try:
            with self._production.snapshot() as snapshot:
                copying = Copying(self._production, self._shadow, snapshot, database=name)
                outlined = copying.outline()
            phantom = Phantom(self._shadow, name, sizes=outlined.sizes, missing=outlined.missing)
            yield phantom
        finally:
            if phantom is not None:
                phantom.close()
            # If the server is gone, the next start drops it.
            with contextlib.suppress(EvaluatorFailed):
                self._shadow.drop(name)

    def shares(self) -> Mapping[str, float]:
        """Return which share of its rows a copy of now would hold of each table that it samples.

        Nothing is copied for it.

        Raises:
            TargetUnavailable: production does not answer.
        """
        with self._production.snapshot() as snapshot:
            return shares(snapshot.relations(), self._limit_bytes)

    def has_extension(self, name: str) -> bool:
        """Return whether the shadow server could create an extension.

        Raises:
            ServerFailed: it does not start, even on an empty directory.
            EvaluatorFailed: it went away.
        """
        self._shadow.start()
        return bool(self._shadow.rows("find_extension", name=name))

    def copied(self) -> Copied:
        """Return what the copy is; copy first if there is none.

        Raises:
            TargetUnavailable: there was no copy, and production does not answer.
            EvaluatorFailed: the shadow server went away.
        """
        self._shadow.start()
        try:
            return self._copied() or self.refresh()
        except EvaluatorFailed:
            # The server died a moment ago, and its last backend answered once more.
            self._shadow.start()
            return self._copied() or self.refresh()

    def close(self) -> None:
        """Stop the shadow server, unless another process uses it; the copy stays."""
        self._shadow.stop()

    def _copied(self) -> Copied | None:
        marker = self._shadow.read_marker()
        return None if marker is None else Copied.from_marker(marker)

    def _is_like(self, copied: Copied, snapshot: Snapshot, max_age: timedelta) -> bool:
        """Return whether the copy still has production's schema and about its rows."""
        return (
            datetime.now(UTC) - copied.taken_at <= max_age
            and copied.source == self._production.source
            and copied.fingerprint == snapshot.fingerprint()
            and not _is_rewritten(copied.activity, snapshot.activity())
        )

    def _copy(self, snapshot: Snapshot) -> Copied:
        try:
            copied = Copying(self._production, self._shadow, snapshot).copy(self._limit_bytes)
        except BaseException:
            # Above all a disk that we filled ourselves must not stay full.
            with contextlib.suppress(EvaluatorFailed, DiskFull):
                self._shadow.drop(COPYING)
            raise
        self._shadow.publish(copied.to_marker())
        return copied

    def _carry(self, copied: Copied, snapshot: Snapshot) -> Copied:
        """Take over statistics where production has new ones, and settings always."""
        now = snapshot.activity()
        if _analysed(now) == _analysed(copied.activity):
            self._shadow.use_settings(snapshot.planner_settings())
            return copied
        with self._shadow.opened_copy() as database:
            carry_statistics(
                self._production,
                self._shadow,
                snapshot,
                database=database,
                sampled=copied.sampled,
            )
        activity = {
            name: replace(item, analysed_at=now[name].analysed_at if name in now else "")
            for name, item in copied.activity.items()
        }
        copied = replace(copied, activity=activity)
        self._shadow.write_marker(copied.to_marker())
        return copied


def _is_rewritten(before: Mapping[str, Activity], now: Mapping[str, Activity]) -> bool:
    for name, activity in now.items():
        was = before.get(name, Activity(0, 0, ""))
        # Fewer writes than before: the counters were reset, and nobody knows what was written.
        written = activity.writes - was.writes
        most = max(_FEW_ROWS, _CHANGED_SHARE * max(was.live_rows, activity.live_rows))
        if written < 0 or written > most:
            return True
    return False


def _analysed(activity: Mapping[str, Activity]) -> dict[str, str]:
    return {name: item.analysed_at for name, item in activity.items() if item.analysed_at}
