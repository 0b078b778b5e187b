"""Gitea and Forgejo.

The routes, fields and status codes are those of Gitea's Swagger description (API version 1.23,
which Forgejo shares).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final

from honed.core.forge import (
    ChangeRequest,
    Check,
    CheckState,
    Merge,
    MergeMethod,
    Notice,
    NoticeEvent,
    Proposal,
)
from honed.errors import ForgeError
from honed.forge.address import quoted
from honed.forge.client import MOST_PAGES, UNHEARD_OF, Client
from honed.forge.patience import Clock
from honed.forge.pull_requests import PullRequests
from honed.forge.reading import Raw, items, needed, number, text
from honed.forge.secret import Secret
from honed.forge.states import head_moved
from honed.forge.tally import read_tally
from honed.forge.webhook import check_signature, lowered, read_body
from honed.forge.wire import Reply

#: The most that an instance gives by default.
_PER_PAGE: Final = 50
#: GitHub's default for a new label.
_COLOUR: Final = "#ededed"
#: A warning is no success, so that nobody merges over it.
_STATUSES: Final = {
    "success": CheckState.PASSED,
    "skipped": CheckState.PASSED,
    "failure": CheckState.FAILED,
    "error": CheckState.FAILED,
    "warning": CheckState.FAILED,
}
_EVENTS: Final = {
    "pull_request": NoticeEvent.CHANGE,
    "pull_request_sync": NoticeEvent.CHANGE,
    "pull_request_approved": NoticeEvent.CHANGE,
    "pull_request_rejected": NoticeEvent.CHANGE,
    "status": NoticeEvent.CHECKS,
    "workflow_run": NoticeEvent.CHECKS,
    "workflow_job": NoticeEvent.CHECKS,
    "push": NoticeEvent.PUSH,
}


@dataclass(frozen=True, slots=True)
class Gitea(PullRequests):
    """One repository on Gitea or Forgejo."""

    method_names: ClassVar[Mapping[MergeMethod, str]] = {
        MergeMethod.MERGE: "allow_merge_commits",
        MergeMethod.SQUASH: "allow_squash_merge",
        MergeMethod.REBASE: "allow_rebase",
    }
    page_size: ClassVar[Mapping[str, int]] = {"limit": _PER_PAGE}
    commits: ClassVar[str] = "git/commits"
    head_name: ClassVar[str] = "id"
    #: No access, the author himself, nobody of that name.
    not_asked: ClassVar[frozenset[int]] = frozenset(
        {HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND}
    )

    @property
    def name(self) -> str:
        """As the setting calls it."""
        return "gitea"

    def open(self, proposal: Proposal) -> ChangeRequest:
        """Open a pull request, or return the one that is open for this branch and base."""
        # Asked first: a forge of this family knows no filter by branch, but refuses a second one.
        reply = self._proposed(proposal)
        if reply.status == HTTPStatus.CONFLICT and (known := self._open_for(proposal)):
            return known
        return self._change(self.client.told(reply))

    def add_labels(self, number: int, labels: Sequence[str]) -> None:
        """Put labels on a pull request; those that do not exist are made."""
        if not labels:
            return
        path = f"{self._path}/labels"
        known = {text(each, "name"): each for each in self._numbered(path, "name")}
        for label in labels:
            if label not in known:
                made = {"name": label, "color": _COLOUR}
                known[label] = self.client.tell("POST", path, made)
        # By id: names are taken by newer instances alone.
        ids = [_id(known[label]) for label in labels]
        self.client.tell("POST", f"{self._path}/issues/{number}/labels", {"labels": ids})

    def checks(self, commit: str) -> Sequence[Check]:
        """Return the newest word of each check of a commit."""
        at = f"{self._path}/commits/{quoted(commit)}/status"
        return [_status(said) for said in self._numbered(at, "context", "statuses")]

    def contains(self, branch: str, commit: str) -> bool:
        """Return whether a commit is in the history of a branch."""
        path = f"{self._path}/compare/{quoted(branch)}...{quoted(commit)}"
        reply = self.client.send("GET", path)
        if reply.status == HTTPStatus.NOT_FOUND:
            return False
        return number(self.client.told(reply), "total_commits") == 0

    def file(self, path: str, ref: str) -> bytes | None:
        """Return a file at a commit or branch; None where there is none."""
        where = f"{self._path}/raw/{quoted(path, keeping='/')}"
        return self.client.file(where, ref, "*/*")

    def hear(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Return what a webhook is about, if its signature proves that it is the forge's."""
        told = lowered(headers)
        family = "forgejo" if "x-forgejo-signature" in told else "gitea"
        check_signature(self.webhook_secret, body, told.get(f"x-{family}-signature", ""))
        said = read_body(body)
        return Notice(
            delivery=told.get(f"x-{family}-delivery", ""),
            event=_EVENTS.get(told.get(f"x-{family}-event", ""), NoticeEvent.OTHER),
            repository=text(said, "repository", "full_name"),
            number=number(said, "pull_request", "number") if said.get("pull_request") else None,
            commit=text(said, "sha")
            or text(said, "pull_request", "head", "sha")
            or text(said, "after"),
        )

    def _merged(self, number: int, how: Merge) -> Reply:
        said = {"Do": how.method.value, "head_commit_id": how.head_commit}
        titles = {"MergeTitleField": how.title, "MergeMessageField": how.message}
        said |= {key: value for key, value in titles.items() if value}
        reply = self.client.send("POST", f"{self._pull(number)}/merge", content=said)
        if reply.status in {HTTPStatus.CONFLICT, HTTPStatus.METHOD_NOT_ALLOWED}:
            now = self.get(number)
            is_moved = now.head_commit != how.head_commit
            raise head_moved(number) if is_moved else self._unmergeable(now, reply)
        return reply

    def _numbered(self, path: str, name: str, *within: str) -> Sequence[Raw]:
        """Return a list that has no header Link, page by page until one brings nothing new.

        An instance may give fewer than are asked for, so that a short page is not the last.
        """
        found: dict[str, Raw] = {}
        for page in range(1, MOST_PAGES + 1):
            asked = {"limit": _PER_PAGE, "page": page}
            reply = self.client.send("GET", path, parameters=asked)
            said = None if reply.status in UNHEARD_OF else self.client.told(reply)
            new = {text(each, name): each for each in items(said, *within)}
            if new.keys() <= found.keys():
                return tuple(found.values())
            found |= new
        msg = f"the forge lists more than {MOST_PAGES} pages"
        raise ForgeError(msg)

    def _open_for(self, proposal: Proposal) -> ChangeRequest | None:
        for known in self.own_open(proposal.branch):
            if (known.branch, known.base) == (proposal.branch, proposal.base):
                return known
        return None


def connect(
    url: str, full_name: str, token: Secret, webhook_secret: Secret | None, clock: Clock
) -> Gitea:
    """Return a repository on Gitea or Forgejo; nothing is asked yet."""
    headers = {"Accept": "application/json", "Authorization": f"token {token.reveal()}"}
    return Gitea(Client(f"{url}/api/v1", token, headers, clock), full_name, webhook_secret)


def _id(label: Raw) -> int:
    return number(label, "id")


def _status(said: Raw) -> Check:
    return Check(
        name=needed(said, "context"),
        state=_STATUSES.get(text(said, "status"), CheckState.PENDING),
        url=text(said, "target_url"),
        tests=read_tally(text(said, "description")),
    )
