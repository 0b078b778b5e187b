"""What GitLab answers."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from honed.core.forge import CheckState
from honed.testing.forges.server import Call, Dialect, Said, paged
from honed.testing.forges.state import FakeChange, FakeCheck, FakeRepository

_ABSENT = Said(404, {"message": "404 Not found"})
_STATES = {
    CheckState.PASSED: "success",
    CheckState.FAILED: "failed",
    CheckState.PENDING: "running",
}
_PIPELINE = 41


def _repository(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    if values["id"] != repository.full_name:
        return _ABSENT
    said = {
        "path_with_namespace": repository.full_name,
        "default_branch": "main",
        "web_url": f"https://gitlab.example/{repository.full_name}",
        "visibility": "private",
        "archived": False,
        "merge_method": "merge",
        "squash_option": "default_off",
        "permissions": {"project_access": {"access_level": 30}, "group_access": None},
    }
    return Said(200, said)


def _list(repository: FakeRepository, call: Call, _values: Mapping[str, str]) -> Said:
    wanted = [
        each
        for each in reversed(repository.changes.values())
        if each.is_open or call.query.get("state") != "opened"
    ]
    for name, attribute in (("source_branch", "branch"), ("target_branch", "base")):
        if asked := call.query.get(name):
            wanted = [each for each in wanted if getattr(each, attribute) == asked]
    shown, headers = paged(call, wanted, size_name="per_page")
    return Said(200, [_request(repository, each) for each in shown], headers)


def _open(repository: FakeRepository, call: Call, _values: Mapping[str, str]) -> Said:
    body = call.body
    if body["source_branch"] not in repository.branches:
        return Said(422, {"message": ["Source branch does not exist"]})
    if known := repository.open_for(body["source_branch"], body["target_branch"]):
        told = f"Another open merge request already exists for this source branch: !{known.number}"
        return Said(409, {"message": [told]})
    made = repository.open(
        body["title"], body["description"], body["source_branch"], body["target_branch"]
    )
    return Said(201, _request(repository, made))


def _get(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    found = repository.changes.get(int(values["merge_request_iid"]))
    return Said(200, _request(repository, found)) if found else _ABSENT


def _edit(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    found = repository.changes.get(int(values["merge_request_iid"]))
    if found is None:
        return _ABSENT
    found.title = call.body.get("title", found.title)
    found.body = call.body.get("description", found.body)
    if call.body.get("state_event") == "close":
        found.is_open = False
    for label in filter(None, call.body.get("add_labels", "").split(",")):
        found.labels += [label] if label not in found.labels else []
    if "reviewer_ids" in call.body:
        found.reviewers = [repository.people[each - 1] for each in call.body["reviewer_ids"]]
    found.version += 1
    return Said(200, _request(repository, found))


def _merge(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    found = repository.changes[int(values["merge_request_iid"])]
    if not found.is_open or found.is_blocked:
        return Said(405, {"message": "405 Method Not Allowed"})
    if call.body["sha"] != repository.head(found):
        return Said(409, {"message": "SHA does not match HEAD of source branch"})
    if found.is_in_conflict:
        return Said(422, {"message": "Branch cannot be merged"})
    repository.merge(found)
    return Said(200, _request(repository, found))


def _comment(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    repository.changes[int(values["noteable_id"])].comments.append(call.body["body"])
    return Said(201, {"id": 1, "body": call.body["body"]})


def _statuses(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    known = repository.checks_of(values["sha"])
    if known is None:
        return Said(404, {"message": "404 Commit Not Found"})
    every = [_job(each, values["sha"]) for each in known]
    shown, headers = paged(call, every, size_name="per_page")
    return Said(200, shown, headers)


def _report(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    if values["pipeline_id"] != str(_PIPELINE):
        return _ABSENT
    total = {"time": 1.5, "count": sum(repository.report.values()), **repository.report}
    return Said(200, {"total": total, "test_suites": []})


def _branch(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    head = repository.branches.get(values["branch"])
    if head is None:
        return Said(404, {"message": "404 Branch Not Found"})
    return Said(200, {"name": values["branch"], "commit": {"id": head}})


def _merge_base(repository: FakeRepository, call: Call, _values: Mapping[str, str]) -> Said:
    refs = parse_qs(urlsplit(call.target).query)["refs[]"]
    before, after = (list(repository.history(each)) for each in refs)
    if not before or not after:
        return Said(400, {"message": f"400 Bad request - Could not find ref: {refs[-1]}"})
    both = next((each for each in after if each in before), None)
    return Said(200, {"id": both}) if both else _ABSENT


def _file(repository: FakeRepository, call: Call, values: Mapping[str, str]) -> Said:
    content = repository.file(values["file_path"], call.query["ref"])
    return Said(404, {"message": "404 File Not Found"}) if content is None else Said(200, content)


def _users(repository: FakeRepository, call: Call, _values: Mapping[str, str]) -> Said:
    # An address is found by its whole alone.
    name = call.query.get("username") or call.query["search"].removesuffix("@example.org")
    return Said(200, [each for each in _people(repository) if each["username"] == name])


def _commit(repository: FakeRepository, _call: Call, values: Mapping[str, str]) -> Said:
    if values["sha"] not in repository.parents:
        return Said(404, {"message": "404 Commit Not Found"})
    account = repository.authors.get(values["sha"], "somebody.else")
    said = {"author_name": account.title(), "author_email": f"{account}@example.org"}
    return Said(200, {"id": values["sha"], **said})


def _people(repository: FakeRepository) -> list[dict[str, Any]]:
    return [{"id": n, "username": name} for n, name in enumerate(repository.people, 1)]


def _request(repository: FakeRepository, change: FakeChange) -> dict[str, Any]:
    state = "opened" if change.is_open else "merged" if change.merge_commit else "closed"
    return {
        "iid": change.number,
        "title": change.title,
        "description": change.body,
        "state": state,
        "source_branch": change.branch,
        "target_branch": change.base,
        "source_project_id": 8 if change.is_from_fork else 5,
        "target_project_id": 5,
        "sha": repository.head(change),
        "diff_refs": {"base_sha": repository.branches[change.base]},
        "web_url": f"https://gitlab.example/{repository.full_name}/-/merge_requests/{change.number}",
        "merge_status": "cannot_be_merged" if change.is_in_conflict else "can_be_merged",
        "merge_commit_sha": change.merge_commit or None,
        "squash_commit_sha": None,
        "labels": list(change.labels),
        "reviewers": [each for each in _people(repository) if each["username"] in change.reviewers],
        "updated_at": change.updated_at,
    }


def _job(check: FakeCheck, sha: str) -> dict[str, Any]:
    return {
        "id": 91,
        "sha": sha,
        "status": _STATES[check.state],
        "name": check.name,
        "target_url": f"https://gitlab.example/jobs/{check.name}",
        "description": check.words or None,
        "allow_failure": check.is_allowed_to_fail,
        "pipeline_id": _PIPELINE,
    }


_MERGE_REQUEST = "/projects/{id}/merge_requests/{merge_request_iid}"
GITLAB = Dialect(
    name="gitlab",
    prefix="/api/v4",
    token_header="private-token",  # noqa: S106 - a header's name
    token_form="{}",  # noqa: S106 - likewise
    handlers={
        "GET /projects/{id}": _repository,
        "GET /projects/{id}/merge_requests": _list,
        "POST /projects/{id}/merge_requests": _open,
        f"GET {_MERGE_REQUEST}": _get,
        f"PUT {_MERGE_REQUEST}": _edit,
        f"PUT {_MERGE_REQUEST}/merge": _merge,
        "POST /projects/{id}/merge_requests/{noteable_id}/notes": _comment,
        "GET /projects/{id}/repository/commits/{sha}": _commit,
        "GET /projects/{id}/repository/commits/{sha}/statuses": _statuses,
        "GET /projects/{id}/pipelines/{pipeline_id}/test_report_summary": _report,
        "GET /projects/{id}/repository/branches/{branch}": _branch,
        "GET /projects/{id}/repository/merge_base": _merge_base,
        "GET /projects/{id}/repository/files/{file_path}/raw": _file,
        "GET /users": _users,
    },
)
