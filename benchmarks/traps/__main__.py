"""Advice that looks good and is not: each trap is refuted, taken back, or never claimed.

Usage: python benchmarks/traps [--scale 0.1] [--only 6,8,9]

Ten traps, each on an embedded PostgreSQL of its own with traffic, played through honed's own loop:
a cycle with real trials, approval by the policy, application and watch. A trap is caught when its
improvement ends refuted, inconclusive or rolled back, or is never claimed. Of each improvement the
signed statements are counted, and each is proven to be in the ledger. The exit code is 1 where a
trap gets through, or where honed's own way to the same end does not.

Traps 1 to 3 and 5 are on TPC-H; 1 to 3 with the indexes that its joins and ranges ask for.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import reports
import small
from stage import Row, Theatre

_SEED = 20261121


def main() -> int:
    """Play the traps, print their table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=0.1, help="of TPC-H")
    parser.add_argument("--only", default="", help="numbers of traps, with commas")
    arguments = parser.parse_args()
    wanted = {int(each) for each in arguments.only.split(",") if each} or set(range(1, 11))
    folder = Path(tempfile.mkdtemp(prefix="honed-traps-"))
    folder.chmod(0o755)
    began_s = time.monotonic()

    def say(text: str) -> None:
        print(f"# {time.monotonic() - began_s:4.0f} s: {text}", flush=True)

    theatre = Theatre(folder, _SEED, say)
    try:
        rows = list(_play(theatre, arguments.scale, wanted))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    say("done")
    show(rows)
    return 0 if rows and all(row.is_right for row in rows) else 1


_SMALL: Mapping[int, Callable[[Theatre], Iterator[Row]]] = {
    4: small.statistics,
    6: small.prefix_of_primary_key,
    7: small.used_on_a_replica,
    8: small.skew,
    9: small.half_built,
    10: small.partitioned,
}


def _play(theatre: Theatre, scale: float, wanted: set[int]) -> Iterator[Row]:
    for number, play in _SMALL.items():
        if number in wanted:
            theatre.say(f"trap {number}")
            for row in play(theatre):
                theatre.say(f"{row.trap}: {row.verdict}, {row.state}")
                yield row
    if on_reports := wanted - _SMALL.keys():
        for row in reports.play(theatre, scale, on_reports):
            theatre.say(f"{row.trap}: {row.verdict}, {row.state}")
            yield row


def show(rows: Sequence[Row]) -> None:
    """Print the table, and what else was seen."""
    titles = ("trap", "claim", "verdict", "worst statement", "state", "signed and included", "")
    cells = [
        (
            row.trap,
            row.claim,
            row.verdict,
            row.worst,
            row.state,
            row.ledger,
            "" if row.is_right else "WRONG",
        )
        for row in rows
    ]
    widths = [max(len(line[n]) for line in (titles, *cells)) for n in range(len(titles))]
    for line in (titles, *cells):
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )
    for row in rows:
        if row.note:
            print(f"{row.trap}: {row.note}")
    wrong = [row.trap for row in rows if not row.is_right]
    print(f"wrong: {', '.join(wrong)}" if wrong else "no trap got through")


if __name__ == "__main__":
    sys.exit(main())
