"""What GitHub answers."""

from collections.abc import Mapping
from typing import Any

from honed.core.forge import CheckState
from honed.testing.forges.server import Call, Dialect, Said, paged
from honed.testing.forges.state import FakeChange, FakeCheck, FakeRepository

_ABSENT = Said(404, {"message": "Not Found"})
_CONCLUSIONS = {
    CheckState.PASSED: ("completed", "success"),
    CheckState.FAILED: ("completed", "failure"),
    CheckState.PENDING: ("in_progress", None),
}
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
        "html_url": f"https://github.example/{repository.full_name}",
        "private": True,
        "archived": False,
        "permissions": {"admin": False, "push": True, "pull": True},
        "allow_merge_commit": True,
        "allow_squash_merge": True,
        "allow_rebase_merge": False,
    }
    return Said(200, said)


def _list(repository: FakeRepository, call: Call, _values: Mapping[str, str]) -> Said:
    wanted = [
        each
        for each in reversed(repository.changes.values())
        if each.is_open or call.query.get("state") != "open"
    ]
    if head := call.query.get("head"):
        wanted = [each for each in wanted if f"shop:{each.branch}" == head]
    if base := call.query.get("base"):
        wanted = [each for each in wanted if each.base == base]
    shown, headers = paged(call, wanted, size_name="per_page")
    simple = [_pull(repository, each) for each in shown]
    for each in simple:
        # A list tells less of each.
        for name in ("merged", "mergeable"):
            del each[name]
    return Said(200, simple, headers)


def _open(repository: FakeRepository, call: Call, _values: Mapping[str, str]) -> Said:
    body = call.body
    if body["head"] not in repository.branches:
        return _invalid("head is not a branch")
    if repository.open_for(body["head"], body["base"]):
        return _invalid(f"A pull request already exists for shop:{body['head']}.")
    made = repository.open(body["title"], body["body"], body["head"], body["base"])
    return Said(201, _pull(repository, made))


