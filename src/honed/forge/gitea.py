"""Gitea and Forgejo.

The routes, fields and status codes are those of Gitea's Swagger description (API version 1.23,
which Forgejo shares).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from honed.core.forge import (
    ChangeRequest,
    ChangeState,
    Check,
    CheckState,
    Merge,
    MergeMethod,
    Notice,
    NoticeEvent,
    Proposal,
    Repository,
)
from honed.errors import ChangeConflict, ForgeError
from honed.forge.address import quoted
from honed.forge.client import MOST_PAGES, UNHEARD_OF, Client
from honed.forge.patience import Clock
from honed.forge.reading import Raw, flag, items, moment, needed, number, text
from honed.forge.secret import Secret
from honed.forge.states import check_base, head_moved, is_closed, is_merged
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
#: People who cannot be asked: no access, the author himself, nobody of that name.
_NOT_ASKED: Final = frozenset({HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Gitea:
    """One repository on Gitea or Forgejo."""

    client: Client
    #: ``owner/name``.
    full_name: str
    webhook_secret: Secret | None = None

    @property
    def name(self) -> str:
        """As the setting calls it."""
        return "gitea"

    def repository(self) -> Repository:
        """Return what the forge says of the repository."""
        said = self.client.ask(self._path)
        methods = {
            MergeMethod.MERGE: flag(said, "allow_merge_commits"),
            MergeMethod.SQUASH: flag(said, "allow_squash_merge"),
            MergeMethod.REBASE: flag(said, "allow_rebase"),
        }
        return Repository(
            full_name=needed(said, "full_name"),
            default_branch=needed(said, "default_branch"),
            url=text(said, "html_url"),
            is_private=flag(said, "private") is not False,
            is_archived=flag(said, "archived") is True,
            can_push=flag(said, "permissions", "push"),
            methods=frozenset(each for each, may in methods.items() if may is not False),
        )

    def open(self, proposal: Proposal) -> ChangeRequest:
        """Open a pull request, or return the one that is open for this branch and base."""
        said = {
            "title": proposal.title,
            "body": proposal.body,
            "head": proposal.branch,
            "base": proposal.base,
        }
        # Asked first: a forge of this family knows no filter by branch, but refuses a second one.
        reply = self.client.send("POST", f"{self._path}/pulls", content=said)
        if reply.status == HTTPStatus.CONFLICT and (known := self._open_for(proposal)):
            return known
        return self._change(self.client.told(reply))

    def get(self, number: int) -> ChangeRequest:
        """Return a pull request as it is now."""
        return self._change(self.client.ask(self._pull(number)))

    def update(self, number: int, *, title: str = "", body: str = "") -> ChangeRequest:
        """Write what is not empty, and return the pull request as it is then."""
        said = {key: value for key, value in {"title": title, "body": body}.items() if value}
        return self._change(self.client.tell("PATCH", self._pull(number), said))

    def close(self, number: int, *, comment: str = "") -> ChangeRequest:
        """Close a pull request, after a comment that says why; one that is closed stays so."""
        known = self.get(number)
        if is_closed(known):
            return known
        if comment:
            self.comment(number, comment)
        return self._change(self.client.tell("PATCH", self._pull(number), {"state": "closed"}))

    def merge(self, number: int, how: Merge) -> ChangeRequest:
        """Merge exactly what was proven; one that is merged stays so."""
        known = self.get(number)
        if is_merged(known):
            return known
        check_base(self, known, how)
        said = {"Do": how.method.value, "head_commit_id": how.head_commit}
        titles = {"MergeTitleField": how.title, "MergeMessageField": how.message}
        said |= {key: value for key, value in titles.items() if value}
        reply = self.client.send("POST", f"{self._pull(number)}/merge", content=said)
        if reply.status in {HTTPStatus.CONFLICT, HTTPStatus.METHOD_NOT_ALLOWED}:
            raise self._unmergeable(number, how, reply)
        self.client.told(reply)
        return self.get(number)

    def comment(self, number: int, body: str) -> None:
        """Add a comment, in Markdown."""
        self.client.tell("POST", f"{self._path}/issues/{number}/comments", {"body": body})

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

    def request_reviewers(self, number: int, names: Sequence[str]) -> tuple[str, ...]:
        """Ask people for a review; return whom, without those who cannot be asked."""
        asked: list[str] = []
        for name in names:
            path = f"{self._pull(number)}/requested_reviewers"
            reply = self.client.send("POST", path, content={"reviewers": [name]})
            if reply.status in _NOT_ASKED:
                continue
            self.client.told(reply)
            asked.append(name)
        return tuple(asked)

    def author(self, commit: str) -> str:
        """Return the account of who wrote a commit; the forge knows it by the address in it."""
        reply = self.client.send("GET", f"{self._path}/git/commits/{quoted(commit)}")
        if reply.status in UNHEARD_OF:
            return ""
        return text(self.client.told(reply), "author", "login")

    def own_open(self, prefix: str) -> Sequence[ChangeRequest]:
        """Return what is open for branches of this repository that begin with ``prefix``."""
        asked: dict[str, str | int] = {"state": "open", "limit": _PER_PAGE}
        return [
            self._change(said)
            for page in self.client.pages(f"{self._path}/pulls", asked)
            for said in items(page)
            if self._is_own(said) and text(said, "head", "ref").startswith(prefix)
        ]

    def checks(self, commit: str) -> Sequence[Check]:
        """Return the newest word of each check of a commit."""
        at = f"{self._path}/commits/{quoted(commit)}/status"
        return [_status(said) for said in self._numbered(at, "context", "statuses")]

    def head(self, branch: str) -> str:
        """Return the newest commit of a branch; empty: there is no such branch."""
        reply = self.client.send("GET", f"{self._path}/branches/{quoted(branch)}")
        if reply.status == HTTPStatus.NOT_FOUND:
            return ""
        return needed(self.client.told(reply), "commit", "id")

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

    @property
    def _path(self) -> str:
        return f"/repos/{quoted(self.full_name, keeping='/')}"

    def _pull(self, number: int) -> str:
        return f"{self._path}/pulls/{number}"

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

    def _is_own(self, said: Raw) -> bool:
        """Return whether a pull request's branch is in this repository, and not in a fork."""
        return text(said, "head", "repo", "full_name").lower() == self.full_name.lower()

    def _unmergeable(self, number: int, how: Merge, reply: Reply) -> ChangeConflict:
        now = self.get(number)
        if now.head_commit != how.head_commit:
            return head_moved(number)
        # Without a conflict it is a check or an approval that is missing, or it is still looked at.
        reason = "conflict" if now.is_mergeable is False else "not_ready"
        msg = f"pull request {number} does not merge: {self.client.refusal(reply)}"
        return ChangeConflict(msg, reason=reason)

    def _change(self, said: Raw) -> ChangeRequest:
        state = ChangeState.OPEN if text(said, "state") == "open" else ChangeState.CLOSED
        if flag(said, "merged"):
            state = ChangeState.MERGED
        return ChangeRequest(
            number=number(said, "number"),
            title=text(said, "title"),
            body=text(said, "body"),
            state=state,
            branch=needed(said, "head", "ref"),
            base=needed(said, "base", "ref"),
            head_commit=needed(said, "head", "sha"),
            base_commit=text(said, "base", "sha"),
            url=text(said, "html_url"),
            is_mergeable=flag(said, "mergeable"),
            merge_commit=text(said, "merge_commit_sha") if state is ChangeState.MERGED else "",
            labels=tuple(text(each, "name") for each in items(said, "labels")),
            reviewers=tuple(text(each, "login") for each in items(said, "requested_reviewers")),
            updated_at=moment(said, "updated_at"),
        )


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
