"""The forge that is none: a change is a row and a branch, and it is reviewed in honed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from honed.core.forge import (
    ChangeRequest,
    ChangeState,
    Check,
    Merge,
    MergeMethod,
    Notice,
    Proposal,
    Repository,
)
from honed.errors import UnknownChange, WebhookRefused
from honed.forge.states import check_base, is_closed, is_merged
from honed.storage.db import Database
from honed.targets.repository.git.branches import Branches
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Wanted


@dataclass(frozen=True, slots=True)
class LocalForge:
    """One repository that is on no forge. What people do is in the store: it needs no network.

    Rows are opened by ``changes.open_change``; ``open`` finds them. A branch that a person merges
    with git is found merged.

    Args:
        store: as the daemon.

        target: the name of the repository's target.

        branches: of the repository.

        default_branch: what changes are merged into.
    """

    store: Database
    target: str
    branches: Branches
    default_branch: str = "main"

    @property
    def name(self) -> str:
        """As the setting calls it."""
        return "local"

    def repository(self) -> Repository:
        """Return what is known of the repository."""
        return Repository(
            full_name=self.target,
            default_branch=self.default_branch,
            url="",
            is_private=True,
            is_archived=False,
            can_push=None,
            methods=frozenset({MergeMethod.MERGE, MergeMethod.SQUASH}),
        )

    def open(self, proposal: Proposal) -> ChangeRequest:
        """Return the change that is open for a branch; its row is made before.

        Raises:
            UnknownChange: there is no such row.
        """
        for each in self.own_open(proposal.branch):
            if (each.branch, each.base) == (proposal.branch, proposal.base):
                return each
        msg = f"no change is open for {proposal.branch}"
        raise UnknownChange(msg)

    def get(self, number: int) -> ChangeRequest:
        """Return a change as it is now; one whose head is in the base branch is merged.

        A branch that was set back to what the change was proven on, or before it, has no change.
        """
        found = self._read(number)
        if found.state is not ChangeState.OPEN:
            return found
        # A merge that was pushed and not recorded is seen in the repository alone.
        self.branches.fetch(found.base)
        head = self.branches.head(found.branch) or found.head_commit
        has_change = not self.branches.is_before(head, found.base_commit)
        is_in = has_change and self.branches.contains(found.base, head)
        state = ChangeState.MERGED if is_in else ChangeState.OPEN
        merge_commit = self.branches.head(found.base) if is_in else ""
        return replace(
            found,
            state=state,
            head_commit=head,
            base_commit=self.branches.head(found.base),
            merge_commit=merge_commit,
        )

    def update(self, number: int, *, title: str = "", body: str = "") -> ChangeRequest:
        """Write what is not empty, and return the change as it is then."""
        known = self.get(number)
        seen = replace(known, title=title or known.title, body=body or known.body)
        with self.store.transaction() as conn:
            changes.record(conn, number, seen)
        return self._read(number)

    def close(self, number: int, *, comment: str = "") -> ChangeRequest:
        """Close a change that honed no longer wants; one that is closed stays so."""
        if not is_closed(self._read(number)):
            with self.store.transaction() as conn:
                changes.withdraw(conn, number, comment)
        return self._read(number)

    def merge(self, number: int, how: Merge) -> ChangeRequest:
        """Merge exactly what was proven; one that is merged stays so.

        Whoever asks records it, with its entry in the ledger.
        """
        known = self.get(number)
        if is_merged(known):
            return known
        check_base(self, known, how)
        message = "\n\n".join(part for part in (how.title or known.title, how.message) if part)
        made = self.branches.merge(
            known.base, how.head_commit, f"{message}\n", how.method, before=how.base_head
        )
        # Said and not looked for: git does not find a squashed head in its base.
        return replace(known, state=ChangeState.MERGED, merge_commit=made)

    def comment(self, number: int, body: str) -> None:
        """Say nothing: what is known of a change is in its history."""

    def add_labels(self, number: int, labels: Sequence[str]) -> None:
        """Put on no labels: here there are none."""

    def request_reviewers(self, number: int, names: Sequence[str]) -> tuple[str, ...]:
        """Ask nobody: who reviews looks into honed."""
        return ()

    def author(self, commit: str) -> str:
        """Return nothing: here nobody has an account."""
        return ""

    def own_open(self, prefix: str) -> Sequence[ChangeRequest]:
        """Return what is open for branches that begin with ``prefix``."""
        with self.store.transaction() as conn:
            found = changes.changes(conn, Wanted(target=self.target), limit=1000)
        return [
            each.to_request()
            for each in found
            if each.forge == self.name and each.branch.startswith(prefix)
        ]

    def checks(self, commit: str) -> Sequence[Check]:
        """Return what was recorded of a commit: the test command's result takes the place of CI."""
        with self.store.transaction() as conn:
            found = changes.changes(conn, Wanted(self.target, head_commit=commit), limit=1)
        return next((each.checks for each in found), ())

    def head(self, branch: str) -> str:
        """Return the newest commit of a branch; empty: there is no such branch."""
        self.branches.fetch(branch)
        return self.branches.head(branch)

    def contains(self, branch: str, commit: str) -> bool:
        """Return whether a commit is in the history of a branch."""
        return self.branches.contains(branch, commit)

    def file(self, path: str, ref: str) -> bytes | None:
        """Return a file at a commit or branch; None where there is none."""
        return self.branches.file(path, ref)

    def hear(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Refuse: nobody sends webhooks here.

        Raises:
            WebhookRefused: always.
        """
        msg = "the local forge has no webhooks"
        raise WebhookRefused(msg)

    def _read(self, number: int) -> ChangeRequest:
        with self.store.transaction() as conn:
            return changes.get(conn, number).to_request()
