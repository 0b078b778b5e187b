"""A repository of Python as a target: which of its tests fail, and what may be proposed to it."""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Self

from honed.config import Settings
from honed.core.canonical import Json, digest
from honed.core.fault import Fault
from honed.core.finding import FAILING_TEST, Finding
from honed.core.forge import Proposal
from honed.core.privacy import Scrubber
from honed.core.step import Step
from honed.core.target import Interval, Observation, Usage
from honed.errors import GitFailed
from honed.repair.refactor.asking.lookups import Table
from honed.repair.suite import Budget
from honed.storage.db import Database
from honed.targets.registry import TargetRecord
from honed.targets.repository.evidence.exceptions import exceptions, samples
from honed.targets.repository.evidence.mined import learn, patterns
from honed.targets.repository.evidence.priors import template_priors
from honed.targets.repository.evidence.queries import asked_lately
from honed.targets.repository.evidence.same_bug import same_bugs
from honed.targets.repository.evidence.searches import Searches
from honed.targets.repository.evidence.suites import QUERIES, SuiteRun, suite_run
from honed.targets.repository.evidence.tables import read_tables
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.git.worktree import Worktree
from honed.targets.repository.judging.judge import Court
from honed.targets.repository.judging.proposer import Bench
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import NewChange, Wanted
from honed.targets.repository.requests.forges import limits_of
from honed.targets.repository.source import Source

#: A line of pytest that says what went wrong.
_ERROR: Final = re.compile(r"^E\s+(.+)$", re.MULTILINE)
_TITLE_CHARACTERS: Final = 160
#: The digest of a patch that nobody has found yet.
_NO_PATCH: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Head:
    """Where the branch is; all of a repository that a step could change."""

    commit: str
    parents: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """A digest of it."""
        return hashlib.sha256(self.commit.encode()).hexdigest()

    def is_due_to(self, step: Step, before: "Head") -> bool:
        """Return whether it is ``before``, or what merging the step's commit made of that."""
        if self.commit == before.commit:
            return True
        made = {str(json.loads(act).get("commit", "")) for act in step.do}
        here = {self.commit, *self.parents}
        return before.commit in here and bool(made & here)


