"""Tests that fail on the newest commit are one ticket a fault, and flaky ones one each."""

from collections.abc import Mapping
from typing import Any

import pytest

from honed.backlog.draft import Draft
from honed.backlog.sources.tests import FailingTests
from honed.backlog.ticket import Category
from honed.backlog.triage import triage
from honed.config import Settings
from honed.storage.db import Database
from honed.testing.sender import Sender
from honed.testing.source import SourceContract, drafts_of

FAULT = {
    "type": "KeyError",
    "message": "'total'",
    "frames": [
        {"file": "tests/test_cart.py", "function": "test_total", "line": 3, "code": "cart.total()"},
        {"file": "shop/cart.py", "function": "total", "line": 9, "code": "return self['total']"},
    ],
}


def result(outcome: str, test: str = "test_total", **also: Any) -> dict[str, Any]:
    told = {"fault": FAULT, "message": "KeyError: 'total'"} if outcome == "failed" else {}
    name = f"tests/test_cart.py::{test}"
    return {"test": name, "outcome": outcome, "file": "tests/test_cart.py", **told, **also}


def on(day: int, **also: Any) -> dict[str, Any]:
    """Return what a run says of the commit of a day."""
    return {"commit": f"c{day}", "committed_at": f"2027-01-{day:02}T00:00:00Z", "run": "r", **also}


def said(store: Database) -> list[Draft]:
    return drafts_of(store, FailingTests(), Settings())


def told(draft: Draft) -> Mapping[str, Any]:
    (evidence,) = draft.evidence.values()
    assert isinstance(evidence, Mapping)
    return evidence


class TestFailingTests(SourceContract):
    @pytest.fixture
    def plugin(self) -> FailingTests:
        return FailingTests()

    @pytest.fixture
    def trouble(self, sender: Sender) -> Settings:
        sender.run(result("failed"), result("failed", "test_a", fault=None), **on(1))
        sender.run(result("failed", "test_b"), result("passed", "test_b"), **on(1))
        return Settings()


def test_tests_that_fail_of_one_fault_are_one_ticket(store: Database, sender: Sender) -> None:
    names = ("test_total", "test_order", "test_ship")
    sender.run(*[result("passed", name) for name in names], **on(1))
    sender.run(*[result("failed", name) for name in names], result("passed", "test_x"), **on(2))
    (draft,) = said(store)
    assert draft.title == "Fix 3 failing tests: KeyError: 'total'"
    assert draft.description == "3 of 4 tests fail of it on c2 of main: KeyError: 'total'."
    assert "It passed on c1: look at what changed since (git log c1..c2)" in draft.proposed_solution
    assert "Correct total in shop/cart.py" in draft.proposed_solution
    assert "pytest tests/test_cart.py::test_order" in draft.test_plan
    assert (draft.files_to_modify, draft.count) == (("shop/cart.py",), 3)
    assert (draft.facts.share, draft.facts.is_regression) == (0.75, True)
    assert told(draft)["tests_failing"] == 3
    assert triage(draft).category is Category.BUG_FIX


def test_one_failing_test_is_named(store: Database, sender: Sender) -> None:
    sender.run(result("failed"), **on(1))
    (draft,) = said(store)
    assert draft.title == "Fix failing test tests/test_cart.py::test_total: KeyError: 'total'"
    assert "No commit is known on which it passed." in draft.proposed_solution
    assert not draft.facts.is_regression


def test_only_the_newest_commit_counts_whenever_it_was_run(store: Database, sender: Sender) -> None:
    sender.run(result("passed"), **on(2))
    sender.run(result("failed"), **on(1))
    assert said(store) == []
    sender.run(result("failed"), **on(3))
    (draft,) = said(store)
    assert told(draft)["commit"] == "c3"
    assert told(draft)["passed_commit"] == "c2"


def test_a_test_that_is_gone_fails_no_more(store: Database, sender: Sender) -> None:
    sender.run(result("failed"), **on(1))
    sender.run(result("passed", "test_other"), **on(2))
    assert said(store) == []


@pytest.mark.parametrize(
    "run", [{"branch": "feature"}, {"dirty": True}], ids=["another branch", "work in progress"]
)
def test_what_is_not_on_the_main_branch_is_no_trouble_yet(
    store: Database, sender: Sender, run: dict[str, Any]
) -> None:
    sender.run(result("passed"), **on(1))
    sender.run(result("failed"), **on(2, **run))
    assert said(store) == []


def test_where_no_branch_is_called_main_the_one_with_most_runs_is(
    store: Database, sender: Sender
) -> None:
    for number in range(3):
        sender.run(result("failed"), **on(1, branch="develop", run=f"r{number}"))
    sender.run(result("failed", "test_b"), **on(2, branch="wild"))
    (draft,) = said(store)
    assert told(draft)["branch"] == "develop"


def test_what_fails_in_one_environment_only_fails(store: Database, sender: Sender) -> None:
    sender.run(result("failed"), **on(1, environment="CPython 3.11"))
    sender.run(result("passed"), **on(1, environment="CPython 3.12"))
    (draft,) = said(store)
    assert told(draft)["environments"] == ["CPython 3.11"]


def test_where_nobody_tells_commits_the_newest_run_counts(store: Database, sender: Sender) -> None:
    sender.run(result("failed"), run="r1")
    assert [draft.subject.partition(":")[0] for draft in said(store)] == ["failing"]
    sender.run(result("passed"), run="r2")
    assert said(store) == []


def test_a_commit_that_breaks_everything_is_one_ticket(store: Database, sender: Sender) -> None:
    tests = [result("failed", f"test_{n}", fault=None, message=f"no {n}") for n in range(11)]
    both = [result("failed"), result("failed", "test_again")]
    sender.run(*tests, *both, result("passed", "test_x"), **on(1))
    (draft,) = said(store)
    assert draft.title == "Fix 13 failing tests: 12 faults, most of KeyError: 'total'"
    assert draft.facts.share == pytest.approx(13 / 14)
    faults = draft.evidence["faults"]
    assert isinstance(faults, list)
    assert len(faults) == 12


def test_a_flaky_test_is_one_ticket_and_no_failing_one(store: Database, sender: Sender) -> None:
    for outcome in ("failed", "passed", "passed", "passed"):
        sender.run(result(outcome), **on(1))
    (draft,) = said(store)
    assert draft.subject == "flaky: tests/test_cart.py::test_total"
    assert draft.title == "Make tests/test_cart.py::test_total steady: it fails in 25% of its runs"
    assert "passed 3 times and failed 1 time on 1 commit" in draft.description
    assert "11 passes in a row are no luck" in draft.test_plan
    assert draft.files_to_modify == ("tests/test_cart.py",)
    judged = triage(draft)
    assert (judged.category, draft.facts.share) == (Category.TEST, 0.25)


def test_a_test_is_suspected_when_its_outcome_came_and_went_twice(
    store: Database, sender: Sender
) -> None:
    for day, outcome in enumerate(("passed", "failed", "passed", "failed"), start=1):
        sender.run(result(outcome, version="v"), **on(day))
    assert [draft.subject.partition(":")[0] for draft in said(store)] == ["failing"]
    sender.run(result("passed", version="v"), **on(5))
    (draft,) = said(store)
    assert draft.subject.startswith("flaky")
    assert "changed its outcome 4 times from commit to commit" in draft.description


def test_a_long_name_leaves_a_title_that_can_be_read(store: Database, sender: Sender) -> None:
    sender.run(result("failed", f"test_{'x' * 300}"), **on(1))
    (draft,) = said(store)
    assert len(draft.title) <= 120
    assert draft.title.endswith("…")
