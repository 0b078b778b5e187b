"""GitHub, and GitHub Enterprise Server.

The routes, fields and status codes are those of GitHub's OpenAPI description (REST API version
2022-11-28).
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
from honed.errors import ChangeConflict
from honed.forge.address import quoted
from honed.forge.client import UNHEARD_OF, Client
from honed.forge.patience import Clock
from honed.forge.reading import Raw, flag, items, moment, needed, number, text
from honed.forge.secret import Secret
from honed.forge.states import check_base, head_moved, is_closed, is_merged
from honed.forge.tally import read_tally
from honed.forge.webhook import check_signature, lowered, read_body
from honed.forge.wire import Parameters, Reply

HOME: Final = "https://github.com"
_PUBLIC_API: Final = "https://api.github.com"
_PER_PAGE: Final = 100
_CONCLUSIONS: Final = {
    "success": CheckState.PASSED,
    "neutral": CheckState.PASSED,
    "skipped": CheckState.PASSED,
    "failure": CheckState.FAILED,
    "cancelled": CheckState.FAILED,
    "timed_out": CheckState.FAILED,
    "action_required": CheckState.FAILED,
    "stale": CheckState.FAILED,
    "startup_failure": CheckState.FAILED,
}
_STATUSES: Final = {
    "success": CheckState.PASSED,
    "failure": CheckState.FAILED,
    "error": CheckState.FAILED,
}
_EVENTS: Final = {
    "pull_request": NoticeEvent.CHANGE,
    "pull_request_review": NoticeEvent.CHANGE,
    "check_run": NoticeEvent.CHECKS,
    "check_suite": NoticeEvent.CHECKS,
    "status": NoticeEvent.CHECKS,
    "push": NoticeEvent.PUSH,
}


@dataclass(frozen=True, slots=True)
class GitHub:
    """One repository on GitHub."""

    client: Client
    #: ``owner/name``.
    full_name: str
    webhook_secret: Secret | None = None

    @property
    def name(self) -> str:
        """As the setting calls it."""
        return "github"

    def repository(self) -> Repository:
        """Return what GitHub says of the repository."""
        said = self.client.ask(self._path)
        methods = {
            MergeMethod.MERGE: flag(said, "allow_merge_commit"),
            MergeMethod.SQUASH: flag(said, "allow_squash_merge"),
            MergeMethod.REBASE: flag(said, "allow_rebase_merge"),
        }
        return Repository(
            full_name=needed(said, "full_name"),
            default_branch=needed(said, "default_branch"),
            url=text(said, "html_url"),
            is_private=flag(said, "private") is not False,
            is_archived=flag(said, "archived") is True,
            can_push=flag(said, "permissions", "push"),
            # Told to those who may push alone; nothing told forbids nothing.
            methods=frozenset(each for each, may in methods.items() if may is not False),
        )

    def open(self, proposal: Proposal) -> ChangeRequest:
        """Open a pull request, or return the one that is open for this branch and base."""
        if known := self._open_for(proposal):
            return known
        said = {
            "title": proposal.title,
            "body": proposal.body,
            "head": proposal.branch,
            "base": proposal.base,
        }
        reply = self.client.send("POST", f"{self._path}/pulls", content=said)
        if reply.status == HTTPStatus.UNPROCESSABLE_ENTITY and (known := self._open_for(proposal)):
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
        said = {"sha": how.head_commit, "merge_method": how.method.value}
        titles = {"commit_title": how.title, "commit_message": how.message}
        said |= {key: value for key, value in titles.items() if value}
        reply = self.client.send("PUT", f"{self._pull(number)}/merge", content=said)
        if reply.status == HTTPStatus.CONFLICT:
            raise head_moved(number)
        if reply.status == HTTPStatus.METHOD_NOT_ALLOWED:
            raise self._unmergeable(number, reply)
        self.client.told(reply)
        return self.get(number)

    def comment(self, number: int, body: str) -> None:
        """Add a comment, in Markdown."""
        self.client.tell("POST", f"{self._path}/issues/{number}/comments", {"body": body})

    def add_labels(self, number: int, labels: Sequence[str]) -> None:
        """Put labels on a pull request; GitHub makes those that do not exist."""
        if labels:
            said = {"labels": list(labels)}
            self.client.tell("POST", f"{self._path}/issues/{number}/labels", said)

    def request_reviewers(self, number: int, names: Sequence[str]) -> tuple[str, ...]:
        """Ask people for a review; return whom, without those who cannot be asked."""
        asked: list[str] = []
        for name in names:
            # One by one: GitHub refuses all for the sake of one who is no collaborator.
            path = f"{self._pull(number)}/requested_reviewers"
            reply = self.client.send("POST", path, content={"reviewers": [name]})
            if reply.status == HTTPStatus.UNPROCESSABLE_ENTITY:
                continue
            self.client.told(reply)
            asked.append(name)
        return tuple(asked)

    def author(self, commit: str) -> str:
        """Return the account of who wrote a commit; GitHub knows it by the address in it."""
        reply = self.client.send("GET", f"{self._path}/commits/{quoted(commit)}")
        if reply.status in UNHEARD_OF:
            return ""
        return text(self.client.told(reply), "author", "login")

    def own_open(self, prefix: str) -> Sequence[ChangeRequest]:
        """Return what is open for branches of this repository that begin with ``prefix``."""
        asked: dict[str, str | int] = {"state": "open", "per_page": _PER_PAGE}
        pages = self.client.pages(f"{self._path}/pulls", asked)
        return [
            self._change(said)
            for page in pages
            for said in items(page)
            if self._is_own(said) and text(said, "head", "ref").startswith(prefix)
        ]

    def checks(self, commit: str) -> Sequence[Check]:
        """Return the newest word of each check of a commit: check runs, and statuses."""
        at = f"{self._path}/commits/{quoted(commit)}"
        runs = self.client.pages(f"{at}/check-runs", {"per_page": _PER_PAGE}, empty=UNHEARD_OF)
        statuses = self.client.pages(f"{at}/status", {"per_page": _PER_PAGE}, empty=UNHEARD_OF)
        return [
            *(_run(said) for page in runs for said in items(page, "check_runs")),
            *(_status(said) for page in statuses for said in items(page, "statuses")),
        ]

    def head(self, branch: str) -> str:
        """Return the newest commit of a branch; empty: there is no such branch."""
        reply = self.client.send("GET", f"{self._path}/branches/{quoted(branch)}")
        if reply.status == HTTPStatus.NOT_FOUND:
            return ""
        return needed(self.client.told(reply), "commit", "sha")

    def contains(self, branch: str, commit: str) -> bool:
        """Return whether a commit is in the history of a branch."""
        path = f"{self._path}/compare/{quoted(branch)}...{quoted(commit)}"
        reply = self.client.send("GET", path, parameters={"per_page": 1})
        if reply.status == HTTPStatus.NOT_FOUND:
            return False
        return number(self.client.told(reply), "ahead_by") == 0

    def file(self, path: str, ref: str) -> bytes | None:
        """Return a file at a commit or branch; None where there is none."""
        where = f"{self._path}/contents/{quoted(path, keeping='/')}"
        raw = "application/vnd.github.raw+json"
        return self.client.file(where, ref, raw)

    def hear(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Return what a webhook is about, if its signature proves that it is GitHub's."""
        told = lowered(headers)
        check_signature(
            self.webhook_secret, body, told.get("x-hub-signature-256", "").removeprefix("sha256=")
        )
        said = read_body(body)
        event = told.get("x-github-event", "")
        run = said.get("check_run", said.get("check_suite"))
        return Notice(
            delivery=told.get("x-github-delivery", ""),
            event=_EVENTS.get(event, NoticeEvent.OTHER),
            repository=text(said, "repository", "full_name"),
            number=number(said, "pull_request", "number") if "pull_request" in said else None,
            commit=text(said, "sha")
            or text(run, "head_sha")
            or text(said, "pull_request", "head", "sha")
            or text(said, "after"),
        )

    @property
    def _path(self) -> str:
        return f"/repos/{quoted(self.full_name, keeping='/')}"

    def _pull(self, number: int) -> str:
        return f"{self._path}/pulls/{number}"

    def _open_for(self, proposal: Proposal) -> ChangeRequest | None:
        owner = self.full_name.partition("/")[0]
        asked: dict[str, str | int] = {
            "state": "open",
            "head": f"{owner}:{proposal.branch}",
            "base": proposal.base,
        }
        for said in items(self._listed(asked)):
            if self._is_own(said) and text(said, "head", "ref") == proposal.branch:
                return self._change(said)
        return None

    def _listed(self, asked: Parameters) -> Raw:
        return self.client.told(self.client.send("GET", f"{self._path}/pulls", parameters=asked))

    def _is_own(self, said: Raw) -> bool:
        """Return whether a pull request's branch is in this repository, and not in a fork."""
        return text(said, "head", "repo", "full_name").lower() == self.full_name.lower()

    def _unmergeable(self, number: int, reply: Reply) -> ChangeConflict:
        is_conflict = self.get(number).is_mergeable is False
        reason = "conflict" if is_conflict else "not_ready"
        msg = f"pull request {number} does not merge: {self.client.refusal(reply)}"
        return ChangeConflict(msg, reason=reason)

    def _change(self, said: Raw) -> ChangeRequest:
        state = ChangeState.OPEN if text(said, "state") == "open" else ChangeState.CLOSED
        if text(said, "merged_at") or flag(said, "merged"):
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


