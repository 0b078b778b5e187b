"""GitHub, and GitHub Enterprise Server.

The routes, fields and status codes are those of GitHub's OpenAPI description (REST API version
2022-11-28).
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
from honed.forge.address import quoted
from honed.forge.client import UNHEARD_OF, Client
from honed.forge.patience import Clock
from honed.forge.pull_requests import PullRequests
from honed.forge.reading import Raw, items, needed, number, text
from honed.forge.secret import Secret
from honed.forge.states import head_moved
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
class GitHub(PullRequests):
    """One repository on GitHub."""

    method_names: ClassVar[Mapping[MergeMethod, str]] = {
        MergeMethod.MERGE: "allow_merge_commit",
        MergeMethod.SQUASH: "allow_squash_merge",
        MergeMethod.REBASE: "allow_rebase_merge",
    }
    page_size: ClassVar[Mapping[str, int]] = {"per_page": _PER_PAGE}
    commits: ClassVar[str] = "commits"
    head_name: ClassVar[str] = "sha"
    not_asked: ClassVar[frozenset[int]] = frozenset({HTTPStatus.UNPROCESSABLE_ENTITY})

    @property
    def name(self) -> str:
        """As the setting calls it."""
        return "github"

    def open(self, proposal: Proposal) -> ChangeRequest:
        """Open a pull request, or return the one that is open for this branch and base."""
        if known := self._open_for(proposal):
            return known
        reply = self._proposed(proposal)
        if reply.status == HTTPStatus.UNPROCESSABLE_ENTITY and (known := self._open_for(proposal)):
            return known
        return self._change(self.client.told(reply))

    def add_labels(self, number: int, labels: Sequence[str]) -> None:
        """Put labels on a pull request; GitHub makes those that do not exist."""
        if labels:
            said = {"labels": list(labels)}
            self.client.tell("POST", f"{self._path}/issues/{number}/labels", said)

    def checks(self, commit: str) -> Sequence[Check]:
        """Return the newest word of each check of a commit: check runs, and statuses."""
        at = f"{self._path}/commits/{quoted(commit)}"
        runs = self.client.pages(f"{at}/check-runs", {"per_page": _PER_PAGE}, empty=UNHEARD_OF)
        statuses = self.client.pages(f"{at}/status", {"per_page": _PER_PAGE}, empty=UNHEARD_OF)
        return [
            *(_run(said) for page in runs for said in items(page, "check_runs")),
            *(_status(said) for page in statuses for said in items(page, "statuses")),
        ]

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

    def _merged(self, number: int, how: Merge) -> Reply:
        said = {"sha": how.head_commit, "merge_method": how.method.value}
        titles = {"commit_title": how.title, "commit_message": how.message}
        said |= {key: value for key, value in titles.items() if value}
        reply = self.client.send("PUT", f"{self._pull(number)}/merge", content=said)
        if reply.status == HTTPStatus.CONFLICT:
            raise head_moved(number)
        if reply.status == HTTPStatus.METHOD_NOT_ALLOWED:
            raise self._unmergeable(self.get(number), reply)
        return reply

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
