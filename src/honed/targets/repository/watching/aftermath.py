"""What became of a change of code after it was proposed: reviewed, merged, deployed, held up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from honed.core.aftermath import Aftermath, Standing
from honed.core.canonical import Json
from honed.core.forge import ChangeState
from honed.core.hypothesis import Hypothesis
from honed.errors import EvaluatorFailed, SandboxError, UnknownCommit
from honed.storage.queries import load_queries
from honed.targets.repository.evidence import same_bug
from honed.targets.repository.evidence.suites import lost, run_again, suite_run, suspects
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.publishing.packing import unpack
from honed.targets.repository.source import Source
from honed.targets.repository.target import RepositoryTarget
from honed.targets.repository.watching.releases import Deployment, Releases
from honed.targets.repository.watching.services import Services
from honed.targets.repository.watching.watched import (
    RATES_AND_SPEEDS,
    STEPS,
    Counts,
    Endings,
    Seen,
    judge,
)

_QUERIES: Final = load_queries("honed.targets.repository.watching", "aftermath.sql")
#: Where a release is not known, nobody knows how long after the merge it was deployed: the fault is
#: looked for in the second half of the watch alone.
_HALF: Final = STEPS // 2


def aftermath(hypothesis: Hypothesis, target: RepositoryTarget) -> Aftermath:
    """Return what became of the change that a claim proposed; see ``watched.judge``.

    It waits while its request is open, while no release with it has told anything, and while its
    watch (``code_watch_hours`` from its deployment on) lasts without harm. A deployment is the
    first signal of a release that contains the merge: of one that is called by its commit, or by
    its tag where the repository's row says ``"releases": "tags"``. Where releases are called
    otherwise, the merge counts as deployment. Without a project that tells of the repository's
    services there is nothing to watch but the tests of what was merged.

    Raises:
        TargetUnavailable: the repository does not answer.
        ConfigurationError: its row is odd.
    """
    source = Source(target.record, target.settings)
    clone = source.fetched()
    change = _change(hypothesis, target)
    if change is None:
        return Aftermath(Standing.ENDED, "nothing is known of its request")
    if change.state is ChangeState.OPEN:
        return Aftermath(Standing.WAITING, f"change {change.change_id} waits for its review")
    if change.state is ChangeState.CLOSED:
        return Aftermath(Standing.ENDED, _end(change))
    merge = _Merge(hypothesis, target, source, clone, change)
    merge.remember()
    return merge.judged()


@dataclass(frozen=True, slots=True)
class _Change:
    """The request of a claim, as it is stored."""

    change_id: int
    state: ChangeState
    closed_by_person: bool
    end_reason: str
    merge_commit: str
    base_commit: str
    number: int | None
    #: When it was seen merged or closed.
    ended_at: datetime | None


@dataclass(frozen=True)
class _Merge:
    """A change that is in the base branch."""

    hypothesis: Hypothesis
    target: RepositoryTarget
    source: Source
    clone: Clone
    change: _Change

    def remember(self) -> None:
        """Keep what the functions were like that it changed, so that their likes are found."""
        packed: Any = self.hypothesis.parameters["change"]
        with self.target.store.transaction() as conn:
            is_known = same_bug.is_known(conn, self.change.change_id)
        if not is_known:
            change = unpack(packed, self.clone)
            with self.target.store.transaction() as conn:
                same_bug.remember(conn, self.change.change_id, change)

    def judged(self) -> Aftermath:
        """Return what is to become of it."""
        settings = self.target.settings
        tests = self._tests()
        about: dict[str, Json] = {
            "change_id": self.change.change_id,
            "merge_commit": self.change.merge_commit,
            "merged_at": self.merged_at.isoformat(),
        }
        told = Services.of(self.target, self.merged_at)
        if not told.projects:
            return judge(Seen(0, tests, about=about), settings.alpha)
        deployed = told.deployment(self.releases, *self.last_look)
        if deployed is None:
            why = "it is merged, and no release with it has told anything yet"
            about |= {"waits_for": "a release"}
            seen = judge(Seen(0, tests, errors=Counts(0, 0, 0, 0), about=about), settings.alpha)
            return seen if seen.standing is Standing.HARMED else replace(seen, reason=why)
        about |= {"deployed_at": deployed.at.isoformat(), "release": deployed.release}
        return judge(self._seen(told, deployed, tests, about), settings.alpha)

    @cached_property
    def releases(self) -> Releases:
        """Which of them have it."""
        is_tagged = self.target.record.options.get("releases") == "tags"
        return Releases(self.clone, self.change.merge_commit, is_tagged)

    @cached_property
    def last_look(self) -> tuple[Mapping[str, Any], datetime | None]:
        """What the last look at it wrote down, and when it was; empty: this is the first."""
        asked = {**_claim(self.hypothesis, self.target), "merge_commit": self.change.merge_commit}
        with self.target.store.transaction() as conn:
            row = conn.execute(_QUERIES["find_facts"], asked).fetchone()
        return (row["facts"], row["looked_at"]) if row else ({}, None)

    @cached_property
    def merged_at(self) -> datetime:
        """When it was seen merged."""
        assert self.change.ended_at is not None  # noqa: S101 - the store sees to it
        return self.change.ended_at

    def _seen(
        self, told: Services, deployed: Deployment, tests: Endings, about: Mapping[str, Json]
    ) -> Seen:
        settings, parameters = self.target.settings, self.hypothesis.parameters
        clean = self.target.scrubber.text
        step = timedelta(hours=settings.code_watch_hours) / STEPS
        steps = min(STEPS, max(0, int((told.now - deployed.at) / step)))
        until = deployed.at + steps * step
        fingerprint = str(parameters.get("fingerprint") or "")
        since = deployed.at if deployed.release else deployed.at + _HALF * step
        after, operation = (deployed.at, until), str(parameters.get("operation") or "")
        releases = self.releases if deployed.release else None
        fault = told.fault(fingerprint, releases, (min(since, until), until))
        of_speeds = settings.alpha / RATES_AND_SPEEDS
        speeds = told.speeds(after, operation, of_speeds) if steps == STEPS else ()
        return Seen(
            steps,
            tests,
            fault if fingerprint else None,
            told.errors(after),
            tuple(map(clean, told.new_faults(deployed.at, releases, self._paths()))),
            tuple(speeds),
            operation,
            about,
        )

    def _paths(self) -> frozenset[str]:
        packed: Any = self.hypothesis.parameters["change"]
        return frozenset(str(each["path"]) for each in packed["files"])

    def _tests(self) -> Endings:
        """Return how the tests of the merge end beside those of the commit before it.

        They are looked at once, as each look would be another chance for a flaky one; where they
        could not be run, that is not tried again either.
        """
        if known := self.last_look[0].get("tests"):
            return Endings.from_json(known)
        clean = self.target.scrubber.text
        try:
            merged = self.clone.commit(self.change.merge_commit)
            first = self.clone.commit(f"{merged}^")
            before = suite_run(self.source, self.target.store, first)
            after = suite_run(self.source, self.target.store, merged)
            fail = suspects(before, after)
            if fail:
                fail = lost(fail, run_again(self.source, first), run_again(self.source, merged))
        except (EvaluatorFailed, SandboxError, UnknownCommit) as error:
            return Endings(error=clean(str(error)))
        packed: Any = self.hypothesis.parameters["change"]
        repairs = {str(each) for each in packed["repairs"]}
        are_repaired = not repairs & (after.failing.keys() | set(after.flaky)) if repairs else None
        return Endings(tuple(sorted(map(clean, fail))), are_repaired)


def _change(hypothesis: Hypothesis, target: RepositoryTarget) -> _Change | None:
    """Return the newest request of a claim; the daemon asks its forge about it all the time."""
    digest = str(hypothesis.parameters.get("patch_digest", ""))
    asked = {**_claim(hypothesis, target), "patch_digest": digest}
    with target.store.transaction() as conn:
        row = conn.execute(_QUERIES["find_change"], asked).fetchone()
    return _Change(**{**row, "state": ChangeState(row["state"])}) if row else None


def _end(change: _Change) -> str:
    # A person's words stay in the change's row: this goes into the ledger, which never forgets.
    if change.closed_by_person:
        return f"a person closed change {change.change_id} without merging it"
    why = f": {change.end_reason}" if change.end_reason else ""
    return f"honed withdrew change {change.change_id} without merging it{why}"


def _claim(hypothesis: Hypothesis, target: RepositoryTarget) -> dict[str, object]:
    return {
        "target_id": target.target_id,
        "kind": hypothesis.kind,
        "subject": hypothesis.subject,
    }
