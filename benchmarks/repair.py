"""How many bugs are repaired without a language model, how often rightly, and how often published.

    python benchmarks/repair.py --set repair_dev --data FILE [--half seen|unseen]
    python benchmarks/repair.py --set quixbugs --folder CHECKOUT_OF_QUIXBUGS

No model, no network, 2 processes and 60 s a bug by default. Printed for each bug and for all:

- plausible: a patch was found after which all tests pass;
- right: the first patch does what the reference does, on the inputs of the tests and on 300
  mutations of them with another seed than the repair's own (or is the reference, up to layout);
- published: the repair does not abstain; precision: the share of right ones among these;
- candidates a second, from the start to the end of the search, and seconds to the first patch.

`repair_dev` are 82 one-function bugs with tests, a JSON object a line. Those with even numbers were
looked at while the templates were made; those with odd numbers were not (`--half unseen`), but for
the second one, whose text was seen once. QuixBugs (github.com/jkoppel/QuixBugs) is fetched by
whoever runs this.

`--peer PYTHON_OF_FIXKIT` runs PyMutRepair of FixKit 0.0.1 beside it on each program of QuixBugs,
with the same tests, seconds and processes: as it is, and corrected (see `repair_peer.py`). It needs
an environment of its own, since pip finds no versions that fit together; this one imports:

    python -m venv FOLDER
    FOLDER/bin/pip install --no-deps fixkit==0.0.1 sflkit==0.2.16 tests4py==1.0.0
    FOLDER/bin/pip install coverage pytest pytest-cov pytest-json-report sflkitlib sortedcollections
    FOLDER/bin/pip install matplotlib multiset numpy gitpython pyyaml packaging psutil setuptools
    FOLDER/bin/pip install tabulate unidiff
"""

import argparse
import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from honed.errors import HonedError
from honed.repair.base import look
from honed.repair.behaviour import compare, probes
from honed.repair.candidates import Candidate
from honed.repair.engine import repair
from honed.repair.suite import Budget, Edit, Outcome, Suite
from honed.repair.workers import Workers
from honed.sandbox.box import Box

FUZZ_SEED = 20261122
PYTHON = Path(sys.executable)


@dataclass(frozen=True)
class Bug:
    """One bug in a folder of its own."""

    name: str
    sort: str
    program: str
    reference: str
    suite: Suite


@dataclass(frozen=True)
class Result:
    """What became of one bug."""

    bug: Bug
    outcome: Outcome | None
    #: Number of the first patch that is right, from 1; 0 where none is.
    rank: int
    said: str = ""

    @property
    def is_plausible(self) -> bool:
        """Whether a patch passes all tests."""
        return bool(self.outcome and self.outcome.patches)

    @property
    def is_published(self) -> bool:
        """Whether the first patch would be published."""
        return bool(self.outcome and self.outcome.patches and not self.outcome.abstained)


def from_rows(data: Path, half: str, folder: Path) -> Iterator[Bug]:
    """Yield the bugs of a file of JSON lines, each written into a folder of its own."""
    for number, line in enumerate(data.read_text(encoding="utf-8").splitlines()):
        if half == ("unseen", "seen")[number % 2]:
            continue
        row = json.loads(line)
        root = folder / row["id"]
        root.mkdir(mode=0o755)
        (root / "program.py").write_text(row["buggy"], encoding="utf-8")
        (root / "test_program.py").write_text(_as_pytest(row), encoding="utf-8")
        suite = Suite(root, PYTHON, ("test_program.py",), timeout_s=5.0)
        yield Bug(row["id"], row["bug_type"], "program.py", row["reference"], suite)


def _as_pytest(row: dict[str, str]) -> str:
    """Return the test of a row, ``def check(f): ...``, as a test of pytest's."""
    found = re.search(r"def check\((\w+)\):", row["test"])
    assert found
    before, body = row["test"][: found.start()], row["test"][found.end() :]
    body = re.sub(r"\ncheck\(\w+\)", "\n", body)
    imports = f"from program import *\nfrom program import {row['entry_point']} as {found[1]}\n"
    return f"{imports}{before}\ndef test_check():{body}"


