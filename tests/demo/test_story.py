"""The whole loop as a stranger sees it: the demonstration, small, and what it must show."""

import tempfile
from pathlib import Path

import pytest

from honed.demo.report import DemoReport
from honed.demo.story import Script, play

#: What it measures is time.
pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def report(session_folder: Path) -> DemoReport:
    """Return what one small demonstration showed."""
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=session_folder))
    folder.chmod(0o755)
    script = Script(
        folder=folder, scale=0.05, cut_s=1.0, seed=7, on_event=lambda _: None, say=lambda _: None
    )
    return play(script)


def by_kind(report: DemoReport, kind: str) -> list[str]:
    return [each.state for each in report.improvements if each.kind == kind]


@pytest.mark.slow
def test_what_is_proven_is_kept_and_what_turns_bad_is_taken_back(report: DemoReport) -> None:
    assert "kept" in by_kind(report, "index_optimization")
    assert all(
        (each.state in {"kept", "rolled_back"}) == (each.verdict == "improved")
        for each in report.improvements
    )


@pytest.mark.slow
def test_folklore_is_never_applied(report: DemoReport) -> None:
    assert set(by_kind(report, "folklore")) <= {"refuted", "inconclusive"}


@pytest.mark.slow
def test_no_query_pays_for_the_others(report: DemoReport) -> None:
    assert report.geometric_mean_ratio < 1.0
    assert all(query.ratio < 1.5 for query in report.queries)


@pytest.mark.slow
def test_every_improvement_came_to_rest_in_the_record(report: DemoReport) -> None:
    rested = {"kept", "rolled_back", "refuted", "inconclusive"}
    assert {each.state for each in report.improvements} <= rested
    # Proposed, tried, judged: three entries at least.
    assert report.ledger_entries >= 3 * len(report.improvements)
