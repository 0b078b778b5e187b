"""What is told of changes as it happens: those that production judges, and those of people."""

import io

from rich.console import Console

from honed.core.verdict import Outcome
from honed.interfaces.cli.narration import Narration
from honed.loop.events import Applied, Event, Kept, TrialStarted


def told(*happened: Event) -> list[str]:
    """Return what is told where there is no terminal, without the times."""
    out = io.StringIO()
    with Narration(Console(file=out, width=200), stamp=lambda: "") as narration:
        for event in happened:
            narration.on_event(event)
    return [line.strip() for line in out.getvalue().splitlines()]


def test_a_trial_of_whatever_it_is_runs_on_a_copy() -> None:
    assert told(TrialStarted(7, "fix_exception", "it is gone"))[0] == "trial 7 on a private copy"


def test_a_change_that_production_judges() -> None:
    assert told(Applied(7), Kept(7, Outcome.SUCCESS, -0.05))[:1] == [
        "applied 7 production is watched from now on"
    ]
    assert "KEPT 7 success: " in told(Kept(7, Outcome.SUCCESS, -0.05))[0]


def test_a_change_that_people_decide_about() -> None:
    kept = Kept(7, Outcome.HIGH_SUCCESS, None, "it is gone: 0 in 24.0 h [since]")
    assert told(Applied(7, waits_for_people=True), kept) == [
        "proposed 7 people decide about it now",
        "KEPT 7 high_success: it is gone: 0 in 24.0 h [since]",
    ]
