"""What changes a repository: branches that are pushed, and requests that are opened or closed.

The base branch itself is never written to here. Imported by ``targets.execute`` alone.
"""

import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from honed.config import Settings
from honed.core.canonical import Json
from honed.core.forge import ChangeState, Check, CheckState, Forge, Proposal
from honed.core.step import Step, StepState
from honed.errors import (
    ChangeRefused,
    ForgeError,
    ForgeUnavailable,
    GitFailed,
    PushRefused,
    StepFailed,
    TargetUnavailable,
    UnknownCommit,
)
from honed.forge.description import completed
from honed.targets.registry import Place
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.git.commit import Note, commit_files
from honed.targets.repository.git.git import hidden
from honed.targets.repository.git.push import branch_commit, push
from honed.targets.repository.publishing.acts import PUBLISH, RUNNER, WITHDRAW, commit_of, time_of
from honed.targets.repository.publishing.concerned import concerned
from honed.targets.repository.publishing.grounds import entry_that_proves, read_grounds
from honed.targets.repository.publishing.packing import unpack
from honed.targets.repository.publishing.taking_back import taken_back
from honed.targets.repository.requests import changes, reviewing
from honed.targets.repository.requests.change import Change, Lane, Limits, NewChange, Wanted
from honed.targets.repository.requests.forges import limits_of, terms_of
from honed.targets.repository.requests.reviewing import BRANCHES, Attention, Desk, Terms
from honed.targets.repository.source import Source, fetch

_LOCK: Final = "acting.lock"
#: Pause between two looks at a lock that somebody else holds.
_POLL_S: Final = 0.2
_PUSH_TIMEOUT_S: Final = 300.0
#: No rule that spares people keeps them from getting back what they had.
_UNLIMITED: Final = Limits(review=10_000, automerge=10_000, cooldown=timedelta(0))
_SHORT: Final = 12
_UNCHECKED: Final = (
    "No check of honed's ran on it: it takes lines back as they were, beside whatever came since."
)


