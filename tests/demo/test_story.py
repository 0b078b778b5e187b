"""The whole loop as a stranger sees it: the demonstration, small, and what it must show."""

import tempfile
from pathlib import Path

import pytest

from honed.demo.report import DemoReport
from honed.demo.story import Script, play


@pytest.fixture(scope="module")
def report(session_folder: Path) -> DemoReport:
    """Return what one small demonstration showed."""
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=session_folder))
    folder.chmod(0o755)
    script = Script(
        folder=folder, scale=0.02, cut_s=0.5, seed=7, on_event=lambda _: None, say=lambda _: None
    )
    return play(script)


def states(report: DemoReport) -> set[str]:
    return {each.state for each in report.improvements}


@pytest.mark.slow
def test_something_is_kept_and_something_taken_back(report: DemoReport) -> None:
    assert {"kept", "rolled_back"} <= states(report)


@pytest.mark.slow
def test_the_queries_are_cheaper_and_none_pays_for_the_others(report: DemoReport) -> None:
    assert report.geometric_mean_ratio < 0.6
    assert report.total_ratio < 0.5
    assert all(query.ratio < 1.5 for query in report.queries)


@pytest.mark.slow
def test_every_improvement_came_to_rest_in_the_record(report: DemoReport) -> None:
    assert states(report) <= {"kept", "rolled_back", "refuted", "inconclusive"}
    assert report.ledger_entries >= 4 * len(report.improvements)
