"""The log of a daemon: when it was, and of which target."""

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from honed.core.verdict import State
from honed.interfaces.cli.logbook import Logbook
from honed.loop.events import CycleEnded, CycleStarted, Event, Parked, RolledBack
from honed.storage.db import Database
from honed.testing.commandline import CommandLine
from honed.testing.improvements import Improvements

STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")


@pytest.fixture
def lines() -> Callable[..., list[str]]:
    """Return what a log says of events, without the time of day, which every line begins with."""

    def written(*told: Event, store: Database | None = None) -> list[str]:
        logbook, page = Logbook(), io.StringIO()
        logbook.store = store
        with logbook.open(Console(file=page, width=200)) as on_event:
            for event in told:
                on_event(event)
        found = page.getvalue().splitlines()
        assert all(STAMP.match(line) for line in found), found
        return [STAMP.sub("", line) for line in found]

    return written


def test_a_line_says_which_target_it_is_about(
    lines: Callable[..., list[str]], improvements: Improvements
) -> None:
    kept = improvements.create(State.KEPT)
    rolled_back = RolledBack(kept.improvement_id, "slower", None)
    waits = Parked("act", improvements.target_id, "the target is away")
    assert lines(rolled_back, waits, store=improvements.store) == [
        f"shop ROLLED BACK {kept.improvement_id} slower",
        "shop act waits the target is away",
    ]


def test_an_event_may_say_it_itself_and_nobody_need_know(
    lines: Callable[..., list[str]], store: Database
) -> None:
    started = CycleStarted(7, "shop", dry_run=True)
    unknown = Parked("act", 4711, "the target is away")
    assert lines(started, CycleEnded(7, "shop", 60.0), unknown, store=store) == [
        "shop cycle 7 is over; the next would begin in 1 min",
        "act waits the target is away",
    ]


def test_a_worker_says_when_it_begins_and_ends(
    cli: CommandLine, improvements: Improvements
) -> None:
    assert improvements.target_id
    done = cli("worker", "--until-idle")
    assert done.stderr.splitlines() == [
        "honed handles messages; until nothing more is due",
        "honed has ended",
    ]
