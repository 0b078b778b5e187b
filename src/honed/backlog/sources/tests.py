"""Results of tests: what fails on the newest commit, and which tests are flaky."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar, Final

from honed.backlog.draft import Draft, Facts
from honed.backlog.source import Source
from honed.backlog.ticket import Category, TicketSource
from honed.config import Settings
from honed.core.counted import counted
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.backlog.sources", "tests.sql")

#: Changes of outcome from commit to commit that are no coincidence: one mistake and its correction
#: are two of them.
_LEAST_FLIPS: Final = 4
#: A test that was not flaky for so many days is no trouble any more.
_FLAKY_DAYS: Final = 7
#: More faults than these at once are one trouble; and so many of them its evidence shows.
_MOST_FAULTS: Final = 10
_MOST_SHOWN: Final = 20
_LONGEST_TITLE: Final = 120

_FAILING_PLAN: Final = (
    "1. Run the tests that fail: pytest {tests}\n"
    "2. Apply the fix, and see them pass\n"
    "3. Run all tests, and see that no other fails"
)
_SINCE: Final = "It passed on {passed}: look at what changed since (git log {passed}..{commit}). "
_NEVER: Final = "No commit is known on which it passed. "
_CORRECT: Final = "Correct {culprit}, or the test where what it asks for is no longer wanted."
#: Luo, Hariri, Eloussi and Marinov 2014, "An empirical analysis of flaky tests", section 3: of 161
#: flaky tests that were corrected, 45 % waited wrongly, 20 % raced and 12 % depended on the order.
_STEADY: Final = (
    "Find what it depends on: most flaky tests wait for a time instead of for what they need, race"
    " with another thread, or depend on the order of tests (Luo et al. 2014). Wait for the"
    " condition, set the clock and the seed, and give each test its own state."
)
_FLAKY_PLAN: Final = (
    "1. Run it often on one commit until it fails: {test}\n"
    "2. Apply the fix\n"
    "3. Run it so often again that {often} passes in a row are no luck"
)

#: What evidence tells.
_FAILING: Final = (
    "branch", "commit", "passed_commit", "tests_run", "tests_failing", "message", "culprit",
    "files", "environments", "test_files",
)  # fmt: skip
_FLAKY: Final = (
    "test", "is_proven", "commits", "commit_failures", "commit_passes", "flips", "results",
    "failures", "failure_share", "runs", "environments", "file", "message",
)  # fmt: skip


class FailingTests(Source):
    """Tests that fail on the newest commit of the main branch, and flaky ones."""

    name: ClassVar[str] = "tests"
    source: ClassVar[TicketSource] = TicketSource.TEST

    def drafts(self, conn: Connection, since: datetime, settings: Settings) -> Iterator[Draft]:
        """Yield one draft for each fault of which tests fail, and for each flaky test.

        More than a few faults on one commit have, as a rule, one cause: they are one draft. The
        main branch is main, master or trunk; where a project has none of these, the one with most
        runs. What was run with changes that are not committed is left out.
        """
        rows = conn.execute(_QUERIES["list_failing"], {"since": since}).fetchall()
        for _, faults in groupby(rows, key=itemgetter("project")):
            found = sorted(faults, key=lambda row: -row["tests_failing"])
            yield from map(_failing, found) if len(found) <= _MOST_FAULTS else [_broken(found)]
        asked = {"least_flips": _LEAST_FLIPS, "days": _FLAKY_DAYS}
        for row in conn.execute(_QUERIES["list_flaky"], asked).fetchall():
            yield _flaky(row)


def _failing(row: Mapping[str, Any]) -> Draft:
    tests, number = row["tests"], row["tests_failing"]
    what = f"failing test {tests[0]}" if number == 1 else f"{number} failing tests"
    commit = row["commit"][:12] or "the newest run"
    told = _SINCE if row["passed_commit"] else _NEVER
    since = told.format(passed=(row["passed_commit"] or "")[:12], commit=commit)
    return Draft(
        source=TicketSource.TEST,
        project=row["project"],
        subject=f"failing: {row['fingerprint']}",
        title=_cut(f"Fix {what}: {row['title']}"),
        description=(
            f"{number} of {row['tests_run']} tests fail of it on {commit}"
            f"{' of ' * bool(row['branch'])}{row['branch']}: {row['title']}."
        ),
        evidence={"failures": {**_plain(row, _FAILING), "tests": tests}},
        proposed_solution=since + _CORRECT.format(culprit=row["culprit"]),
        test_plan=_FAILING_PLAN.format(tests=" ".join(tests[:5])),
        files_to_modify=tuple(row["files"][:1]),
        count=row["event_count"],
        first_seen_at=row["first_seen_at"],
        last_seen_at=row["last_seen_at"],
        facts=Facts(
            share=number / row["tests_run"],
            is_regression=row["passed_commit"] is not None,
            is_tested=True,
        ),
    )


def _broken(rows: Sequence[Mapping[str, Any]]) -> Draft:
    """Return one draft for many faults, the one of which most tests fail first."""
    failing = sum(row["tests_failing"] for row in rows)
    worst = _failing(rows[0])
    shown = [_plain(row, ("title", "culprit", "tests_failing")) for row in rows[:_MOST_SHOWN]]
    return replace(
        worst,
        subject="failing: many faults at once",
        title=_cut(f"Fix {failing} failing tests: {len(rows)} faults, most of {rows[0]['title']}"),
        description=f"{len(rows)} faults at once, the largest is this: {worst.description}",
        evidence={**worst.evidence, "faults": shown},
        count=None,
        first_seen_at=max(row["first_seen_at"] for row in rows),
        last_seen_at=max(row["last_seen_at"] for row in rows),
        facts=replace(worst.facts, share=min(1.0, failing / rows[0]["tests_run"])),
    )


def _flaky(row: Mapping[str, Any]) -> Draft:
    proof = (
        f"passed {counted(row['commit_passes'], 'time')} and failed"
        f" {counted(row['commit_failures'], 'time')} on"
        f" {counted(row['commits'], 'commit')} that did not change in between"
        if row["is_proven"]
        else f"changed its outcome {counted(row['flips'], 'time')} from commit to commit,"
        " and was not changed"
    )
    return Draft(
        source=TicketSource.TEST,
        project=row["project"],
        subject=f"flaky: {row['test']}",
        title=_cut(
            f"Make {row['test']} steady: it fails in {_share(row['failure_share'])} of its runs"
        ),
        description=f"{row['test']} {proof}. {row['message'] or ''}".strip(),
        evidence={"flaky": _plain(row, _FLAKY)},
        proposed_solution=_STEADY,
        test_plan=_FLAKY_PLAN.format(test=row["test"], often=_passes(row["failure_share"])),
        files_to_modify=(row["file"],) if row["file"] else (),
        first_seen_at=row["first_seen_at"],
        last_seen_at=row["last_seen_at"],
        facts=Facts(category=Category.TEST, share=row["failure_share"], is_tested=True),
    )


def _plain(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _passes(failure_share: float) -> int:
    """Return after how many passes in a row fewer than one of 20 tests as flaky is not noticed."""
    passes, unnoticed = 0, 1.0
    while unnoticed > 0.05:  # noqa: PLR2004 - as the sentence above says
        passes, unnoticed = passes + 1, unnoticed * (1 - max(failure_share, 0.001))
    return passes


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"  # noqa: PLR2004 - as it says


def _cut(title: str) -> str:
    return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1]}…"
