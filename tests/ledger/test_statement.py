"""Statements: what is signed is what is read, and nothing else is accepted."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honed.core.canonical import canonical_json
from honed.errors import LedgerTampered
from honed.ledger.keys import Signer
from honed.ledger.statement import (
    MAX_ENVELOPE_BYTES,
    PAYLOAD_TYPE,
    Statement,
    pre_authentication_encoding,
    seal,
    unseal,
)

#: The same examples on every machine, however slow it is.
EXAMPLES = settings(derandomize=True, deadline=None)
SIGNER = Signer.generate()
SHA256 = "ab" * 32
NOON = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
sha256s = st.binary(min_size=32, max_size=32).map(bytes.hex)
statements = st.builds(
    Statement,
    event=st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True),
    recorded_at=st.datetimes(
        min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(2999, 1, 1),  # noqa: DTZ001 - likewise
        timezones=st.just(UTC),
    ),
    origin=st.just("honed.dev/ledger/test"),
    index=st.integers(0, 2**62),
    subject=st.dictionaries(texts, sha256s, min_size=1, max_size=3),
    detail=st.dictionaries(texts, jsons, max_size=4),
    parents=st.lists(sha256s, max_size=3).map(tuple),
)


def statement(**changes: Any) -> Statement:
    values: dict[str, Any] = {
        "event": "proposed",
        "recorded_at": NOON,
        "origin": "honed.dev/ledger/test",
        "index": 7,
        "subject": {"steps": SHA256},
    }
    return Statement(**{**values, **changes})


def envelope(payload: bytes, *, payload_type: str = PAYLOAD_TYPE, signed: bytes = b"") -> bytes:
    """Return ``payload`` in an envelope whose signature is good, whatever the payload is."""
    signature = SIGNER.sign(pre_authentication_encoding(payload_type, signed or payload))
    return canonical_json(
        {
            "payloadType": payload_type,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": "x", "sig": base64.b64encode(signature).decode()}],
        }
    )


def test_the_signed_bytes_are_those_of_the_dsse_specification() -> None:
    # The example in the DSSE protocol, "PAE".
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_a_statement_is_in_toto() -> None:
    value = json.loads(statement(parents=(SHA256,), detail={"gain": 0.25}).to_bytes())
    assert value == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "steps", "digest": {"sha256": SHA256}}],
        "predicateType": "https://honed.dev/improvement/v1",
        "predicate": {
            "event": "proposed",
            "recordedAt": "2026-11-21T12:00:00.250000+00:00",
            "log": {"origin": "honed.dev/ledger/test", "index": 7},
            "parents": [SHA256],
            "detail": {"gain": "0.25"},
        },
    }


@EXAMPLES
@given(statements)
def test_what_is_sealed_is_what_is_read(sealed: Statement) -> None:
    assert unseal(seal(sealed, SIGNER), SIGNER.public_key) == sealed


def test_a_time_of_another_zone_is_the_same_time() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert statement(recorded_at=elsewhere).to_bytes() == statement().to_bytes()


@EXAMPLES
@given(st.data())
def test_no_changed_byte_passes(data: st.DataObject) -> None:
    sealed = bytearray(seal(statement(detail={"note": "x"}), SIGNER))
    # The key's id is a hint that no signature covers; the leaf hash of the log covers it.
    start = sealed.index(b'"keyid"')
    hint = range(start, sealed.index(b'","sig"', start) + 2)
    places = [place for place in range(len(sealed)) if place not in hint]
    place = data.draw(st.sampled_from(places))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(LedgerTampered):
        unseal(bytes(sealed), SIGNER.public_key)


def test_another_key_is_named() -> None:
    sealed = seal(statement(), Signer.generate())
    with pytest.raises(LedgerTampered, match=SIGNER.key_id[:16]):
        unseal(sealed, SIGNER.public_key)


def test_a_signature_over_another_type_is_refused() -> None:
    payload = statement().to_bytes()
    with pytest.raises(LedgerTampered, match="not one of application/vnd"):
        unseal(envelope(payload, payload_type="text/plain"), SIGNER.public_key)


def test_no_second_spelling_of_an_envelope_is_accepted() -> None:
    sealed = seal(statement(), SIGNER)
    assert sealed.endswith(b'=="}]}')
    # The last digit before the padding has four bits that base64 ignores.
    digit = sealed[-7:-6]
    other = b"R" if digit == b"Q" else chr(digit[0] + 1).encode()
    for again in (sealed[:-7] + other + sealed[-6:], sealed + b" ", b" " + sealed):
        with pytest.raises(LedgerTampered, match="canonical"):
            unseal(again, SIGNER.public_key)


def test_a_signature_over_the_bare_payload_is_refused() -> None:
    payload = statement().to_bytes()
    bare = canonical_json(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": "x", "sig": base64.b64encode(SIGNER.sign(payload)).decode()}],
        }
    )
    with pytest.raises(LedgerTampered, match="the signature is not by the key"):
        unseal(bare, SIGNER.public_key)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b"[" * 100_000,
        statement().to_bytes() + b" ",
        statement().to_bytes().replace(b'"predicate":{', b'"predicate":{"extra":1,'),
        statement().to_bytes().replace(b"Statement/v1", b"Statement/v0"),
        statement().to_bytes().replace(SHA256.encode(), b"ab"),
        statement().to_bytes().replace(b"+00:00", b"Z"),
    ],
)
def test_a_signed_payload_that_is_no_statement_is_refused(payload: bytes) -> None:
    with pytest.raises(LedgerTampered):
        unseal(envelope(payload), SIGNER.public_key)


@pytest.mark.parametrize("sealed", [b"", b"[]", b"{}", b"null", b"\xff", b'{"payload": 1}'])
def test_a_malformed_envelope_is_refused(sealed: bytes) -> None:
    with pytest.raises(LedgerTampered, match="malformed"):
        unseal(sealed, SIGNER.public_key)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"event": "Proposed"}, "lower-case word"),
        ({"event": ""}, "lower-case word"),
        ({"subject": {}}, "at least one artifact"),
        ({"subject": {"steps": "ab"}}, "64 lower-case"),
        ({"subject": {"steps": SHA256.upper()}}, "64 lower-case"),
        ({"parents": ("0",)}, "64 lower-case"),
    ],
)
def test_a_statement_that_nobody_could_use_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        statement(**changes)


def test_an_entry_has_a_size_limit() -> None:
    with pytest.raises(ValueError, match="too large"):
        seal(statement(detail={"text": "x" * MAX_ENVELOPE_BYTES}), SIGNER)
