"""What honed makes of TPC-H on primary keys alone: gain, price and the time it took to decide.

Usage: python benchmarks/workload_tpch.py [--scale 0.05] [--cut 1.0]

One unattended run of the loop as in ``honed demo --once``. Each of the 22 queries is then run on
the database as it was and as it is, in turns, in the same minutes on the same server; the figures
are ratios of the CPU time of the backend.
"""

import argparse
import math
import shutil
import tempfile
from pathlib import Path

from honed.demo.report import DemoReport
from honed.demo.story import Script, play


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=0.05)
    parser.add_argument("--cut", type=float, default=1.0, help="CPU seconds")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="honed-tpch-"))
    folder.chmod(0o755)
    try:
        report = play(
            Script(
                folder=folder,
                scale=arguments.scale,
                cut_s=arguments.cut,
                seed=20261121,
                on_event=lambda _: None,
                say=lambda text: print(f"# {text}"),
            )
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(report)


def show(report: DemoReport) -> None:
    """Print what the run showed."""
    logs = sorted(math.log(query.ratio) for query in report.queries)
    megabytes = sum(report.index_sizes_bytes.values()) / 1e6
    print(f"scale {report.scale:g}, each query cut at {report.cut_s:g} CPU seconds")
    print(f"CPU after / before, geometric mean  {report.geometric_mean_ratio:.3f}")
    print(f"CPU after / before, total           {report.total_ratio:.3f}")
    print(f"slowest query, after / before       {math.exp(logs[-1]):.3f}")
    print(f"queries more than 10 % slower       {', '.join(report.slower) or 'none'}")
    print(f"indexes kept                        {len(report.index_sizes_bytes)}")
    print(f"size of them                        {megabytes:.1f} MB")
    print(f"first proof after                   {report.first_proof_s or math.nan:.0f} s")
    print(f"all verdicts after                  {report.decision_s:.0f} s")
    for each in sorted(report.improvements, key=lambda item: item.improvement_id):
        print(f"improvement {each.improvement_id}: {each.kind}, {each.state}, {each.verdict}")
    print(f"ledger verified, {report.ledger_entries} entries")


if __name__ == "__main__":
    main()
