"""What the secondary says arrives over real HTTP, once; nonsense never ends in an error of ours."""

import json
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from honed.core.verdict import State
from honed.errors import EvidenceRefused, PeerUnavailable
from honed.ledger.keys import Signer
from honed.ledger.statement import seal_payload
from honed.loop.two_servers.evidence import read, sign
from honed.loop.two_servers.overview import PairOverview, read_pair_overview
from honed.loop.two_servers.post import post_over_http
from honed.loop.two_servers.publish import heartbeat
from honed.testing.pair import OneServer, Pair, serving

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=8,
)


def overview(server: OneServer) -> PairOverview:
    with server.store.transaction() as conn:
        return read_pair_overview(conn)


@pytest.fixture
def api(apart_pair: Pair) -> Iterator[httpx.Client]:
    """Return a client of the primary's API; the secondary is told where it is."""
    with serving(apart_pair.primary.parts) as url, httpx.Client(base_url=url, trust_env=False) as c:
        apart_pair.secondary.configure(peer_url=url)
        yield c


@pytest.mark.usefixtures("api")
def test_evidence_travels_between_two_stores(apart_pair: Pair) -> None:
    apart_pair.secondary.has(State.KEPT)
    apart_pair.keep()
    found = overview(apart_pair.primary)
    (arrived,) = found.evidence
    (peer,) = found.peers
    assert (arrived.server, arrived.state, peer.server, peer.is_heard) == (
        "sofia", "kept", "sofia", True,
    )  # fmt: skip
    sent = overview(apart_pair.secondary).outbox
    assert (sent.delivered, sent.waiting, sent.refused) == (1, 0, 0)
    apart_pair.keep()
    assert len(overview(apart_pair.primary).evidence) == 1
    (answered,) = overview(apart_pair.secondary).peers
    assert (answered.role, answered.server, answered.epoch) == ("primary", "paris", 1)


def test_receipt_names_the_envelope(apart_pair: Pair, api: httpx.Client) -> None:
    apart_pair.secondary.keep()
    life = heartbeat(apart_pair.secondary.parts, apart_pair.secondary.member().holder)
    assert life is not None
    answer = api.post("/api/v1/evidence", content=life)
    assert answer.status_code == 200
    assert answer.json()["result"] == "heard"


@pytest.mark.usefixtures("api")
def test_refusal_has_its_reason_and_is_told_to_the_sender(apart_pair: Pair) -> None:
    post = post_over_http(apart_pair.secondary.settings)
    with pytest.raises(EvidenceRefused) as caught:
        post(seal_payload(b"{}", Signer.generate()))
    assert caught.value.reason == "wrong_key"
    assert caught.value.hint
    with pytest.raises(EvidenceRefused) as caught:
        post(b"nonsense")
    assert caught.value.reason == "malformed"


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(body=st.binary(max_size=300) | JSON.map(lambda value: repr(value).encode()))
def test_nonsense_is_refused_and_never_our_error(api: httpx.Client, body: bytes) -> None:
    answer = api.post("/api/v1/evidence", content=body)
    assert answer.status_code == 400
    assert answer.json()["reason"] == "malformed"
    assert answer.json()["error"]
    assert answer.json()["hint"]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(predicate=JSON)
def test_signed_nonsense_is_refused_and_never_our_error(
    apart_pair: Pair, api: httpx.Client, predicate: object
) -> None:
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicate": predicate,
        "predicateType": "https://honed.dev/evidence/v1",
        "subject": [],
    }
    envelope = seal_payload(json.dumps(statement).encode(), apart_pair.secondary.signer)
    answer = api.post("/api/v1/evidence", content=envelope)
    assert answer.status_code == 400
    assert answer.json()["reason"] == "malformed"


def test_server_that_is_away_loses_nothing(apart_pair: Pair) -> None:
    apart_pair.secondary.has(State.KEPT)
    with pytest.raises(PeerUnavailable):
        post_over_http(apart_pair.secondary.settings)(b"{}")
    apart_pair.secondary.keep()
    assert overview(apart_pair.secondary).outbox.waiting == 1
    with serving(apart_pair.primary.parts) as url:
        apart_pair.secondary.configure(peer_url=url)
        apart_pair.secondary.keep()
    assert overview(apart_pair.secondary).outbox.delivered == 1
    assert len(overview(apart_pair.primary).evidence) == 1


def test_something_else_that_answers_is_no_receipt(apart_pair: Pair) -> None:
    with serving(apart_pair.primary.parts) as url:
        post = post_over_http(
            apart_pair.secondary.settings.model_copy(update={"peer_url": f"{url}/elsewhere"})
        )
        with pytest.raises(EvidenceRefused):
            post(b"{}")


def test_secondarys_own_api_listens_to_nobody(apart_pair: Pair) -> None:
    apart_pair.secondary.keep()
    life = heartbeat(apart_pair.secondary.parts, apart_pair.secondary.member().holder)
    assert life is not None
    with serving(apart_pair.secondary.parts) as url:
        answer = httpx.post(f"{url}/api/v1/evidence", content=life, trust_env=False)
    assert (answer.status_code, answer.json()["reason"]) == (409, "not_primary")


def test_store_that_is_away_is_said(apart_pair: Pair) -> None:
    parts = apart_pair.primary.parts
    gone = replace(parts, store=replace(parts.store, url="postgresql:///nowhere?host=/nowhere"))
    with serving(gone) as url:
        answer = httpx.post(f"{url}/api/v1/evidence", content=b"{}", trust_env=False)
    assert answer.status_code == 503
    assert answer.json()["error"] == "the store does not answer"
    assert answer.json()["hint"]


def test_two_spellings_of_one_saying_are_known(apart_pair: Pair, api: httpx.Client) -> None:
    apart_pair.secondary.has(State.KEPT)
    apart_pair.keep()
    with apart_pair.secondary.store.transaction() as conn:
        (row,) = conn.execute("SELECT envelope FROM honed.outbox")
    envelope = row["envelope"].encode()
    assert api.post("/api/v1/evidence", content=envelope).json()["result"] == "known"
    signer = apart_pair.secondary.signer
    said = read(envelope, signer.public_key)
    later = said.sender.model_copy(update={"epoch": 9})
    again = sign(said.model_copy(update={"sender": later}), signer)
    assert api.post("/api/v1/evidence", content=again).json()["result"] == "known"
