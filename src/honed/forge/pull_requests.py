"""What GitHub, and the forges that took over its routes, have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from honed.core.forge import ChangeRequest, ChangeState, Merge, MergeMethod, Proposal, Repository
from honed.errors import ChangeConflict
from honed.forge.address import quoted
from honed.forge.client import UNHEARD_OF, Client
from honed.forge.reading import Raw, flag, items, moment, needed, number, text
from honed.forge.secret import Secret
from honed.forge.states import check_base, is_closed, is_merged
from honed.forge.wire import Reply


@dataclass(frozen=True, slots=True)
class PullRequests(ABC):
    """One repository, whose changes are pull requests."""

    client: Client
    #: ``owner/name``.
    full_name: str
    webhook_secret: Secret | None = None

    #: What the repository's own settings call the ways to merge.
    method_names: ClassVar[Mapping[MergeMethod, str]]
    #: How many are asked for at once, by the parameter's name.
    page_size: ClassVar[Mapping[str, int]]
    #: Below the repository, where a commit is told with its author.
    commits: ClassVar[str]
    #: What a branch calls the name of its newest commit.
    head_name: ClassVar[str]
    #: What is said of people who cannot be asked for a review.
    not_asked: ClassVar[frozenset[int]]

    def repository(self) -> Repository:
        """Return what the forge says of the repository."""
        said = self.client.ask(self._path)
        methods = {each: flag(said, name) for each, name in self.method_names.items()}
        return Repository(
            full_name=needed(said, "full_name"),
            default_branch=needed(said, "default_branch"),
            url=text(said, "html_url"),
            is_private=flag(said, "private") is not False,
            is_archived=flag(said, "archived") is True,
            can_push=flag(said, "permissions", "push"),
            # GitHub tells those who may push alone; nothing told forbids nothing.
            methods=frozenset(each for each, may in methods.items() if may is not False),
        )

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
        self.client.told(self._merged(number, how))
        return self.get(number)

    def comment(self, number: int, body: str) -> None:
        """Add a comment, in Markdown."""
        self.client.tell("POST", f"{self._path}/issues/{number}/comments", {"body": body})

    def request_reviewers(self, number: int, names: Sequence[str]) -> tuple[str, ...]:
        """Ask people for a review; return whom, without those who cannot be asked."""
        asked: list[str] = []
        for name in names:
            # One by one: all are refused for the sake of one who is no collaborator.
            path = f"{self._pull(number)}/requested_reviewers"
            reply = self.client.send("POST", path, content={"reviewers": [name]})
            if reply.status in self.not_asked:
                continue
            self.client.told(reply)
            asked.append(name)
        return tuple(asked)

    def author(self, commit: str) -> str:
        """Return the account of who wrote a commit; the forge knows it by the address in it."""
        reply = self.client.send("GET", f"{self._path}/{self.commits}/{quoted(commit)}")
        if reply.status in UNHEARD_OF:
            return ""
        return text(self.client.told(reply), "author", "login")

    def own_open(self, prefix: str) -> Sequence[ChangeRequest]:
        """Return what is open for branches of this repository that begin with ``prefix``."""
        asked: dict[str, str | int] = {"state": "open", **self.page_size}
        return [
            self._change(said)
            for page in self.client.pages(f"{self._path}/pulls", asked)
            for said in items(page)
            if self._is_own(said) and text(said, "head", "ref").startswith(prefix)
        ]

    def head(self, branch: str) -> str:
        """Return the newest commit of a branch; empty: there is no such branch."""
        reply = self.client.send("GET", f"{self._path}/branches/{quoted(branch)}")
        if reply.status == HTTPStatus.NOT_FOUND:
            return ""
        return needed(self.client.told(reply), "commit", self.head_name)

    @abstractmethod
    def contains(self, branch: str, commit: str) -> bool:
        """Return whether a commit is in the history of a branch."""

    @abstractmethod
    def _merged(self, number: int, how: Merge) -> Reply:
        """Ask for a merge; raise ChangeConflict where it is not let in."""

    @property
    def _path(self) -> str:
        return f"/repos/{quoted(self.full_name, keeping='/')}"

    def _pull(self, number: int) -> str:
        return f"{self._path}/pulls/{number}"

    def _proposed(self, proposal: Proposal) -> Reply:
        said = {
            "title": proposal.title,
            "body": proposal.body,
            "head": proposal.branch,
            "base": proposal.base,
        }
        return self.client.send("POST", f"{self._path}/pulls", content=said)

    def _is_own(self, said: Raw) -> bool:
        """Return whether a pull request's branch is in this repository, and not in a fork."""
        return text(said, "head", "repo", "full_name").lower() == self.full_name.lower()

    def _unmergeable(self, now: ChangeRequest, reply: Reply) -> ChangeConflict:
        # Without a conflict it is a check or an approval that is missing, or it is still looked at.
        reason = "conflict" if now.is_mergeable is False else "not_ready"
        msg = f"pull request {now.number} does not merge: {self.client.refusal(reply)}"
        return ChangeConflict(msg, reason=reason)

    def _change(self, said: Raw) -> ChangeRequest:
        state = ChangeState.OPEN if text(said, "state") == "open" else ChangeState.CLOSED
        # GitHub's lists tell when alone.
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