def api_root(url: str) -> str:
    """Return where the API of a GitHub is: a server of one's own has it below its address."""
    return _PUBLIC_API if url == HOME else url if url == _PUBLIC_API else f"{url}/api/v3"


def connect(
    url: str, full_name: str, token: Secret, webhook_secret: Secret | None, clock: Clock
) -> GitHub:
    """Return a repository on GitHub; nothing is asked yet."""
    headers = {
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
        "Authorization": f"Bearer {token.reveal()}",
    }
    client = Client(api_root(url or HOME), token, headers, clock)
    return GitHub(client, full_name, webhook_secret)


def _run(said: Raw) -> Check:
    state = CheckState.PENDING
    if text(said, "status") == "completed":
        state = _CONCLUSIONS.get(text(said, "conclusion"), CheckState.PENDING)
    words = "\n".join(text(said, "output", key) for key in ("title", "summary"))
    return Check(
        name=needed(said, "name"),
        state=state,
        url=text(said, "details_url") or text(said, "html_url"),
        tests=read_tally(words),
    )


def _status(said: Raw) -> Check:
    return Check(
        name=needed(said, "context"),
        state=_STATUSES.get(text(said, "state"), CheckState.PENDING),
        url=text(said, "target_url"),
        tests=read_tally(text(said, "description")),
    )
