"""What every source of tickets must keep: extend ``SourceContract`` in its test."""

import re
from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from honed.backlog.draft import Draft
from honed.backlog.source import Source
from honed.backlog.store import Became, get, take_in
from honed.backlog.ticket import TicketSource
from honed.config import Settings
from honed.storage.db import Database

#: Before anything was seen.
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class SourceContract(ABC):
    """Tests of one source; a subclass called ``Test...`` names it and makes a trouble for it."""

    @pytest.fixture
    @abstractmethod
    def plugin(self) -> Source:
        """Return the source under test."""

    @pytest.fixture
    @abstractmethod
    def trouble(self, store: Database) -> Settings:
        """Put a trouble where the source looks, and return the settings that point to it."""

    @pytest.fixture
    def nothing(self, store: Database) -> Settings:
        """Return settings that point to nothing that could be better; the defaults, mostly."""
        del store
        return Settings()

    def test_has_a_name_and_is_no_person(self, plugin: Source) -> None:
        """A source is called by a lower-case word, says what it does, and is not ``manual``."""
        assert re.fullmatch(r"[a-z][a-z_]*", plugin.name)
        assert plugin.source is not TicketSource.MANUAL
        assert type(plugin).__doc__

    def test_says_nothing_where_nothing_is(
        self, store: Database, plugin: Source, nothing: Settings
    ) -> None:
        """On an empty store, with nothing to look at, there is no trouble."""
        assert drafts_of(store, plugin, nothing) == []

    def test_finds_the_trouble_and_changes_nothing(
        self, store: Database, plugin: Source, trouble: Settings
    ) -> None:
        """It finds at least one trouble, and reads only."""
        assert drafts_of(store, plugin, trouble)

    def test_says_the_same_of_the_same(
        self, store: Database, plugin: Source, trouble: Settings
    ) -> None:
        """A trouble keeps its subject, and no two troubles of one look have the same."""
        once, again = (drafts_of(store, plugin, trouble) for _ in range(2))
        keys = [draft.key for draft in once]
        assert keys == [draft.key for draft in again]
        assert len(set(keys)) == len(keys)

    def test_its_drafts_become_tickets_once(
        self, store: Database, plugin: Source, trouble: Settings
    ) -> None:
        """Each draft can be stored, has words for a person, and is known when it comes again."""
        daemon = replace(store, role="honed_daemon")
        for draft in drafts_of(store, plugin, trouble):
            assert draft.source is plugin.source
            assert draft.first_seen_at <= draft.last_seen_at
            with daemon.transaction() as conn:
                ticket_id, became = take_in(conn, draft, found_by=plugin.name)
                assert became is Became.CREATED
                ticket = get(conn, ticket_id)
                assert ticket.title
                assert ticket.evidence
                assert ticket.proposed_solution
                assert ticket.test_plan
                assert take_in(conn, draft, found_by=plugin.name) == (ticket_id, Became.KNOWN)


def drafts_of(store: Database, plugin: Source, settings: Settings) -> list[Draft]:
    """Return what a source says, in a transaction of the daemon that cannot write."""
    with replace(store, role="honed_daemon").transaction() as conn:
        conn.execute("SET TRANSACTION READ ONLY")
        return list(plugin.drafts(conn, LONG_AGO, settings))
