"""The daemon: a worker, the timer that begins cycles and scans, readings, and checkpoints."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from honed.approval.decisions import expire_overdue
from honed.backlog.scan import chosen, installed_sources, is_due, scan
from honed.config import LlmProvider
from honed.core.target import Target
from honed.errors import HonedError
from honed.ledger.checkpoint import write_checkpoint
from honed.llm.client import open_model
from honed.llm.recordings import forget
from honed.llm.requests import answer_requests
from honed.loop.cycle import Options, schedule
from honed.loop.following import follow_changes
from honed.loop.parts import Parts
from honed.loop.two_servers.member import Member
from honed.signals.partitions import RETENTION_S, Retention
from honed.signals.scrubbing import scrubber_by
from honed.storage.queries import load_queries
from honed.targets.registry import list_targets
from honed.targets.repository.requests.changes import take_news

_QUERIES = load_queries("honed.loop")
_LOG = logging.getLogger(__name__)

#: Pause between two looks at whether a cycle or the end of an approval is due.
TICK_S = 5.0

#: Pause between two checkpoints: what was recorded since the last one could be cut off unseen.
CHECKPOINT_S = 300.0

#: Pause between two looks at the changes of code that are open, and at what people decided of them.
REVIEWS_S = 60.0

#: So often a role is renewed before it would be lost.
ROUNDS_IN_A_LEASE = 3.0


class Keeper:
    """Does what is due by the clock, in threads beside a worker: readings, timer, checkpoints.

    A reading that fails is logged and tried again; it never ends the daemon. Several keepers may
    run on one store: a target has one cycle that waits, and a second reading only makes the
    intervals shorter.
    """

    def __init__(
        self,
        parts: Parts,
        targets: Callable[[], Sequence[Target]],
        *,
        begins_cycles: bool,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            parts: what the loop works with.

            targets: returns what is to be read, asked again before each reading.

            begins_cycles: whether a cycle begins when one is due (``honed run``), or only
                readings and checkpoints are taken (``honed cycle``).
        """
        self._parts = parts
        self._targets = targets
        self._begins_cycles = begins_cycles
        self._member = Member(parts)
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._ending.clear()
        duties: list[tuple[Callable[[], None], float]] = [
            (self.read_targets, self._parts.settings.sample_interval_s),
            (self.glance_at_targets, self._parts.settings.glance_interval_s),
            (self.keep_checkpoint, CHECKPOINT_S),
        ]
        if self._begins_cycles:
            duties.append((self.begin_due, TICK_S))
            duties.append((self.scan_if_due, TICK_S))
            duties.append((self.follow_changes, REVIEWS_S))
            duties.append((self.follow_news, TICK_S))
            duties.append((self.drop_old_signals, RETENTION_S))
            duties.append((self.forget_recordings, RETENTION_S))
            duties.append((self.keep_role, self._parts.settings.lease_s / ROUNDS_IN_A_LEASE))
            if self._parts.settings.llm_provider is not LlmProvider.NONE:
                duties.append((self.answer_texts, TICK_S))
        for duty, pause_s in duties:
            thread = threading.Thread(target=self._repeat, args=(duty, pause_s), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        while self._threads:
            self._threads.pop().join()
        if self._begins_cycles:
            self._member.leave()

    def read_targets(self) -> None:
        """Read the counters of every target once."""
        for target in self._targets():
            try:
                target.sample()
            except HonedError as error:
                _LOG.warning("target %s was not read: %s", target.name, error)

    def glance_at_targets(self) -> None:
        """Look once at what runs on every target."""
        for target in self._targets():
            try:
                target.glance()
            except HonedError as error:
                # The next reading says it aloud.
                _LOG.debug("target %s could not be glanced at: %s", target.name, error)

    def keep_checkpoint(self) -> None:
        """Append a signed checkpoint of the record to the file of the settings, if it has grown."""
        try:
            with self._parts.store.transaction() as conn:
                write_checkpoint(conn, self._parts.signer, self._parts.settings.checkpoints)
        except HonedError as error:
            _LOG.warning("no checkpoint was written: %s (%s)", error, error.hint)

    def drop_old_signals(self) -> None:
        """Drop the days of signals whose time is over, also while nobody takes any in."""
        Retention(self._parts.store, self._parts.settings.signal_retention_days).drop()

    def forget_recordings(self) -> None:
        """Forget in its time what language models were asked, and what they answered."""
        forget(self._parts.store, self._parts.settings.llm_retention_days)

    def keep_role(self) -> None:
        """Hold the daemon's role, or its role among two servers, and tell the other one."""
        try:
            self._member.keep()
        except HonedError as error:
            _LOG.warning("the role was not renewed: %s", error)

    def begin_due(self) -> None:
        """Let a cycle begin for each target whose time has come, and end approvals that expired."""
        settings = self._parts.settings
        with self._parts.store.transaction() as conn:
            due = conn.execute(_QUERIES["targets_due"], {"interval_s": settings.cycle_interval_s})
            for row in due.fetchall():
                schedule(conn, row["target_id"], Options.of(settings))
        with self._parts.store.transaction() as conn:
            expire_overdue(conn, self._parts.signer)

    def scan_if_due(self) -> None:
        """Ask the sources of tickets, if nobody has for as long as the settings say."""
        settings = self._parts.settings
        with self._parts.store.transaction() as conn:
            if not is_due(conn, settings):
                return
        sources = chosen(installed_sources(), settings)
        for report in scan(self._parts.store, sources, settings) if sources else ():
            if report.error:
                _LOG.warning("the source %s was not read: %s", report.source, report.error)

    def follow_changes(self) -> None:
        """Merge and close the changes of code of which people said so, and see what others did."""
        for record in list_targets(self._parts.store):
            follow_changes(self._parts, record)

    def follow_news(self) -> None:
        """Look at the changes of repositories whose forges have said that something happened.

        What gets lost here is seen at the next look at all.
        """
        with self._parts.store.transaction() as conn:
            due = take_news(conn)
        for record in list_targets(self._parts.store) if due else ():
            if record.target_id in due:
                follow_changes(self._parts, record)

    def answer_texts(self) -> None:
        """Let the language model answer what was asked by ``honed.generate_text()``."""
        parts = self._parts
        try:
            model = open_model(parts.settings, parts.store, scrubber_by(parts.signer))
            if model is not None:
                answer_requests(parts.store, model, is_ending=self._ending.is_set)
        except HonedError as error:
            _LOG.warning("no text was generated: %s (%s)", error, error.hint)

    def _repeat(self, duty: Callable[[], None], pause_s: float) -> None:
        while not self._ending.is_set():
            began = time.monotonic()
            try:
                duty()
            except Exception:
                # The daemon outlives whatever goes wrong in one round.
                _LOG.exception("a round of the daemon failed")
            self._ending.wait(max(0.0, pause_s - (time.monotonic() - began)))
