"""GitLab, on gitlab.com or a server of one's own.

The routes, fields and status codes are those of GitLab's REST API v4 documents (17 and later;
nothing is asked that GitLab 15.6 lacks).
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
    Tally,
)
from honed.errors import ChangeConflict, ForgeRefused
from honed.forge.address import quoted
from honed.forge.client import UNHEARD_OF, Client
from honed.forge.patience import Clock
from honed.forge.reading import Raw, count, flag, items, moment, needed, number, text
from honed.forge.secret import Secret
from honed.forge.states import check_base, head_moved, is_closed, is_merged
from honed.forge.tally import read_tally
from honed.forge.webhook import check_token, lowered, read_body
from honed.forge.wire import Reply

HOME: Final = "https://gitlab.com"
_PER_PAGE: Final = 100
#: Pipelines of one commit whose counts of tests are read.
_MOST_PIPELINES: Final = 3
#: Who may push: a developer and everybody above.
_DEVELOPER: Final = 30
_STATES: Final = {
    "opened": ChangeState.OPEN,
    # It is being merged at this moment.
    "locked": ChangeState.OPEN,
    "merged": ChangeState.MERGED,
    "closed": ChangeState.CLOSED,
}
_STATUSES: Final = {
    "success": CheckState.PASSED,
    "skipped": CheckState.PASSED,
    "failed": CheckState.FAILED,
    "canceled": CheckState.FAILED,
}
_MERGEABLE: Final = {"can_be_merged": True, "cannot_be_merged": False}
_EVENTS: Final = {
    "merge_request": NoticeEvent.CHANGE,
    "note": NoticeEvent.CHANGE,
    "pipeline": NoticeEvent.CHECKS,
    "build": NoticeEvent.CHECKS,
    "push": NoticeEvent.PUSH,
}
#: 405 and 422: it does not merge now; 406 said so before GitLab 16.
_UNMERGEABLE: Final = frozenset(
    {
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_ACCEPTABLE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)


@dataclass(frozen=True, slots=True)
class GitLab:
    """One project on GitLab."""

    client: Client
    #: ``group/name``, or with more groups between.
    full_name: str
    webhook_secret: Secret | None = None

    @property
    def name(self) -> str:
        """As the setting calls it."""
        return "gitlab"

    def repository(self) -> Repository:
        """Return what GitLab says of the project."""
        said = self.client.ask(self._path)
        squashes = text(said, "squash_option") != "never"
        moves = text(said, "merge_method") in {"rebase_merge", "ff"}
        first = MergeMethod.REBASE if text(said, "merge_method") == "ff" else MergeMethod.MERGE
        access = max(
            count(said, "permissions", sort, "access_level")
            for sort in ("project_access", "group_access")
        )
        return Repository(
            full_name=needed(said, "path_with_namespace"),
            default_branch=needed(said, "default_branch"),
            url=text(said, "web_url"),
            is_private=text(said, "visibility") != "public",
            is_archived=flag(said, "archived") is True,
            can_push=access >= _DEVELOPER if said.get("permissions") else None,
            methods=frozenset(
                {first}
                | ({MergeMethod.SQUASH} if squashes else set())
                | ({MergeMethod.REBASE} if moves else set())
            ),
        )

    def open(self, proposal: Proposal) -> ChangeRequest:
        """Open a merge request, or return the one that is open for these branches."""
        if known := self._open_for(proposal):
            return known
        said = {
            "title": proposal.title,
            "description": proposal.body,
            "source_branch": proposal.branch,
            "target_branch": proposal.base,
        }
        reply = self.client.send("POST", f"{self._path}/merge_requests", content=said)
        if reply.status == HTTPStatus.CONFLICT and (known := self._open_for(proposal)):
            return known
        return _change(self.client.told(reply))

    def get(self, number: int) -> ChangeRequest:
        """Return a merge request as it is now."""
        return _change(self.client.ask(self._request(number)))

    def update(self, number: int, *, title: str = "", body: str = "") -> ChangeRequest:
        """Write what is not empty, and return the merge request as it is then."""
        said = {key: value for key, value in {"title": title, "description": body}.items() if value}
        return _change(self.client.tell("PUT", self._request(number), said))

    def close(self, number: int, *, comment: str = "") -> ChangeRequest:
        """Close a merge request, after a comment that says why; one that is closed stays so."""
        known = self.get(number)
        if is_closed(known):
            return known
        if comment:
            self.comment(number, comment)
        return _change(self.client.tell("PUT", self._request(number), {"state_event": "close"}))

    def merge(self, number: int, how: Merge) -> ChangeRequest:
        """Merge exactly what was proven; one that is merged stays so.

        Whether commits are copied on top of the base is a setting of the project: ``REBASE`` asks
        for nothing else than ``MERGE`` does.
        """
        known = self.get(number)
        if is_merged(known):
            return known
        check_base(self, known, how)
        is_squash = how.method is MergeMethod.SQUASH
        said: dict[str, str | bool] = {"sha": how.head_commit, "squash": is_squash}
        message = "\n\n".join(part for part in (how.title, how.message) if part)
        if message:
            said["squash_commit_message" if is_squash else "merge_commit_message"] = message
        reply = self.client.send("PUT", f"{self._request(number)}/merge", content=said)
        if reply.status == HTTPStatus.CONFLICT:
            raise head_moved(number)
        if reply.status in _UNMERGEABLE:
            raise self._unmergeable(number, reply)
        return _change(self.client.told(reply))

    def comment(self, number: int, body: str) -> None:
        """Add a comment, in Markdown."""
        self.client.tell("POST", f"{self._request(number)}/notes", {"body": body})

    def add_labels(self, number: int, labels: Sequence[str]) -> None:
        """Put labels on a merge request; GitLab makes those that do not exist."""
        if labels:
            self.client.tell("PUT", self._request(number), {"add_labels": ",".join(labels)})

    def request_reviewers(self, number: int, names: Sequence[str]) -> tuple[str, ...]:
        """Ask people for a review; return whom, without those that GitLab does not take."""
        found = {name: self._user_id(name) for name in names}
        ids = [each for each in found.values() if each is not None]
        if not ids:
            return ()
        before = self.client.ask(self._request(number))
        known = [_id(each) for each in items(before, "reviewers")]
        # The list is replaced as a whole; what exceeds the plan is silently left out.
        every = list(dict.fromkeys([*known, *ids]))
        after = self.client.tell("PUT", self._request(number), {"reviewer_ids": every})
        taken = {_id(each) for each in items(after, "reviewers")}
        return tuple(name for name, each in found.items() if each in taken)

    def author(self, commit: str) -> str:
        """Return the account of who wrote a commit.

        GitLab tells it of nobody, but finds people by a whole address, where they show theirs.
        """
        reply = self.client.send("GET", f"{self._path}/repository/commits/{quoted(commit)}")
        address = text(self.client.told(reply), "author_email") if reply.is_ok else ""
        if not address:
            return ""
        reply = self.client.send("GET", "/users", parameters={"search": address})
        found = items(self.client.told(reply))
        # Several are those whose names look like it.
        return text(found[0], "username") if len(found) == 1 else ""

    def own_open(self, prefix: str) -> Sequence[ChangeRequest]:
        """Return what is open for branches of this project that begin with ``prefix``."""
        asked: dict[str, str | int] = {"state": "opened", "scope": "all", "per_page": _PER_PAGE}
        return [
            _change(said)
            for page in self.client.pages(f"{self._path}/merge_requests", asked)
            for said in items(page)
            if _is_own(said) and text(said, "source_branch").startswith(prefix)
        ]

    def checks(self, commit: str) -> Sequence[Check]:
        """Return the newest word of each job of a commit, and what its pipelines' tests came to."""
        at = f"{self._path}/repository/commits/{quoted(commit)}/statuses"
        pages = self.client.pages(at, {"per_page": _PER_PAGE}, empty=UNHEARD_OF)
        jobs = [said for page in pages for said in items(page)]
        pipelines = dict.fromkeys(count(said, "pipeline_id") for said in jobs)
        newest = sorted((each for each in pipelines if each), reverse=True)[:_MOST_PIPELINES]
        reports = [self._report(pipeline) for pipeline in newest]
        return [*(_job(said) for said in jobs), *(each for each in reports if each)]

    def head(self, branch: str) -> str:
        """Return the newest commit of a branch; empty: there is no such branch."""
        reply = self.client.send("GET", f"{self._path}/repository/branches/{quoted(branch)}")
        if reply.status == HTTPStatus.NOT_FOUND:
            return ""
        return needed(self.client.told(reply), "commit", "id")

    def contains(self, branch: str, commit: str) -> bool:
        """Return whether a commit is in the history of a branch."""
        path = f"{self._path}/repository/merge_base?refs[]={quoted(branch)}&refs[]={quoted(commit)}"
        reply = self.client.send("GET", path)
        if reply.status in {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}:
            return False
        return text(self.client.told(reply), "id") == commit

    def file(self, path: str, ref: str) -> bytes | None:
        """Return a file at a commit or branch; None where there is none."""
        where = f"{self._path}/repository/files/{quoted(path)}/raw"
        return self.client.file(where, ref, "*/*")

    def hear(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Return what a webhook is about, if it shows the secret token."""
        told = lowered(headers)
        check_token(self.webhook_secret, told.get("x-gitlab-token", ""))
        said = read_body(body)
        kind = text(said, "object_kind")
        request = said.get("merge_request") or (
            said.get("object_attributes") if kind == "merge_request" else None
        )
        return Notice(
            # Sent again, it has the same key, and another UUID.
            delivery=told.get("idempotency-key") or told.get("x-gitlab-event-uuid", ""),
            event=_EVENTS.get(kind, NoticeEvent.OTHER),
            repository=text(said, "project", "path_with_namespace"),
            number=number(request, "iid") if request else None,
            commit=text(request, "last_commit", "id")
            or (text(said, "object_attributes", "sha") if kind == "pipeline" else "")
            or (text(said, "sha") if kind == "build" else "")
            or text(said, "checkout_sha"),
        )

    @property
    def _path(self) -> str:
        return f"/projects/{quoted(self.full_name)}"

    def _request(self, number: int) -> str:
        return f"{self._path}/merge_requests/{number}"

    def _open_for(self, proposal: Proposal) -> ChangeRequest | None:
        asked = {
            "state": "opened",
            "scope": "all",
            "source_branch": proposal.branch,
            "target_branch": proposal.base,
        }
        reply = self.client.send("GET", f"{self._path}/merge_requests", parameters=asked)
        found = [_change(said) for said in items(self.client.told(reply)) if _is_own(said)]
        return found[0] if found else None

    def _unmergeable(self, number: int, reply: Reply) -> ChangeConflict:
        is_conflict = self.get(number).is_mergeable is False
        msg = f"merge request {number} does not merge: {self.client.refusal(reply)}"
        return ChangeConflict(msg, reason="conflict" if is_conflict else "not_ready")

    def _user_id(self, name: str) -> int | None:
        reply = self.client.send("GET", "/users", parameters={"username": name})
        found = items(self.client.told(reply))
        return _id(found[0]) if found else None

    def _report(self, pipeline: int) -> Check | None:
        """Return what a pipeline's tests came to; None where it tells none."""
        path = f"{self._path}/pipelines/{pipeline}/test_report_summary"
        try:
            reply = self.client.send("GET", path)
        except ForgeRefused:
            # A token may read jobs and no reports; the jobs themselves say enough.
            return None
        said = reply.json() if reply.is_ok else None
        if not count(said, "total", "count"):
            return None
        failed = count(said, "total", "failed") + count(said, "total", "error")
        tests = Tally(count(said, "total", "success"), failed, count(said, "total", "skipped"))
        state = CheckState.FAILED if failed else CheckState.PASSED
        # The job that ran them decides; a test may be allowed to fail with it.
        return Check(f"tests of pipeline {pipeline}", state, tests=tests, is_required=False)


def connect(
    url: str, full_name: str, token: Secret, webhook_secret: Secret | None, clock: Clock
) -> GitLab:
    """Return a project on GitLab; nothing is asked yet."""
    headers = {"Accept": "application/json", "PRIVATE-TOKEN": token.reveal()}
    return GitLab(Client(f"{url or HOME}/api/v4", token, headers, clock), full_name, webhook_secret)


def _id(said: Raw) -> int:
    return number(said, "id")


def _is_own(said: Raw) -> bool:
    """Return whether a merge request's branch is in the project itself, and not in a fork."""
    return number(said, "source_project_id") == number(said, "target_project_id")


def _job(said: Raw) -> Check:
    state = _STATUSES.get(text(said, "status"), CheckState.PENDING)
    return Check(
        name=needed(said, "name"),
        state=state,
        url=text(said, "target_url"),
        tests=read_tally(text(said, "description")),
        is_required=flag(said, "allow_failure") is not True,
    )


def _change(said: Raw) -> ChangeRequest:
    state = _STATES.get(text(said, "state"), ChangeState.CLOSED)
    merged = text(said, "merge_commit_sha") or text(said, "squash_commit_sha") or text(said, "sha")
    return ChangeRequest(
        number=number(said, "iid"),
        title=text(said, "title"),
        body=text(said, "description"),
        state=state,
        branch=needed(said, "source_branch"),
        base=needed(said, "target_branch"),
        head_commit=text(said, "sha"),
        base_commit=text(said, "diff_refs", "base_sha"),
        url=text(said, "web_url"),
        is_mergeable=_MERGEABLE.get(text(said, "merge_status")),
        merge_commit=merged if state is ChangeState.MERGED else "",
        labels=tuple(each for each in items(said, "labels") if isinstance(each, str)),
        reviewers=tuple(text(each, "username") for each in items(said, "reviewers")),
        updated_at=moment(said, "updated_at"),
    )
