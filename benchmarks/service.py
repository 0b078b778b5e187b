"""A service with twenty planted faults: from its exceptions to what is published, and how soon.

Usage: python benchmarks/service.py [--only "december,idle bike"] [--json figures.json]

The service has several modules on a PostgreSQL of its own and a suite of tests that passes. Its
production meets each fault, an unmodified SDK of Sentry reports that to honed's endpoint, the loop
takes one turn on the repository, a person says yes to whatever is asked, and the change is
published on the local forge. Where nothing was published, and a change of code settles the fault,
a person then says what is right: what the code without any fault does for the call that honed asks
about, or else for the captured one; and the loop takes another turn. If it asks about another call
then, the person answers a second time. The turns are told apart.
Fifteen faults are settled by a change of code, five are not: of these nobody knows an answer.
Whether a change is right is decided by tests and fuzz that neither the repository nor honed has.

The exit code is 1 where anything is published for what no change settles, or where the median time
to a published change is above five minutes.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from honed.config import Autonomy, load_settings
from honed.sandbox.probe import probe
from honed.storage.server import Server
from honed.testing.hire.faults import FAULTS
from honed.testing.hire.fixable import FIXABLE
from honed.testing.hire.plant import make_database, plant
from honed.testing.hire.planted import Planted
from honed.testing.hire.stage import Played, Stage, Turn, database_to_spoil, staged
from honed.testing.hire.unfixable import UNFIXABLE
from honed.wiring import PolicyUse, open_app

_GOAL_S = 300.0


def main() -> int:
    """Play the faults, print their table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="names of faults, with commas")
    parser.add_argument("--json", type=Path, help="where the figures are written, too")
    asked = parser.parse_args()
    if not probe().is_safe:
        sys.exit(f"no sandbox: {'; '.join(probe().reasons)}")
    names = [each.strip() for each in asked.only.split(",") if each]
    faults = [each for each in FAULTS if each.name in names or not names]
    folder = Path(tempfile.mkdtemp(prefix="honed-service-"))
    folder.chmod(0o755)
    try:
        rows = list(play(folder, faults))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if asked.json:
        asked.json.write_text(json.dumps([to_json(row) for row in rows], indent=2) + "\n")
    return summarise(rows)


def play(folder: Path, faults: Sequence[Planted]) -> Iterator[Played]:
    """Yield what comes of each fault, and print a line for it."""
    with on_stage(folder) as stage:
        for fault in faults:
            row = stage.play(fault)
            print(line(fault, row.turns[0]), flush=True)
            for answer, turn in zip(row.answers, row.turns[1:], strict=True):
                print(f"    a person: {answer.call} {answer.words}", flush=True)
                print(line(fault, turn), flush=True)
            for each in row.last.diff.splitlines():
                print(f"    {each}", flush=True)
            yield row


@contextmanager
def on_stage(folder: Path) -> Iterator[Stage]:
    """Hand out honed with an embedded store, around the service with a server of its own.

    Another server is lent to the service's tests.
    """
    settings = load_settings(
        home=folder / "honed",
        store_url="",
        autonomy=Autonomy.SUPERVISED,
        max_changes_per_run=5,
    )
    with ExitStack() as stack:
        production, spoiled = Server(folder / "production"), Server(folder / "spoiled")
        for each in (production, spoiled):
            each.join()
            stack.callback(each.leave)
        url = make_database(production, "hire")
        planted = plant(folder / "planted").folder
        app = stack.enter_context(open_app(settings, policy=PolicyUse.WRITE))
        lent = database_to_spoil(spoiled)
        yield stack.enter_context(staged(app, planted, url, folder, lent))


def line(fault: Planted, turn: Turn) -> str:
    """Return the line of the table for one turn."""
    figures = f"{turn.seconds:6.1f} s {turn.cpu_s:6.1f} s of CPU"
    said = turn.made_by if turn.change else turn.why_not
    return f"{fault.name:22}{fault.what:34}{figures}  {turn.outcome:14}{said}"


def to_json(row: Played) -> dict[str, object]:
    """Return a fault's figures."""
    return {
        "fault": row.fault.name,
        "what": row.fault.what,
        "fixable": row.fault.is_fixable,
        "seconds": round(row.seconds, 2),
        "turns": [turn_to_json(turn) for turn in row.turns],
        "answers": [asdict(answer) for answer in row.answers],
    }


def turn_to_json(turn: Turn) -> dict[str, object]:
    """Return a turn's figures."""
    return {
        "outcome": turn.outcome,
        "seconds": round(turn.seconds, 2),
        "cpu_s": round(turn.cpu_s, 2),
        "made_by": turn.made_by,
        "why_not": turn.why_not,
        "diff": turn.diff,
    }


def summarise(rows: Sequence[Played]) -> int:
    """Print what all came to, and return the exit code."""
    published = [row for row in rows if row.last.change]
    harm = [row.fault.name for row in published if not row.fault.is_fixable]
    fixable = sum(row.fault.is_fixable for row in rows)
    median_s = statistics.median(row.seconds for row in published) if published else 0.0
    print(f"\nof {fixable} faults that a change settles:")
    for count, when in enumerate(("alone", "after one answer", "after two answers")):
        print(f"  published {when}: {told([r for r in published if len(r.answers) == count])}")
    print(
        f"  all turns: median {median_s:.0f} s from the exception to the request,"
        f" {statistics.median(row.seconds for row in rows):.0f} s over all"
    )
    print(
        f"of {len(rows) - fixable} faults that none settles: {len(harm)} published"
        f" {', '.join(harm)}"
    )
    return 1 if harm or median_s > _GOAL_S else 0


def told(rows: Sequence[Played]) -> str:
    """Return of how many faults something was published, and how soon."""
    if not rows:
        return "0"
    right = sum(row.last.is_right is True for row in rows)
    median_s = statistics.median(row.seconds for row in rows)
    return f"{len(rows)}, {right} of them right; median {median_s:.0f} s"


if __name__ == "__main__":
    assert len(FIXABLE) == 15
    assert len(UNFIXABLE) == 5
    began_s = time.monotonic()
    code = main()
    print(f"{time.monotonic() - began_s:.0f} s")
    sys.exit(code)