def _get(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    found = repository.changes.get(int(values["pull_number"]))
    return Said(200, _pull(repository, found)) if found else _ABSENT


def _edit(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    found = repository.changes.get(int(values["pull_number"]))
    if found is None:
        return _ABSENT
    found.title, found.body = call.body.get("title", found.title), call.body.get("body", found.body)
    found.is_open = call.body.get("state", "open" if found.is_open else "closed") == "open"
    found.version += 1
    return Said(200, _pull(repository, found))


def _merge(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    found = repository.changes[int(values["pull_number"])]
    if call.body["sha"] != repository.head(found):
        return Said(409, {"message": "Head branch was modified. Review and try the merge again."})
    if not found.is_open or found.is_in_conflict or found.is_blocked:
        return Said(405, {"message": "Pull Request is not mergeable"})
    repository.merge(found)
    said = "Pull Request successfully merged"
    return Said(200, {"sha": found.merge_commit, "merged": True, "message": said})


def _comment(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    repository.changes[int(values["issue_number"])].comments.append(call.body["body"])
    return Said(201, {"id": 1, "body": call.body["body"]})


def _label(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    found = repository.changes[int(values["issue_number"])]
    found.labels += [each for each in call.body["labels"] if each not in found.labels]
    return Said(200, [{"name": each} for each in found.labels])


def _review(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    found = repository.changes[int(values["pull_number"])]
    if repository.owner in call.body["reviewers"]:
        return _invalid("Review cannot be requested from pull request author.")
    if not set(call.body["reviewers"]) <= set(repository.people):
        return _invalid("Reviews may only be requested from collaborators.")
    found.reviewers += call.body["reviewers"]
    return Said(201, _pull(repository, found))


def _commit(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    if values["ref"] not in repository.parents:
        return Said(422, {"message": f"No commit found for SHA: {values['ref']}"})
    account = repository.authors.get(values["ref"])
    author = {"login": account, "type": "User"} if account else None
    return Said(200, {"sha": values["ref"], "commit": {}, "author": author})


def _runs(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    known = repository.checks_of(values["ref"])
    if known is None:
        return Said(200, {"total_count": 0, "check_runs": []})
    runs = [_run(each) for each in known if not each.name.startswith("status: ")]
    shown, headers = paged(call, runs, size_name="per_page")
    return Said(200, {"total_count": len(runs), "check_runs": shown}, headers)


def _statuses(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    known = repository.checks.get(values["ref"], [])
    every = [_status(each) for each in known if each.name.startswith("status: ")]
    if values["ref"] not in repository.parents:
        return _ABSENT
    shown, headers = paged(call, every, size_name="per_page")
    said = {
        "state": "pending",
        "sha": values["ref"],
        "total_count": len(every),
        "statuses": shown,
    }
    return Said(200, said, headers)


def _branch(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    head = repository.branches.get(values["branch"])
    if head is None:
        return _ABSENT
    return Said(200, {"name": values["branch"], "commit": {"sha": head}})


def _compare(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    base, _, head = values["basehead"].partition("...")
    before, after = list(repository.history(base)), list(repository.history(head))
    if not before or not after:
        return _ABSENT
    ahead = sum(each not in before for each in after)
    behind = sum(each not in after for each in before)
    both = next((each for each in after if each in before), "")
    said = {
        "status": "diverged" if ahead and behind else "ahead" if ahead else "behind",
        "ahead_by": ahead,
        "behind_by": behind,
        "merge_base_commit": {"sha": both},
        "total_commits": ahead,
    }
    return Said(200, said)


def _file(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    assert call.headers["accept"] == "application/vnd.github.raw+json"
    content = repository.file(values["path"], call.query["ref"])
    return _ABSENT if content is None else Said(200, content)


def _invalid(message: str) -> Said:
    errors = [{"resource": "PullRequest", "code": "custom", "message": message}]
    return Said(422, {"message": "Validation Failed", "errors": errors})


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
        "html_url": f"https://github.example/{repository.full_name}/pull/{change.number}",
        "merged": bool(change.merge_commit),
        "merged_at": change.updated_at if change.merge_commit else None,
        "merge_commit_sha": change.merge_commit or None,
        "mergeable": not change.is_in_conflict,
        "labels": [{"name": each} for each in change.labels],
        "requested_reviewers": [{"login": each} for each in change.reviewers],
        "updated_at": change.updated_at,
    }


def _run(check: FakeCheck) -> dict[str, Any]:
    status, conclusion = _CONCLUSIONS[check.state]
    return {
        "name": check.name,
        "status": status,
        "conclusion": conclusion,
        "html_url": f"https://github.example/runs/{check.name}",
        "details_url": f"https://ci.example/{check.name}",
        "output": {"title": check.words or None, "summary": None, "text": None},
    }


def _status(check: FakeCheck) -> dict[str, Any]:
    return {
        "context": check.name.removeprefix("status: "),
        "state": _STATES[check.state],
        "description": check.words or None,
        "target_url": None,
    }


_PULL = "/repos/{owner}/{repo}/pulls/{pull_number}"
_ISSUE = "/repos/{owner}/{repo}/issues/{issue_number}"
GITHUB = Dialect(
    name="github",
    prefix="/api/v3",
    token_header="authorization",  # noqa: S106 - a header's name
    token_form="Bearer {}",  # noqa: S106 - likewise
    handlers={
        "GET /repos/{owner}/{repo}": _repository,
        "GET /repos/{owner}/{repo}/pulls": _list,
        "POST /repos/{owner}/{repo}/pulls": _open,
        f"GET {_PULL}": _get,
        f"PATCH {_PULL}": _edit,
        f"PUT {_PULL}/merge": _merge,
        f"POST {_PULL}/requested_reviewers": _review,
        f"POST {_ISSUE}/comments": _comment,
        f"POST {_ISSUE}/labels": _label,
        "GET /repos/{owner}/{repo}/commits/{ref}": _commit,
        "GET /repos/{owner}/{repo}/commits/{ref}/check-runs": _runs,
        "GET /repos/{owner}/{repo}/commits/{ref}/status": _statuses,
        "GET /repos/{owner}/{repo}/branches/{branch}": _branch,
        "GET /repos/{owner}/{repo}/compare/{basehead}": _compare,
        "GET /repos/{owner}/{repo}/contents/{path}": _file,
    },
)
