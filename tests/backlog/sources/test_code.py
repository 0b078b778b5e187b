"""Static analysis becomes tickets only where somebody asks for it."""

from dataclasses import replace
from pathlib import Path

import pytest

from honed.backlog.scan import chosen, installed_sources, scan
from honed.backlog.sources.code import Code
from honed.backlog.store import tickets
from honed.backlog.ticket import Category, Priority
from honed.backlog.triage import triage
from honed.config import Settings
from honed.storage.db import Database
from honed.testing.source import SourceContract, drafts_of

COMPLEX = "def total(x):\n" + "".join(f"    if x == {n}:\n        x += {n}\n" for n in range(25))


class TestCode(SourceContract):
    @pytest.fixture
    def plugin(self) -> Code:
        return Code()

    @pytest.fixture
    def trouble(self, store: Database, tmp_path: Path) -> Settings:
        del store
        folder = tmp_path / "shop"
        folder.mkdir()
        (folder / "cart.py").write_text(f"import os\n\n\n{COMPLEX}    return x\n")
        return Settings(code_path=folder, ticket_sources="code")

    @pytest.fixture
    def nothing(self, store: Database, tmp_path: Path) -> Settings:
        del store
        return Settings(code_path=tmp_path, ticket_sources="code")

    def test_no_repository_is_said(self, store: Database) -> None:
        (report,) = scan(replace(store, role="honed_daemon"), [Code()], Settings())
        assert report.error == "no repository is named that could be analysed"
        assert "code_path" in report.hint

    def test_each_sort_of_trouble_is_a_ticket_of_its_own(
        self, store: Database, trouble: Settings
    ) -> None:
        drafts = {draft.subject: draft for draft in drafts_of(store, Code(), trouble)}
        assert set(drafts) == {"complex: cart.py:total", "dead: cart.py", "untested: ./"}
        assert {draft.project for draft in drafts.values()} == {"shop"}
        judged = triage(drafts["complex: cart.py:total"])
        # A complexity of 26, and no test: more than an unused import.
        assert (judged.category, judged.priority) == (Category.REFACTOR, Priority.MEDIUM)
        assert triage(drafts["dead: cart.py"]).priority is Priority.LOW
        assert triage(drafts["untested: ./"]).category is Category.TEST

    def test_what_stays_is_counted_once_a_scan(self, store: Database, trouble: Settings) -> None:
        daemon = replace(store, role="honed_daemon")
        for _ in range(3):
            (report,) = scan(daemon, [Code()], trouble)
        assert (report.found, report.counted, report.created) == (3, 3, 0)
        with daemon.transaction() as conn:
            assert {ticket.times_seen for ticket in tickets(conn)} == {3}

    def test_it_is_off_unless_it_is_named(self) -> None:
        names = [each.name for each in chosen(installed_sources(), Settings())]
        assert "code" not in names
        assert "findings" in names
        on = Settings(ticket_sources="code")
        assert [each.name for each in chosen(installed_sources(), on)] == ["code"]