def from_quixbugs(checkout: Path, folder: Path) -> Iterator[Bug]:
    """Yield the programs of QuixBugs that have tests, in a copy of what they need."""
    root = folder / "quixbugs"
    for name in (
        "python_programs",
        "python_testcases",
        "json_testcases",
        "correct_python_programs",
    ):
        shutil.copytree(checkout / name, root / name)
    shutil.copy(checkout / "conftest.py", root)
    root.chmod(0o755)
    for test in sorted((root / "python_testcases").glob("test_*.py")):
        name = test.stem.removeprefix("test_")
        reference = (root / "correct_python_programs" / f"{name}.py").read_text(encoding="utf-8")
        suite = Suite(root, PYTHON, (f"python_testcases/{test.name}",), timeout_s=5.0)
        yield Bug(name, "quixbugs", f"python_programs/{name}.py", reference, suite)


def run(bug: Bug, budget: Budget) -> Result:
    """Return what the repair of one bug comes to."""
    box = Box(PYTHON)
    try:
        outcome = repair(bug.suite, box, budget)
        ranks = [
            number
            for number, is_right in enumerate(_judged(bug, outcome, box, budget), start=1)
            if is_right
        ]
    except HonedError as error:
        return Result(bug, None, 0, str(error))
    return Result(bug, outcome, ranks[0] if ranks else 0)


def _judged(bug: Bug, outcome: Outcome, box: Box, budget: Budget) -> list[bool]:
    """Return for each of the first ten patches whether it does what the reference does."""
    patches = outcome.patches[:10]
    if not patches:
        return []
    path = bug.suite.root / bug.program
    whole = len(path.read_bytes())
    texts = [bug.reference, *(patch.after for patch in patches)]
    changes = [Candidate(str(path), (Edit(0, whole, text),), "", 0.0) for text in texts]
    with Workers(bug.suite, box, replace(budget, seconds=120.0)) as workers:
        base = look(workers, bug.suite)
        compared = compare(workers, changes, probes(base.spectrum, FUZZ_SEED))
    reference, *others = compared.answers
    meaning = ast.dump(_bare(bug.reference))
    return [
        ast.dump(_bare(patch.after)) == meaning
        or (bool(reference) and _is_same(answers, reference))
        for patch, answers in zip(patches, others, strict=True)
    ]


def _bare(text: str) -> ast.Module:
    """Return a tree without texts that stand for themselves."""
    tree = ast.parse(text)
    tree.body = [each for each in tree.body if not isinstance(each, ast.Expr)]
    return tree


def _is_same(answers: Sequence[object], reference: Sequence[object]) -> bool:
    """Whether two answer alike wherever the reference has an answer: an error is none."""
    asked = 0
    for own, other in zip(answers, reference, strict=True):
        if isinstance(other, tuple) and other[0] == "returned":
            asked += 1
            if not isinstance(own, tuple) or own[:2] != other[:2]:
                return False
    return asked > 0


def report(results: Sequence[Result], name: str) -> None:
    """Print what all came to."""
    count = len(results)
    plausible = [each for each in results if each.is_plausible]
    right = [each for each in results if each.rank == 1]
    published = [each for each in results if each.is_published]
    rightly = [each for each in published if each.rank == 1]
    examined = [each.outcome.examined for each in results if each.outcome]
    firsts = [each["first_patch_s"] for each in examined if each["first_patch_s"] >= 0]
    rates = [each["candidates"] / each["seconds"] for each in examined if each["seconds"]]
    print(f"\n{name}: {count} bugs")
    print(f"plausible           {len(plausible):>4}  {len(plausible) / count:.2f}")
    print(f"right at rank 1     {len(right):>4}  {len(right) / count:.2f}")
    print(f"right in the first 10 {sum(each.rank > 0 for each in results):>2}")
    print(f"published           {len(published):>4}  {len(published) / count:.2f}")
    print(f"precision of these        {len(rightly) / max(1, len(published)):.2f}")
    abstained = len(plausible) - len(published)
    print(
        f"abstained           {abstained:>4}  {abstained / max(1, len(plausible)):.2f} of plausible"
    )
    print(
        f"candidates/s        {median(rates):>6.1f}  median s to first patch {median(firsts):.1f}"
    )
    for sort in sorted({each.bug.sort for each in results}):
        own = [each for each in results if each.bug.sort == sort]
        rights = sum(each.rank == 1 for each in own)
        print(f"  {sort:<18}{sum(e.is_plausible for e in own):>4}{rights:>4} of {len(own)}")


