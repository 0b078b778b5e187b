"""How the tests of a commit ended, run once and remembered."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from honed.core.gate import TestRun, whole_run
from honed.core.privacy import Scrubber
from honed.errors import EvaluatorFailed
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.targets.repository.judging.judge import Checkout, Court
from honed.targets.repository.source import Source

QUERIES: Final = load_queries("honed.targets.repository.evidence", "suites.sql")


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """How the tests of one commit ended in two runs."""

    #: Tests that failed in both: by id, what each said.
    failing: Mapping[str, str]
    #: Tests that did not end the same way twice.
    flaky: Sequence[str]
    passed: int
    #: Of one run.
    cpu_s: float


def suite_run(source: Source, store: Database, commit: str) -> SuiteRun:
    """Return how the tests of a commit end; an earlier run with the same command counts.

    They are run twice in a sandbox. A test that ends in another way the second time is flaky, and
    is said to be neither well nor ill.

    Raises:
        EvaluatorFailed: the runs did not come to their end.
        SandboxMissing: there is no sandbox, so nothing is run.
    """
    key = _key(source, commit)
    with store.transaction() as conn:
        known = conn.execute(QUERIES["find_run"], key).fetchone()
    if known is not None:
        return SuiteRun(**known)
    court = source.court
    with source.files(commit) as tree:
        side = Checkout(tree.root, {}, court)
        first = side.run_tests()
        # One that does not come to its end says enough, and may have taken all the time there is.
        second = first if first.error else side.run_tests()
    ended = compared(first, second, source.scrubber(store))
    keep_run(source, store, commit, ended)
    return ended


def run_again(source: Source, commit: str) -> TestRun:
    """Return one more run of all tests of a commit; nothing is remembered of it.

    Raises: as ``suite_run``.
    """
    with source.files(commit) as tree:
        return whole_run(Checkout(tree.root, {}, source.court))


def suspects(before: SuiteRun, after: SuiteRun) -> frozenset[str]:
    """Return the tests that failed in both runs of ``after`` and in neither of ``before``."""
    return frozenset(after.failing) - frozenset(before.failing) - frozenset(before.flaky)


def lost(suspected: frozenset[str], before: TestRun, after: TestRun) -> frozenset[str]:
    """Return the suspects that one more run confirms: green three times before, red three after.

    A test that fails by chance with the probability p, whatever the code, is said to be lost with
    (1 - p)^3 x p^3: 0.0093 where it fails in 30 % of its runs, and 1/64 = 0.016 at most (p = 1/2).
    After the first two runs alone that was (1 - p)^2 x p^2, 0.044 at 30 %. Of several such tests
    each has that probability.
    """
    return suspected & after.broken & before.passed


def keep_run(source: Source, store: Database, commit: str, ended: SuiteRun) -> None:
    """Remember how the tests of a commit ended."""
    said = {**asdict(ended), "failing": json.dumps(ended.failing), "flaky": json.dumps(ended.flaky)}
    with store.transaction() as conn:
        conn.execute(QUERIES["keep_run"], {**_key(source, commit), **said})


def green(store: Database, commits: Sequence[str], tests: Sequence[str]) -> frozenset[str]:
    """Return those of ``commits`` on which no test of ``tests`` failed when honed ran them.

    Not guaranteed: that they were there already.
    """
    with store.transaction() as conn:
        rows = conn.execute(QUERIES["find_green"], {"commits": [*commits], "tests": [*tests]})
        return frozenset(row["commit"] for row in rows)


def compared(first: TestRun, second: TestRun, scrubber: Scrubber) -> SuiteRun:
    """Return what two runs of the same tests say together, without personal data and secrets.

    Names of tests stay as they are: tests are called by them.

    Raises:
        EvaluatorFailed: one did not come to its end.
    """
    if error := first.error or second.error:
        msg = f"the tests cannot be run: {scrubber.text(_storable(error))}"
        raise EvaluatorFailed(
            msg, hint="name its Python and its tests: `honed target add --python ... --test ...`"
        )
    failing = sorted(first.broken & second.broken)
    flaky = sorted((first.broken ^ second.broken) | (first.passed ^ second.passed))
    return SuiteRun(
        {test: scrubber.text(_storable(first.messages.get(test, ""))) for test in failing},
        flaky,
        len(first.passed & second.passed),
        (first.cpu_s + second.cpu_s) / 2,
    )


def _key(source: Source, commit: str) -> dict[str, object]:
    return {
        "target_id": source.record.target_id,
        "commit": commit,
        "command": _command(source.court),
    }


def _command(court: Court) -> str:
    words = [str(court.python), *court.tests]
    return hashlib.sha256("\0".join(words).encode()).hexdigest()


def _storable(text: str) -> str:
    # What PostgreSQL cannot keep in a text is no loss.
    return text.replace("\0", "").encode(errors="replace").decode()
