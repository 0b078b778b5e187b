"""Findings that nobody answers become tickets; those that a kind still works on do not."""

import json

import pytest

from honed.backlog.draft import Draft
from honed.backlog.sources.findings import Findings
from honed.backlog.ticket import Category, Priority
from honed.backlog.triage import triage
from honed.config import Settings
from honed.core.verdict import State
from honed.storage.db import Database
from honed.testing.improvements import Improvements
from honed.testing.source import SourceContract, drafts_of


def find(improvements: Improvements, subject: str = "q1", phase: str = "finished") -> int:
    """Return the id of a new finding, seen in a cycle that is in ``phase``."""
    cycle_id = improvements.cycle()
    with improvements.store.transaction() as conn:
        conn.execute("UPDATE honed.cycle SET phase = %s WHERE cycle_id = %s", (phase, cycle_id))
        (row,) = conn.execute(
            """
            WITH look AS (
              INSERT INTO honed.analysis (cycle_id, target_id, record)
              VALUES (%(cycle_id)s, %(target_id)s, '{}') RETURNING analysis_id
            )
            INSERT INTO honed.finding
              (target_id, type, subject, title, evidence, weight, times_seen, analysis_id)
            SELECT %(target_id)s, 'regression', %(subject)s, 'twice as slow as before',
                   '{"mean_ms_before": 10, "mean_ms_after": 20}', 0.3, 4, analysis_id
              FROM look
            RETURNING finding_id
            """,
            {"cycle_id": cycle_id, "target_id": improvements.target_id, "subject": subject},
        )
    finding_id: int = row["finding_id"]
    return finding_id


def answer(improvements: Improvements, finding_id: int, state: State) -> int:
    """Return the id of an improvement in ``state`` that answers a finding."""
    improvement = improvements.create(state)
    with improvements.store.transaction() as conn:
        conn.execute(
            "INSERT INTO honed.improvement_finding (improvement_id, finding_id) VALUES (%s, %s)",
            (improvement.improvement_id, finding_id),
        )
    return improvement.improvement_id


def said(improvements: Improvements) -> list[Draft]:
    return drafts_of(improvements.store, Findings(), Settings())


class TestFindings(SourceContract):
    @pytest.fixture
    def plugin(self) -> Findings:
        return Findings()

    @pytest.fixture
    def trouble(self, store: Database, improvements: Improvements) -> Settings:
        del store
        find(improvements)
        return Settings()

    def test_a_finding_that_no_kind_answers_is_told_with_what_is_known(
        self, improvements: Improvements
    ) -> None:
        finding_id = find(improvements)
        (draft,) = said(improvements)
        assert (draft.target_id, draft.subject) == (improvements.target_id, "regression: q1")
        assert (draft.title, draft.count) == ("twice as slow as before", 4)
        assert draft.evidence["tried"] == []
        assert (draft.facts.share, draft.facts.excess) == (0.3, 2.0)
        assert f"`honed finding show {finding_id}`" in draft.test_plan
        judged = triage(draft)
        assert (judged.category, judged.priority) == (Category.PERFORMANCE, Priority.HIGH)

    def test_a_finding_that_names_its_remedy_is_believed(self, improvements: Improvements) -> None:
        finding_id = find(improvements)
        update = "UPDATE honed.finding SET {} WHERE finding_id = %s"
        with improvements.store.transaction() as conn:
            named = update.format("type = 'repeated_query', evidence = '{\"remedy\": \"Join.\"}'")
            conn.execute(named.encode(), (finding_id,))
        (draft,) = said(improvements)
        assert draft.proposed_solution == "Join."
        # What is untidy is told by the source that analyses code.
        with improvements.store.transaction() as conn:
            conn.execute(update.format("type = 'code_smell'").encode(), (finding_id,))
        assert said(improvements) == []

    def test_the_same_bug_elsewhere_is_a_bug_with_its_place_and_its_example(
        self, improvements: Improvements
    ) -> None:
        evidence = {
            "files": ["shop/basket.py"],
            "change": {"change_id": 7, "repository": "other", "title": "Count it"},
        }
        finding_id = find(improvements, "shop/basket.py: weight as in change 7")
        with improvements.store.transaction() as conn:
            conn.execute(
                "UPDATE honed.finding SET type = 'same_bug', evidence = %s", [json.dumps(evidence)]
            )
        (draft,) = said(improvements)
        assert draft.files_to_modify == ("shop/basket.py",)
        assert draft.proposed_solution.startswith("The same change as in change 7 of other")
        assert f"`honed finding show {finding_id}`" in draft.test_plan
        assert triage(draft).category is Category.BUG_FIX

    def test_the_kinds_are_waited_for(self, improvements: Improvements) -> None:
        for phase in ("analyzing", "hypothesizing", "acting", "learning"):
            find(improvements, phase, phase)
        failed = find(improvements, "failed", "failed")
        assert [draft.subject for draft in said(improvements)] == ["regression: failed"]
        assert failed

    @pytest.mark.parametrize("state", State)
    def test_only_claims_that_came_to_nothing_leave_a_finding_waiting(
        self, improvements: Improvements, state: State
    ) -> None:
        finding_id = find(improvements)
        refuted = answer(improvements, finding_id, State.REFUTED)
        other = answer(improvements, finding_id, state)
        in_vain = {State.REFUTED, State.INCONCLUSIVE, State.FAILED, State.ROLLED_BACK}
        drafts = said(improvements)
        assert len(drafts) == (state in in_vain)
        for draft in drafts:
            assert f"improvement {refuted} refuted" in draft.proposed_solution
            assert f"improvement {other} {state.value}" in draft.proposed_solution

    def test_what_is_gone_and_what_was_removed_wait_for_nobody(
        self, improvements: Improvements
    ) -> None:
        closed = find(improvements)
        with improvements.store.transaction() as conn:
            conn.execute(
                "UPDATE honed.finding SET closed_at = honed.now() WHERE finding_id = %s", (closed,)
            )
        assert said(improvements) == []
        find(improvements)
        with improvements.store.transaction() as conn:
            conn.execute("UPDATE honed.target SET removed_at = honed.now()")
        assert said(improvements) == []
