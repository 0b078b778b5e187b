"""Which share of captured exceptions becomes a test that is red each time, and why others do not.

The faults of a planted service (`honed.testing.faulty`) are met by a real client, Sentry's SDK or
honed's own, read and scrubbed as the intake does, and reproduced in the real sandbox. A fault that
depends on what a call does not show (state, chance, an iterator, a connection) must be refused: the
benchmark fails where one of those is claimed, or where less than the promised share is reproduced.

    python benchmarks/reproduce.py [--runs 3] [--client sentry]
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from honed.repair.reproduce.reproduce import reproduce
from honed.sandbox.box import Limits
from honed.sandbox.probe import probe
from honed.targets.repository.judging.judge import Checkout, Court
from honed.testing.faulty import CLIENTS, captured_faults, plant

#: What no test of one call can show.
OUT_OF_REACH: Final = frozenset({"state", "chance", "iterator", "connection"})
PROMISED: Final = 0.8


@dataclass(frozen=True, slots=True)
class Row:
    """One fault, tried."""

    name: str
    why_not: str
    seconds: float


def main() -> None:
    """Print a line for each fault and a summary for each client."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--client", choices=CLIENTS, action="append")
    asked = parser.parse_args()
    if not probe().is_safe:
        sys.exit(f"no sandbox: {'; '.join(probe().reasons)}")
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        folder = plant(Path(made))
        for client in asked.client or CLIENTS:
            rows = list(measure(folder, client, asked.runs))
            summarise(client, asked.runs, rows)


def measure(folder: Path, client: str, runs: int) -> Iterator[Row]:
    """Yield what comes of each fault that ``client`` tells."""
    base = Checkout(folder, {}, Court(Path(sys.executable), Limits(cpu_s=20, wall_s=60)))
    for name, fault in captured_faults(folder, client).items():
        began = time.perf_counter()
        found = reproduce(fault, base, runs)
        row = Row(name, found.why_not, time.perf_counter() - began)
        print(f"{client:7}{name:26}{row.seconds:6.1f} s  {row.why_not or 'red'}", flush=True)
        yield row


def summarise(client: str, runs: int, rows: list[Row]) -> None:
    """Print the share, and fail where it is not what is promised."""
    red = [row for row in rows if not row.why_not]
    took = statistics.median(row.seconds for row in red)
    print(
        f"{client}: {len(red)} of {len(rows)} red {runs} of {runs}, {took:.1f} s each (median);"
        f" in reach: {len(red)} of {len(rows) - len(OUT_OF_REACH)}\n"
    )
    wrong = [row.name for row in red if row.name in OUT_OF_REACH]
    assert not wrong, f"reproduced what a call cannot show: {wrong}"
    assert len(red) >= PROMISED * len(rows), "fewer than promised"


if __name__ == "__main__":
    main()