class RepositoryTarget:
    """A repository as a target; implements ``honed.core.target.Target``.

    It is read through a clone of honed's own; a person's checkout is never touched, and what is
    not committed is not seen. Methods that read it may raise ``TargetUnavailable`` (it does not
    answer) or ``ConfigurationError`` (its row is odd).
    """

    def __init__(
        self,
        record: TargetRecord,
        store: Database,
        settings: Settings,
        *,
        interval: Interval | None = None,
    ) -> None:
        """Describe the target; nothing is opened.

        Args:
            record: its row in the store.

            store: honed's own database.

            settings: of this process.

            interval: what is not used: nothing of production is measured here.
        """
        self._record = record
        self._store = store
        self._settings = settings
        self._interval = interval
        self._source = Source(record, settings)

    @property
    def target_id(self) -> int:
        """The row in the store."""
        return self._record.target_id

    @property
    def name(self) -> str:
        """The name a person gave it."""
        return self._record.name

    @property
    def sort(self) -> str:
        """``repository``."""
        return self._record.sort

    @property
    def record(self) -> TargetRecord:
        """The row in the store."""
        return self._record

    @property
    def settings(self) -> Settings:
        """The settings of this process; kinds read budgets and seeds from them."""
        return self._settings

    @property
    def court(self) -> Court:
        """How its tests are run."""
        return self._source.court

    def bench(self, budget: Budget) -> Bench:
        """Return what proposers work with.

        Args:
            budget: what one search may cost.
        """
        return Bench(
            self.court,
            budget,
            self._settings,
            self.clone(),
            self._store,
            template_priors(self._store),
            patterns(self._store),
        )

    @property
    def store(self) -> Database:
        """Honed's own database."""
        return self._store

    @cached_property
    def scrubber(self) -> Scrubber:
        """What takes personal data and secrets out of what tests and errors say."""
        return self._source.scrubber(self._store)

    @property
    def searches(self) -> Searches:
        """What was searched in vain, so that it is not searched again."""
        # Who may answer and which patterns are tried: with others, a search may find more.
        known = digest(sorted(patterns(self._store)))[:16]
        means = f"{self._settings.llm_provider.value} {known}"
        return Searches(self._store, self.target_id, means)

    def close(self) -> None:
        """Do nothing: nothing stays open."""

    def clone(self) -> Clone:
        """Return honed's own clone, as it was fetched last."""
        return self._source.clone()

    def branch(self) -> str:
        """Return the branch that is looked at, and that changes are proposed to."""
        return self._source.branch(self.clone())

    @contextmanager
    def files(self, commit: str) -> Iterator[Worktree]:
        """Hand out the files of a commit in a folder of their own, gone afterwards.

        Raises:
            UnknownCommit: it was not fetched.
        """
        with self._source.files(commit) as tree:
            yield tree

    def shape(self) -> Head:
        """Return where the branch is now."""
        clone = self._source.fetched()
        commit = clone.commit(self._source.branch(clone))
        parents = clone.git.text("rev-parse", f"{commit}^@").split()
        return Head(commit, tuple(parents))

    def fingerprint(self) -> str:
        """Return a digest of where the branch is."""
        return self.shape().fingerprint

    def environment(self) -> Mapping[str, Json]:
        """Return what tests are run with."""
        return {"sort": self.sort, "python": self.court.python.name}

    def obstacles(self, added_bytes: int) -> Sequence[str]:
        """Return why no change may be proposed now: as many are open as people can review."""
        del added_bytes
        # A cause and a patch that nobody has seen: what is left are the rules for all changes.
        why = self.withheld(f"anything of {self.name}")
        return [changes.WORDS.get(why, why)] if why else []

    def withheld(self, root_cause: str, ticket_id: int | None = None) -> str:
        """Return why a change for this cause would not be opened now; empty: it would.

        ``duplicate``, ``closed_by_person``, ``cooldown`` (unless a person has reopened the ticket
        since, or said what is right) or ``quota``. It is asked before there is a patch.
        """
        new = NewChange(
            target_id=self.target_id,
            proposal=Proposal("", "", "", ""),
            root_cause=self.scrubber.text(root_cause),
            patch_digest=_NO_PATCH,
            base_commit="",
            head_commit="",
            ticket_id=ticket_id,
        )
        with self._store.transaction() as conn:
            return changes.withheld(conn, new, limits_of(self._settings))

    def is_open(self, branch: str) -> bool:
        """Return whether a change with this branch waits to be let in."""
        with self._store.transaction() as conn:
            return bool(changes.changes(conn, Wanted(self.name, branch=branch), limit=1))

    def sample(self) -> None:
        """End a stretch of time and begin the next; nothing is asked of the repository."""
        with self._store.transaction() as conn:
            conn.execute(QUERIES["add_reading"], {"target_id": self.target_id})
            conn.execute(QUERIES["drop_readings"], {"target_id": self.target_id})

    def glance(self) -> None:
        """Do nothing: a repository runs nothing."""

    def observe(self, lookback: timedelta) -> Observation:
        """Return what fails: tests on the branch's newest commit, and what services raised.

        Tests count whenever they began to fail, exceptions where one came in ``lookback``. With
        them, functions that are like one that was repaired, here or in another repository.

        Raises:
            EvaluatorFailed: the tests do not come to their end.
            SandboxMissing: there is no sandbox, so nothing is run.
        """
        commit = self.shape().commit
        run = suite_run(self._source, self._store, commit)
        branch = self.branch()
        record: dict[str, Json] = {
            "branch": branch,
            "commit": commit,
            "testsPassed": run.passed,
            "testsFailed": len(run.failing),
            "testsFlaky": [self.scrubber.text(test) for test in run.flaky],
            "cpuSeconds": run.cpu_s,
        }
        raised = list(exceptions(self._record, self._store, lookback, commit))
        record["exceptions"] = len(raised)
        alike = list(same_bugs(self._store, self.clone(), commit))
        record["sameBugs"] = len(alike)
        record["minedTemplates"] = self._learned(commit)
        failing = _findings(run, branch, commit, self.scrubber)
        return Observation((*failing, *raised, *alike), record)

    def _learned(self, commit: str) -> Json:
        """Learn from what was changed up to a commit; return how many patterns are of use."""
        try:
            learn(self._store, self.clone(), self.target_id, commit)
        except GitFailed as error:
            # Nobody waits for it: the next look goes on.
            return str(error)
        return len(patterns(self._store))

    def asked_lately(self, lookback: timedelta) -> Sequence[Mapping[str, Any]]:
        """Return the queries that its services ask again and again; see ``queries``."""
        return asked_lately(self._record, self._store, lookback)

    def tables(self, names: Collection[str]) -> Sequence[Table]:
        """Return what the database that its services ask says of tables; see ``read_tables``."""
        return read_tables(self._record, self._store, self._settings, names)

    def failing(self, commit: str) -> Mapping[str, str]:
        """Return what each test said that fails on a commit; run once, as ``observe`` does.

        Raises:
            EvaluatorFailed: as ``observe``, and so are the others.
        """
        return suite_run(self._source, self._store, commit).failing

    def raised(self, finding: Finding) -> tuple[Fault, ...]:
        """Return exceptions as they were captured, for a finding of ``observe``."""
        return samples(self._store, str(finding.evidence["project"]), finding.subject)

    def intervals(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[Interval]:
        """Return the stretches of recorded time within the bounds, oldest first."""
        bounds = {"target_id": self.target_id, "since": since, "until": until}
        with self._store.transaction() as conn:
            rows = conn.execute(QUERIES["list_intervals"], bounds)
            return [Interval(row["started_at"], row["ended_at"]) for row in rows]

    def usage(self) -> Mapping[str, Usage]:
        """Return nothing: what production does is not seen here."""
        return {}

    def during(self, interval: Interval) -> Self:
        """Return this target as it was in ``interval``; its branch is that of now."""
        return type(self)(self._record, self._store, self._settings, interval=interval)

    def within(self, limits: Mapping[str, float]) -> Self:
        """Return this target with ``limits`` where they are narrower than what its settings say."""
        narrower: dict[str, Any] = {
            name: min(getattr(self._settings, name), limit) for name, limit in limits.items()
        }
        settings = self._settings.model_copy(update=narrower)
        return type(self)(self._record, self._store, settings, interval=self._interval)


def _findings(run: SuiteRun, branch: str, commit: str, scrubber: Scrubber) -> Iterator[Finding]:
    for test, message in run.failing.items():
        said = _ERROR.search(message)
        why = f": {said[1]}" if said else ""
        yield Finding(
            FAILING_TEST,
            test,
            scrubber.text(f"{test} fails on {branch}{why}")[:_TITLE_CHARACTERS],
            evidence={"commit": commit, "branch": branch, "message": message},
            weight=1.0 / (run.passed + len(run.failing)),
        )