@dataclass(frozen=True, slots=True)
class RepositoryHand:
    """The right to propose changes to one repository, and to take them back."""

    place: Place
    clone: Clone
    forge: Forge
    limits: Limits
    terms: Terms

    @property
    def desk(self) -> Desk:
        """Where its changes are followed."""
        return Desk(self.place.store, self.forge, self.place.signer, self.terms)

    def inspect(self, step: Step) -> StepState | None:
        """Return what repository and store say of ``step``; None where it asks nothing.

        Raises:
            TargetUnavailable: the repository or its forge does not answer.
        """
        if not step.inspect:
            return None
        act = json.loads(step.inspect)
        with _words_for(step):
            row = self._row(act)
            is_there = branch_commit(self.clone, act["branch"]) == act["commit"]
            if row is not None and row.state is ChangeState.MERGED:
                return StepState.ABSENT if self._is_reverted(act) else StepState.DONE
        is_open = row is not None and row.state is ChangeState.OPEN
        if is_open and is_there and row is not None and row.number is not None:
            return StepState.DONE
        return StepState.PARTIAL if is_open or is_there else StepState.ABSENT

    def run(self, step: Step) -> None:
        """Run ``step.do``; run ``step.inverse()`` to take the step back.

        Raises:
            StepFailed: the repository or its forge does not take it, or the rules that spare
                people keep it back. What remains, an inspection tells.
            TargetUnavailable: one of them does not answer.
        """
        if step.runner != RUNNER:
            msg = f"{step.description}: nobody here can run steps of the sort {step.runner!r}"
            raise StepFailed(msg)
        with _words_for(step):
            for text in step.do:
                act = json.loads(text)
                _ACTS[act["act"]](self, act)

    def facts(self, step: Step) -> dict[str, Json]:
        """Return what the record shall say of a step that has happened, beside that it has."""
        if not step.inspect:
            return {}
        with suppress(ForgeError):
            row = self._row(json.loads(step.inspect))
            if row is not None:
                return {"change_id": row.change_id, "url": row.url, "commit": row.head_commit}
        return {}

    def publish(self, act: Mapping[str, Any]) -> None:
        """Push the branch with exactly the commit that was approved, and open its request."""
        change = unpack(act["change"], self.clone)
        made = commit_of(self.clone, change, act.get("claim", ""))
        if made != act["commit"]:
            msg = f"the commit would be {made}, and {act['commit']} was approved"
            raise StepFailed(msg)
        with self.place.store.transaction() as conn:
            grounds = read_grounds(conn, self.place.improvement_id)
        people = concerned(self.clone, self.forge, change)
        said = {**act, "body": completed(act["body"], grounds, people.names)}
        new = replace(
            self._new(said, made, change.base_commit),
            ledger_index=entry_that_proves(grounds),
            lane=reviewing.lane_at(self.desk, self.place.improvement_id),
        )
        # Of the local forge nobody else runs tests: the gates that let it come so far are its
        # checks, and they are there with its row, whenever this process dies.
        gates = [Check("honed", CheckState.PASSED, is_required=True)]
        known = gates if self.forge.name == "local" else []
        self._open(new, self.limits, Attention(people.accounts), known)

    def withdraw(self, act: Mapping[str, Any]) -> None:
        """Close the request and delete its branch; where it is merged, propose the revert.

        A branch that somebody else has moved stays.
        """
        row = self._row(act)
        if row is not None and row.state is ChangeState.MERGED:
            self._revert(act, row)
            return
        if row is not None and row.state is ChangeState.OPEN:
            reviewing.withdraw(self.desk, row.change_id, "honed took it back")
        if branch_commit(self.clone, act["branch"]) == act["commit"]:
            self._delete(act["branch"], act["commit"])
        fetch(self.clone)

    def _new(self, act: Mapping[str, Any], commit: str, base_commit: str) -> NewChange:
        return NewChange(
            target_id=self.place.record.target_id,
            proposal=Proposal(act["branch"], act["base_branch"], act["title"], act["body"]),
            root_cause=act["root_cause"],
            patch_digest=act["patch_digest"],
            base_commit=base_commit,
            head_commit=commit,
            forge=self.forge.name,
            ticket_id=act.get("ticket_id"),
            improvement_id=self.place.improvement_id,
        )

    def _open(
        self,
        new: NewChange,
        limits: Limits,
        attention: Attention,
        checks: Sequence[Check] = (),
    ) -> None:
        branch = new.proposal.branch
        same = self._newest(Wanted(self.place.record.name, branch=branch))
        if same is not None and same.head_commit != new.head_commit:
            # Two kinds may find the same lines wrong, each with words of its own.
            msg = f"request {same.change_id} proposes the same lines already"
            raise StepFailed(msg)
        push(self.clone, new.head_commit, branch)
        fetch(self.clone)
        reviewing.publish(self.desk, new, limits, attention, checks)

    def _row(self, act: Mapping[str, Any]) -> Change | None:
        """Return the newest request with this branch and commit, as its forge says it is."""
        name = self.place.record.name
        wanted = Wanted(name, tuple(ChangeState), act["branch"], act["commit"])
        row = self._newest(wanted)
        if row is None or row.state is not ChangeState.OPEN:
            return row
        return reviewing.refresh(self.desk, row.change_id)

    def _newest(self, wanted: Wanted) -> Change | None:
        with self.place.store.transaction() as conn:
            return next(iter(changes.changes(conn, wanted, limit=1)), None)

    def _is_reverted(self, act: Mapping[str, Any]) -> bool:
        """Return whether the revert of a merged change is proposed, or everything is as before."""
        states = ChangeState.OPEN, ChangeState.MERGED
        if self._newest(Wanted(self.place.record.name, states, _revert_branch(act))):
            return True
        try:
            left = taken_back(self.clone, act["commit"], self._head(act))
        except UnknownCommit:
            # It was squashed, and the clone is newer than its branch.
            return False
        return not left.files and not left.conflicts

    def _revert(self, act: Mapping[str, Any], row: Change) -> None:
        """Propose what takes a merged change back on the files of today.

        Raises:
            ChangeRefused: somebody has changed the same lines since.
        """
        head = self._head(act)
        undone = taken_back(self.clone, act["commit"], head)
        for path in undone.conflicts:
            msg = f"{path} was changed after the merge: revert {act['commit']} by hand"
            raise ChangeRefused(msg)
        files = {
            each.path: None if each.after is None else each.after.encode() for each in undone.files
        }
        title = f"Take back: {row.title}"
        note = Note(f"{title}\n\nThis reverts {act['commit']}.", time_of(self.clone, head))
        commit = commit_files(self.clone, head, files, note)
        said = {
            "branch": _revert_branch(act),
            "base_branch": act["base_branch"],
            "root_cause": f"take back {act['commit']}",
            "patch_digest": hashlib.sha256(commit.encode()).hexdigest(),
            "title": title,
            "body": f"Change {row.change_id} was merged and is to be taken back.\n\n{_UNCHECKED}\n",
        }
        # What takes back has been through no gate: a person lets it in.
        new = replace(self._new(said, commit, head), lane=Lane.REVIEW)
        self._open(new, _UNLIMITED, Attention())

    def _head(self, act: Mapping[str, Any]) -> str:
        """Return where the base branch is now: a merge that was seen since is to be there."""
        fetch(self.clone)
        return self.clone.commit(act["base_branch"])

    def _delete(self, branch: str, expected: str) -> None:
        ref = f"refs/heads/{branch}"
        said = self.clone.git.attempt(
            *("push", "--porcelain", "--no-verify", "--no-signed"),
            *(f"--force-with-lease={ref}:{expected}", "--", self.clone.url, f":{ref}"),
            environment=self.clone.credentials.environment(self.clone.url),
            timeout_s=_PUSH_TIMEOUT_S,
        )
        if said.code != 0 and branch_commit(self.clone, branch) == expected:
            words = hidden(said.words, self.clone.credentials.secrets)
            msg = f"the branch {branch} cannot be deleted: {words}"
            raise PushRefused(msg)


