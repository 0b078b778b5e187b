"""Webhooks: whose they are, and what they are about; no more than that is believed of them."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from honed.core.forge import Forge, NoticeEvent
from honed.errors import WebhookRefused
from honed.forge.connect import Place, connect
from honed.forge.webhook import MOST_BYTES
from honed.testing.forges.server import Dialect

SECRET = "secret-of-webhooks"  # noqa: S105 - it opens nothing
HEAD = "a" * 40
CHANGE: dict[str, dict[str, Any]] = {
    "github": {
        "action": "closed",
        "pull_request": {"number": 7, "head": {"sha": HEAD}},
        "repository": {"full_name": "shop/cart"},
    },
    "gitea": {
        "action": "closed",
        "pull_request": {"number": 7, "head": {"sha": HEAD}},
        "repository": {"full_name": "shop/cart"},
    },
    "gitlab": {
        "object_kind": "merge_request",
        "object_attributes": {"iid": 7, "last_commit": {"id": HEAD}},
        "project": {"path_with_namespace": "shop/cart"},
    },
}
CHECKS: dict[str, tuple[str, dict[str, Any]]] = {
    "github": ("check_run", {"check_run": {"head_sha": HEAD}}),
    "gitea": ("status", {"sha": HEAD}),
    "gitlab": ("Pipeline Hook", {"object_kind": "pipeline", "object_attributes": {"sha": HEAD}}),
}


def headers_of(dialect: str, body: bytes, event: str, secret: str = SECRET) -> dict[str, str]:
    """Return the headers that a forge sends with a webhook."""
    proof = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "github": {
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": "d-1",
            "X-Hub-Signature-256": f"sha256={proof}",
        },
        "gitea": {
            "X-Gitea-Event": event,
            "X-Gitea-Delivery": "d-1",
            "X-Gitea-Signature": proof,
        },
        "gitlab": {
            "X-Gitlab-Event": event,
            "X-Gitlab-Event-UUID": "d-1",
            "X-Gitlab-Token": secret,
        },
    }[dialect]


@pytest.fixture
def forge(dialect: Dialect) -> Forge:
    place = Place(dialect.name, "shop/cart", "https://forge.example", "T", "S")
    return connect(place, environment={"T": "x" * 20, "S": SECRET})


def test_a_notice_of_a_change(forge: Forge, dialect: Dialect) -> None:
    body = json.dumps(CHANGE[dialect.name]).encode()
    notice = forge.hear(headers_of(dialect.name, body, "pull_request"), body)
    assert (notice.event, notice.number, notice.commit) == (NoticeEvent.CHANGE, 7, HEAD)
    assert (notice.repository, notice.delivery) == ("shop/cart", "d-1")


def test_a_notice_of_checks(forge: Forge, dialect: Dialect) -> None:
    event, said = CHECKS[dialect.name]
    body = json.dumps(said).encode()
    notice = forge.hear(headers_of(dialect.name, body, event), body)
    assert (notice.event, notice.number, notice.commit) == (NoticeEvent.CHECKS, None, HEAD)


def test_what_honed_does_not_know_is_something_else(forge: Forge, dialect: Dialect) -> None:
    body = b"{}"
    notice = forge.hear(headers_of(dialect.name, body, "gollum"), body)
    assert (notice.event, notice.number, notice.commit) == (NoticeEvent.OTHER, None, "")


def test_a_forged_webhook_is_refused(forge: Forge, dialect: Dialect) -> None:
    body = json.dumps(CHANGE[dialect.name]).encode()
    proven = headers_of(dialect.name, body, "pull_request")
    wrong = headers_of(dialect.name, body, "pull_request", "another-secret")
    silent = dict.fromkeys(proven, "")
    odd = dict.fromkeys(proven, "☃")
    for headers in (wrong, silent, odd, {}):
        with pytest.raises(WebhookRefused, match="does not prove") as refused:
            forge.hear(headers, body)
        assert SECRET not in str(refused.value)
    if dialect.name != "gitlab":
        with pytest.raises(WebhookRefused):
            forge.hear(proven, body + b" ")


@pytest.mark.parametrize("body", [b"", b"[]", b"not json", b"[" * 100_000, b"\xff"])
def test_what_cannot_be_read_is_refused(forge: Forge, dialect: Dialect, body: bytes) -> None:
    with pytest.raises(WebhookRefused):
        forge.hear(headers_of(dialect.name, body, "pull_request"), body)


def test_what_is_too_large_is_refused(forge: Forge, dialect: Dialect) -> None:
    body = b" " * (MOST_BYTES + 1)
    with pytest.raises(WebhookRefused, match="bytes"):
        forge.hear(headers_of(dialect.name, body, "push"), body)


def test_without_a_secret_nobody_is_believed(dialect: Dialect) -> None:
    place = Place(dialect.name, "shop/cart", "https://forge.example", "T")
    forge = connect(place, environment={"T": "x" * 20})
    with pytest.raises(WebhookRefused, match="no secret is named"):
        forge.hear(headers_of(dialect.name, b"{}", "push"), b"{}")


def test_forgejo_signs_with_a_header_of_its_own() -> None:
    forge = connect(
        Place("forgejo", "shop/cart", "https://forge.example", "T", "S"),
        environment={"T": "x" * 20, "S": SECRET},
    )
    body = b"{}"
    proof = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "X-Forgejo-Event": "push",
        "X-Forgejo-Signature": proof,
        "X-Forgejo-Delivery": "f-1",
        "X-Gitea-Signature": "",
    }
    notice = forge.hear(headers, body)
    assert (notice.event, notice.delivery) == (NoticeEvent.PUSH, "f-1")
