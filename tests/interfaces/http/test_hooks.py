"""Webhooks over real HTTP: a forge is believed by its secret, and only that it is worth looking."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from honed.config import Settings
from honed.interfaces.http.app import create_app
from honed.interfaces.http.gate import MAX_BODY_BYTES, Rules
from honed.interfaces.http.hooks import Bucket, hooks_router
from honed.loop.parts import Parts
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.targets.repository.requests.changes import take_news
from honed.testing.pair import served
from honed.testing.pets import PetKind, pet_parts

SECRET = "secret-of-webhooks"  # noqa: S105 - it opens nothing
BODY = json.dumps({"repository": {"full_name": "shop/cart"}, "pull_request": {"number": 7}})


@pytest.fixture
def parts(
    store: Database, target_id: int, honed_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Parts:
    """Return what serves repositories on two forges, one on none, and the database ``shop``."""
    assert target_id
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    github = {"forge": "github", "forge_repository": "shop/cart"}
    heard = {"forge_secret_variable": "HOOK_SECRET"}
    for name, options in {
        "cart": {**github, **heard},
        "lab": {**github, **heard, "forge": "gitlab"},
        "deaf": github,
        "unset": {**github, "forge_secret_variable": "NOBODY_HAS_SET_THIS"},
        "local": {},
    }.items():
        record = TargetRecord(name, "/nowhere", sort="repository", options=dict(options))
        add_target(store, record)
    return pet_parts(store, Settings(home=honed_home), PetKind())


@pytest.fixture
def api(parts: Parts) -> Iterator[httpx.Client]:
    """Return a client of an API that asks everybody else for a token."""
    names = Rules.of(parts.settings).names
    app = create_app(Rules(names, "t" * 32), [hooks_router(parts)])
    with served(app) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def signed(body: bytes, event: str = "pull_request", secret: str = SECRET) -> dict[str, str]:
    proof = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-GitHub-Event": event, "X-Hub-Signature-256": f"sha256={proof}"}


def news(store: Database) -> list[int]:
    with store.transaction() as conn:
        return take_news(conn)


def told(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert said["hint"]
    return str(said["error"])


def test_a_forge_is_heard_without_a_token_and_twice_is_once(
    parts: Parts, api: httpx.Client
) -> None:
    for event in ("pull_request", "check_run", "pull_request"):
        answer = api.post("/hooks/cart", content=BODY, headers=signed(BODY.encode(), event))
        assert answer.status_code == 202
    assert len(news(parts.store)) == 1
    assert news(parts.store) == []
    lab = {"X-Gitlab-Token": SECRET, "X-Gitlab-Event": "Merge Request Hook"}
    said = json.dumps({"object_kind": "merge_request"})
    assert api.post("/hooks/lab", content=said, headers=lab).status_code == 202
    assert len(news(parts.store)) == 1


def test_a_test_of_the_webhook_is_answered_and_wakes_nobody(
    parts: Parts, api: httpx.Client
) -> None:
    answer = api.post("/hooks/cart", content=BODY, headers=signed(BODY.encode(), "ping"))
    assert (answer.status_code, answer.json()) == (202, {"heard": "other"})
    assert news(parts.store) == []


def test_who_does_not_know_the_secret_wakes_nobody(parts: Parts, api: httpx.Client) -> None:
    body = BODY.encode()
    for headers in (signed(body, secret="another-secret"), signed(body + b" "), {}):  # noqa: S106
        said = told(api.post("/hooks/cart", content=body, headers=headers), 403)
        assert SECRET not in said
    for name in ("deaf", "unset", "local"):
        assert told(api.post(f"/hooks/{name}", content=body, headers=signed(body)), 403)
    assert news(parts.store) == []


@pytest.mark.parametrize(
    "name",
    ["nobody", "Cart", "x" * 80, "%00", "%C3%A9", "a%20b", "-", "shop", "deaf", "unset", "local"],
)
def test_nobody_learns_from_an_answer_what_is_there(
    parts: Parts, api: httpx.Client, name: str
) -> None:
    body = BODY.encode()
    wrong = api.post("/hooks/cart", content=body, headers=signed(body, secret="another"))  # noqa: S106
    answer = api.post(f"/hooks/{name}", content=body, headers=signed(body))
    assert (answer.status_code, answer.content) == (403, wrong.content)
    assert {**answer.headers, "date": ""} == {**wrong.headers, "date": ""}
    assert news(parts.store) == []


def test_a_path_that_leads_elsewhere_leads_nowhere(api: httpx.Client) -> None:
    body = BODY.encode()
    there = "/hooks/..%2Fapi%2Fv1%2Fevidence"
    assert told(api.post(there, content=body, headers=signed(body)), 404)


def test_who_sends_too_many_is_told_to_wait_and_nothing_is_lost(
    parts: Parts, api: httpx.Client
) -> None:
    body = BODY.encode()
    answers = (api.post("/hooks/cart", content=body, headers=signed(body)) for _ in range(1000))
    refused = next(each for each in answers if each.status_code != 202)
    assert "too many" in told(refused, 429)
    assert len(news(parts.store)) == 1


def test_so_many_come_at_once_and_so_many_in_a_second() -> None:
    now = [100.0]
    bucket = Bucket(a_second=2.0, at_once=3.0, clock=lambda: now[0])
    assert [bucket.takes() for _ in range(5)] == [True, True, True, False, False]
    now[0] += 0.5
    assert [bucket.takes() for _ in range(2)] == [True, False]
    now[0] += 60.0
    assert [bucket.takes() for _ in range(4)] == [True, True, True, False]


def test_what_cannot_be_taken_is_refused_in_words(api: httpx.Client) -> None:
    huge = b" " * (MAX_BODY_BYTES + 1)
    assert "bytes" in told(api.post("/hooks/cart", content=huge, headers=signed(huge)), 413)
    assert told(api.get("/hooks/cart"), 405)
    elsewhere = {**signed(BODY.encode()), "Host": "evil.example"}
    assert told(api.post("/hooks/cart", content=BODY, headers=elsewhere), 421)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.binary(max_size=40)
    | st.sampled_from(
        [b"[" * 9000, b'{"pull_request": 1}', b'{"repository": "x"}', b'{"sha": []}']
    ),
    event=st.sampled_from(["pull_request", "push", "check_run", "status", ""]),
)
def test_nonsense_with_the_right_secret_is_no_error_of_ours(
    api: httpx.Client, body: bytes, event: str
) -> None:
    answer = api.post("/hooks/cart", content=body, headers=signed(body, event))
    assert answer.status_code in {202, 400, 403}, answer.text