_ACTS: Final[Mapping[str, Callable[[RepositoryHand, Mapping[str, Any]], None]]] = {
    PUBLISH: RepositoryHand.publish,
    WITHDRAW: RepositoryHand.withdraw,
}


@contextmanager
def at_repository(
    place: Place, settings: Settings, stop_if_told: Callable[[], None]
) -> Iterator[RepositoryHand]:
    """Hand out the right to change a repository, once nobody else on this machine has it.

    What two machines do at once is settled by leases of branches and by rows of the store.

    Raises:
        TargetUnavailable: it does not answer, or somebody else changes it for longer than
            ``build_timeout_s``.
    """
    source = Source(place.record, settings)
    clone = source.fetched(acting=True)
    with _only_writer(clone, time.monotonic() + settings.build_timeout_s, stop_if_told):
        forge = source.forge(place.store, clone)
        terms = terms_of(settings, place.record)
        yield RepositoryHand(place, clone, forge, limits_of(settings), terms)


@contextmanager
def _only_writer(clone: Clone, deadline: float, stop_if_told: Callable[[], None]) -> Iterator[None]:
    with (clone.folder / _LOCK).open("ab") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                stop_if_told()
                if time.monotonic() > deadline:
                    msg = "another honed of this machine is changing this repository"
                    raise TargetUnavailable(msg) from None
                time.sleep(_POLL_S)
        yield


@contextmanager
def _words_for(step: Step) -> Iterator[None]:
    """Turn errors of git and of forges into those of steps, with the step's name in front."""
    try:
        yield
    except (GitFailed, ForgeUnavailable) as error:
        message = f"{step.description}: {error}"
        raise TargetUnavailable(message, hint=error.hint) from error
    except PushRefused as error:
        message = f"{step.description}: {error}"
        if error.reason == "unavailable":
            raise TargetUnavailable(message) from error
        raise StepFailed(message) from error
    except (ForgeError, ChangeRefused, UnknownCommit) as error:
        message = f"{step.description}: {error}"
        raise StepFailed(message) from error


def _revert_branch(act: Mapping[str, Any]) -> str:
    return f"{BRANCHES}revert-{act['commit'][:_SHORT]}"
