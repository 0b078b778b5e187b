"""What Gitea and Forgejo answer."""

from collections.abc import Mapping
from typing import Any

from honed.core.forge import CheckState
from honed.testing.forges.server import Call, Dialect, Said, paged
from honed.testing.forges.state import FakeChange, FakeRepository

_ABSENT = Said(404, {"message": "The target couldn't be found.", "url": "https://gitea.example"})
_STATES = {
    CheckState.PASSED: "success",
    CheckState.FAILED: "failure",
    CheckState.PENDING: "pending",
}


def _repository(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    if f"{values['owner']}/{values['repo']}" != repository.full_name:
        return _ABSENT
    said = {
        "full_name": repository.full_name,
        "default_branch": "main",
        "html_url": f"https://gitea.example/{repository.full_name}",
        "private": True,
        "archived": False,
        "permissions": {"admin": False, "push": True, "pull": True},
        "allow_merge_commits": True,
        "allow_squash_merge": True,
        "allow_rebase": False,
    }
    return Said(200, said)


def _list(repository: FakeRepository, call: Call, _values: Mapping[str, str]) -> Said:
    wanted = [
        each
        for each in reversed(repository.changes.values())
        if each.is_open or call.query.get("state") != "open"
    ]
    shown, headers = paged(call, wanted, size_name="limit")
    return Said(200, [_pull(repository, each) for each in shown], headers)


def _open(repository: FakeRepository, call: Call, _values: Mapping[str, str]) -> Said:
    body = call.body
    if body["head"] not in repository.branches:
        return _ABSENT
    if known := repository.open_for(body["head"], body["base"]):
        told = f"pull request already exists for these targets [id: 7, issue_id: {known.number}]"
        return Said(409, {"message": told, "url": "https://gitea.example"})
    made = repository.open(body["title"], body["body"], body["head"], body["base"])
    return Said(201, _pull(repository, made))


def _get(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    found = repository.changes.get(int(values["index"]))
    return Said(200, _pull(repository, found)) if found else _ABSENT


def _edit(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    found = repository.changes.get(int(values["index"]))
    if found is None:
        return _ABSENT
    if "state" in call.body and found.merge_commit:
        return Said(412, {"message": "cannot change state of this pull request, it was merged"})
    found.title, found.body = call.body.get("title", found.title), call.body.get("body", found.body)
    found.is_open = call.body.get("state", "open" if found.is_open else "closed") == "open"
    found.version += 1
    return Said(201, _pull(repository, found))


def _merge(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    found = repository.changes[int(values["index"])]
    if not found.is_open or found.is_blocked:
        return Said(405, {"message": "Please try again later"})
    if call.body.get("head_commit_id") != repository.head(found):
        return Said(409, {"message": "head out of date"})
    if found.is_in_conflict:
        return Said(409, {"message": "merge conflict"})
    repository.merge(found)
    return Said(200, b"")


def _comment(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    repository.changes[int(values["index"])].comments.append(call.body["body"])
    return Said(201, {"id": 1, "body": call.body["body"]})


def _labels(repository: FakeRepository, call: Call, _values: Mapping[str, str]) -> Said:
    # No header Link here either.
    shown, _ = paged(call, _known_labels(repository), size_name="limit")
    return Said(200, shown)


def _make_label(repository: FakeRepository, call: Call, _values: Mapping[str, str]) -> Said:
    repository.labels.append(call.body["name"])
    return Said(201, _known_labels(repository)[-1])


def _label(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    found = repository.changes[int(values["index"])]
    named = [repository.labels[each - 1] for each in call.body["labels"]]
    found.labels += [each for each in named if each not in found.labels]
    return Said(200, [{"name": each} for each in found.labels])


def _review(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    found = repository.changes[int(values["index"])]
    if not set(call.body["reviewers"]) <= set(repository.people):
        return _ABSENT
    if repository.owner in call.body["reviewers"]:
        return Said(422, {"message": "poster of pr can't be reviewer"})
    found.reviewers += call.body["reviewers"]
    return Said(201, [])


def _status(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    known = repository.checks_of(values["ref"])
    if known is None:
        return _ABSENT
    every = [
        {
            "context": each.name,
            "status": _STATES[each.state],
            "description": each.words,
            "target_url": f"https://ci.example/{each.name}",
        }
        for each in known
    ]
    # Unlike that of requests, this list has no header Link; without a status it has no body.
    shown, _ = paged(call, every, size_name="limit")
    if not shown:
        return Said(200, b"")
    said = {
        "state": "pending",
        "sha": values["ref"],
        "total_count": len(every),
        "statuses": shown,
    }
    return Said(200, said)


def _branch(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    head = repository.branches.get(values["branch"])
    if head is None:
        return _ABSENT
    return Said(200, {"name": values["branch"], "commit": {"id": head}})


def _compare(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    base, _, head = values["basehead"].partition("...")
    before, after = list(repository.history(base)), list(repository.history(head))
    if not before or not after:
        return _ABSENT
    ahead = [{"sha": each} for each in after if each not in before]
    return Said(200, {"total_commits": len(ahead), "commits": ahead})


def _file(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    content = repository.file(values["filepath"], call.query["ref"])
    return _ABSENT if content is None else Said(200, content)


def _known_labels(repository: FakeRepository) -> list[dict[str, Any]]:
    return [
        {"id": position, "name": name, "color": "ededed"}
        for position, name in enumerate(repository.labels, 1)
    ]


def _pull(repository: FakeRepository, change: FakeChange) -> dict[str, Any]:
    whose = "mallory/cart" if change.is_from_fork else repository.full_name
    return {
        "number": change.number,
        "title": change.title,
        "body": change.body,
        "state": "open" if change.is_open else "closed",
        "head": {
            "ref": change.branch,
            "sha": repository.head(change),
            "repo": {"full_name": whose},
        },
        "base": {"ref": change.base, "sha": repository.branches[change.base]},
        "html_url": f"https://gitea.example/{repository.full_name}/pulls/{change.number}",
        "merged": bool(change.merge_commit),
        "merge_commit_sha": change.merge_commit or None,
        "mergeable": not change.is_in_conflict,
        "labels": [{"name": each} for each in change.labels],
        "requested_reviewers": [{"login": each} for each in change.reviewers] or None,
        "updated_at": change.updated_at.replace("Z", "+00:00"),
    }


def _commit(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    if values["sha"] not in repository.parents:
        return _ABSENT
    account = repository.authors.get(values["sha"])
    return Said(200, {"sha": values["sha"], "author": {"login": account} if account else None})


_PULL = "/repos/{owner}/{repo}/pulls/{index}"
_ISSUE = "/repos/{owner}/{repo}/issues/{index}"
GITEA = Dialect(
    name="gitea",
    prefix="/api/v1",
    token_header="authorization",  # noqa: S106 - a header's name
    token_form="token {}",  # noqa: S106 - likewise
    handlers={
        "GET /repos/{owner}/{repo}": _repository,
        "GET /repos/{owner}/{repo}/pulls": _list,
        "POST /repos/{owner}/{repo}/pulls": _open,
        f"GET {_PULL}": _get,
        f"PATCH {_PULL}": _edit,
        f"POST {_PULL}/merge": _merge,
        f"POST {_PULL}/requested_reviewers": _review,
        f"POST {_ISSUE}/comments": _comment,
        f"POST {_ISSUE}/labels": _label,
        "GET /repos/{owner}/{repo}/labels": _labels,
        "POST /repos/{owner}/{repo}/labels": _make_label,
        "GET /repos/{owner}/{repo}/git/commits/{sha}": _commit,
        "GET /repos/{owner}/{repo}/commits/{ref}/status": _status,
        "GET /repos/{owner}/{repo}/branches/{branch}": _branch,
        "GET /repos/{owner}/{repo}/compare/{basehead}": _compare,
        "GET /repos/{owner}/{repo}/raw/{filepath}": _file,
    },
)
