"""What one server says to the other is read back as it was said, or not at all."""

import base64
import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.errors import EvidenceRefused
from honed.ledger.keys import Signer
from honed.ledger.statement import seal_payload
from honed.loop.two_servers.adopt import ADOPTABLE_LOG_RATIO, is_great
from honed.loop.two_servers.evidence import (
    Claim,
    Evidence,
    Heartbeat,
    LedgerEntry,
    ProductionSaid,
    Sender,
    TrialSaid,
    read,
    sign,
)

SIGNER = Signer.generate()
SENDER = Sender(
    server="sofia", role="secondary", epoch=3, sent_at=datetime(2027, 1, 1, 12, 0, 0, 5, tzinfo=UTC)
)
ratios = st.floats(-700, 700) | st.none()
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


def said(trial: float | None = -0.5, production: float | None = None, words: str = "") -> Evidence:
    step = {"description": words, "do": ["CREATE INDEX"], "in_transaction": False}
    return Evidence(
        sender=SENDER,
        twin="shop",
        entry=LedgerEntry(leaf="ab" * 32, index=7),
        claim=Claim(
            kind="index_optimization",
            subject=words,
            words=words,
            priority=3,
            risk=2,
            hypothesis_sha256="cd" * 32,
            steps=(step,),
        ),
        trial=TrialSaid(verdict="improved", log_ratio=trial, pairs=8, metric="backend_cpu_s"),
        production=ProductionSaid(state="kept", outcome="success", log_ratio=production),
        environment={"server_version": 180006, "tables": {"public.part": {"rows": "10^6"}}},
    )


@given(trial=ratios, production=ratios, words=texts)
def test_what_was_signed_is_read_back(
    trial: float | None, production: float | None, words: str
) -> None:
    evidence = said(trial, production, words)
    assert read(sign(evidence, SIGNER), SIGNER.public_key) == evidence


def test_sign_of_life_is_read_back() -> None:
    life = Heartbeat(sender=SENDER)
    assert read(sign(life, SIGNER), SIGNER.public_key) == life


@given(st.data())
def test_whatever_is_changed_is_refused(data: st.DataObject) -> None:
    envelope = bytearray(sign(said(), SIGNER))
    place = data.draw(st.integers(0, len(envelope) - 1))
    envelope[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(EvidenceRefused) as caught:
        read(bytes(envelope), SIGNER.public_key)
    assert caught.value.reason in {"malformed", "wrong_key"}


def test_another_key_is_refused() -> None:
    with pytest.raises(EvidenceRefused) as caught:
        read(sign(said(), Signer.generate()), SIGNER.public_key)
    assert caught.value.reason == "wrong_key"


@given(st.binary(max_size=200))
def test_nonsense_is_malformed(nonsense: bytes) -> None:
    with pytest.raises(EvidenceRefused) as caught:
        read(nonsense, SIGNER.public_key)
    assert caught.value.reason == "malformed"


def payload() -> dict[str, Any]:
    """Return the statement of ``said()`` as JSON says it."""
    value: dict[str, Any] = json.loads(
        base64.b64decode(json.loads(sign(said(), SIGNER))["payload"])
    )
    return value


@pytest.mark.parametrize(
    ("where", "what"),
    [
        (("sender", "epoch"), 0),
        (("sender", "epoch"), 2**70),
        (("sender", "epoch"), "3"),
        (("sender", "sent_at"), "2027-01-01T12:00:00"),
        (("sender", "role"), "third"),
        (("sender", "server"), ""),
        (("entry", "leaf"), "AB" * 32),
        (("entry", "index"), -1),
        (("claim", "subject"), "a\0b"),
        (("claim", "steps"), "DROP TABLE part"),
        (("trial", "log_ratio"), "nan"),
        (("trial", "log_ratio"), "inf"),
        (("trial", "log_ratio"), "-0.50"),
        (("trial", "log_ratio"), []),
        (("production", "state"), "proposed"),
        (("environment",), []),
        (("extra",), 1),
        (("sender",), None),
    ],
)
def test_signed_nonsense_is_malformed_too(where: tuple[str, ...], what: object) -> None:
    value = payload()
    place = value["predicate"]
    for name in where[:-1]:
        place = place[name]
    place[where[-1]] = what
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    with pytest.raises(EvidenceRefused) as caught:
        read(seal_payload(text.encode(), SIGNER), SIGNER.public_key)
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize(
    "text", ["[]", "{}", "1", '"a"', "null", '{"predicateType":[]}', "[" * 5000]
)
def test_signed_statement_of_something_else_is_malformed(text: str) -> None:
    with pytest.raises(EvidenceRefused) as caught:
        read(seal_payload(text.encode(), SIGNER), SIGNER.public_key)
    assert caught.value.reason == "malformed"


@given(ratios, st.floats(-700, 700))
def test_worse_of_trial_and_production_counts(trial: float | None, production: float) -> None:
    known = [each for each in (trial, production) if each is not None]
    assert said(trial, production).log_ratio == max(known)


@given(ratios)
def test_a_trial_alone_is_no_experience(trial: float | None) -> None:
    assert said(trial, None).log_ratio is None


@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9))
def test_great_is_a_fifth_less_and_nothing_else(before: float, after: float) -> None:
    ratio = after / before
    if not math.isclose(ratio, 0.8, rel_tol=1e-12):
        assert is_great(math.log(ratio)) is (ratio < 0.8)


def test_exactly_a_fifth_is_great_and_unknown_is_not() -> None:
    assert is_great(ADOPTABLE_LOG_RATIO)
    assert is_great(math.log(80 / 100))
    assert not is_great(math.nextafter(ADOPTABLE_LOG_RATIO, 0))
    assert not is_great(None)