def peer_line(bug: Bug, python: Path, budget: Budget, *options: str) -> str:
    """Return what FixKit's PyMutRepair comes to on one program, as a line."""
    name = " ".join(["  PyMutRepair", *options])
    imported = [str(python), "-c", "import fixkit.repair.pymutrepair"]
    if not python.exists() or subprocess.run(imported, capture_output=True, check=False).returncode:
        return f"{name:<32}not installed at {python}"
    program = Path(bug.program)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        work = Path(folder) / "work"
        shutil.copytree(bug.suite.root, work, ignore=_but_for(bug))
        script = str(Path(__file__).with_name("repair_peer.py"))
        arguments = [str(work), str(program.parent), *bug.suite.tests, str(budget.processes)]
        process = subprocess.Popen(
            [str(python), script, *arguments, *options],
            cwd=work,
            env={**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            out, _ = process.communicate(timeout=budget.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, _ = process.communicate()
    told = [json.loads(each) for each in out.decode().splitlines() if each.endswith("}")]
    found = [each["seconds"] for each in told if each["fitness"] >= 1 - 1e-8]
    said = f"first patch after {found[0]:.1f} s" if found else "nothing"
    last_s = told[-1]["seconds"] if told else budget.seconds
    rate = f"{len(told)} candidates, {len(told) / last_s:.1f}/s"
    return f"{name:<32}{said}, {rate}"


def _but_for(bug: Bug) -> Callable[[str, list[str]], set[str]]:
    """Return what leaves out the other programs, and the correct ones."""
    program = Path(bug.program)

    def others(folder: str, names: list[str]) -> set[str]:
        is_of_programs = Path(folder).name == program.parent.name
        kept = {program.name, "node.py"}
        left = {"correct_python_programs", "__pycache__"}
        return {each for each in names if each in left or (is_of_programs and each not in kept)}

    return others


def line(result: Result, seconds: float) -> str:
    """Return one bug as a line."""
    outcome = result.outcome
    if outcome is None:
        return f"{result.bug.name:<32} failed: {result.said[:90]}"
    first = outcome.patches[0].template if outcome.patches else "-"
    said = "published" if result.is_published else "abstained" if outcome.patches else "nothing"
    counts = f"{int(outcome.examined['candidates']):>6}{len(outcome.patches):>4}"
    clusters = len({patch.cluster for patch in outcome.patches})
    start = f"{result.bug.name:<32}{said:<10} rank {result.rank:<3}"
    return f"{start}{counts}{clusters:>4}{seconds:>6.0f} s  {first}"


def main() -> None:
    """Run the bugs of a set one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", choices=("repair_dev", "quixbugs"), default="repair_dev")
    parser.add_argument("--data", type=Path, help="the file repair_dev.jsonl")
    parser.add_argument("--folder", type=Path, help="a checkout of QuixBugs")
    parser.add_argument("--half", choices=("seen", "unseen", "both"), default="both")
    parser.add_argument("--only", default="", help="names of bugs, joined by commas")
    parser.add_argument("--every", type=int, default=1, help="take every so many bugs")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--peer", type=Path, help="the Python that FixKit is installed for")
    parser.add_argument("--show", action="store_true", help="print the first patches")
    asked = parser.parse_args()
    budget = Budget(asked.seconds, asked.processes)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        if asked.set == "quixbugs":
            bugs = list(from_quixbugs(asked.folder, Path(folder)))
        else:
            bugs = list(from_rows(asked.data, asked.half, Path(folder)))
        only = asked.only.split(",") if asked.only else [bug.name for bug in bugs]
        results = []
        for bug in [bug for bug in bugs if bug.name in only][:: asked.every]:
            began = time.monotonic()
            results.append(run(bug, budget))
            print(line(results[-1], time.monotonic() - began), flush=True)
            if asked.show:
                show(results[-1])
            for options in ((), ("corrected",)) if asked.peer else ():
                print(peer_line(bug, asked.peer.absolute(), budget, *options), flush=True)
    report(results, f"{asked.set} ({asked.half})")


def show(result: Result) -> None:
    """Print what the first patches change."""
    if result.outcome:
        for patch in result.outcome.patches[:5]:
            old, new = set(patch.before.splitlines()), patch.after.splitlines()
            said = " | ".join(each.strip() for each in new if each not in old)
            print(
                f"      {patch.score:>7.2f} cluster {patch.cluster} {patch.template}: {said[:120]}"
            )
        if result.outcome.abstained:
            print(f"      {result.outcome.abstained}: {result.outcome.question}")


if __name__ == "__main__":
    main()
