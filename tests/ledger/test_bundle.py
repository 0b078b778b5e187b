"""Bundles: one entry that a stranger can check without a database."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from honed.errors import LedgerError, LedgerTampered
from honed.ledger.bundle import export_bundle, verify_bundle
from honed.ledger.checkpoint import sign_checkpoint
from honed.ledger.keys import Signer
from honed.ledger.log import Head, read_head
from honed.ledger.merkle import EMPTY_ROOT
from honed.storage.db import Database


@pytest.fixture
def bundles(filled: Database, signer: Signer) -> list[dict[str, Any]]:
    """The bundles of all entries under one checkpoint, as they come from a file."""
    with filled.transaction() as conn:
        checkpoint = sign_checkpoint(read_head(conn), signer)
        exported = [export_bundle(conn, index, checkpoint) for index in range(21)]
    return [json.loads(json.dumps(bundle, indent=2)) for bundle in exported]


def test_every_bundle_proves_its_entry(bundles: list[dict[str, Any]], signer: Signer) -> None:
    statements = [verify_bundle(bundle, signer.public_key) for bundle in bundles]
    assert [statement.detail["number"] for statement in statements] == list(range(21))


def test_an_old_checkpoint_proves_old_entries(
    filled: Database, signer: Signer, fill: Callable[..., object]
) -> None:
    with filled.transaction() as conn:
        checkpoint = sign_checkpoint(read_head(conn), signer)
        fill(conn, 9)
        bundle = export_bundle(conn, 20, checkpoint)
        assert verify_bundle(bundle, signer.public_key).index == 20
        with pytest.raises(LedgerError, match="covers 21 entries, so not entry 21"):
            export_bundle(conn, 21, checkpoint)


Change = Callable[[dict[str, Any], dict[str, Any]], object]
CHANGES: dict[str, Change] = {
    "another index": lambda bundle, _: bundle.update(index=bundle["index"] + 1),
    "another envelope": lambda bundle, other: bundle.update(envelope=other["envelope"]),
    "another path": lambda bundle, other: bundle.update(path=other["path"]),
    "another place": lambda bundle, other: bundle.update(path=other["path"], index=other["index"]),
    "a shorter path": lambda bundle, _: bundle["path"].pop(),
    "a longer path": lambda bundle, _: bundle["path"].append("00" * 32),
    "another payload": lambda bundle, other: bundle["envelope"].update(
        payload=other["envelope"]["payload"]
    ),
    "another key id": lambda bundle, _: bundle["envelope"]["signatures"][0].update(keyid="x"),
    "an extra field in the envelope": lambda bundle, _: bundle["envelope"].update(extra=1),
    "no signature": lambda bundle, _: bundle["envelope"].update(signatures=[]),
    "no checkpoint": lambda bundle, _: bundle.update(checkpoint=""),
    "a checkpoint without its signature": lambda bundle, _: bundle.update(
        checkpoint=bundle["checkpoint"].partition("\N{EM DASH}")[0]
    ),
    "another type": lambda bundle, _: bundle.update(mediaType="text/plain"),
    "no path": lambda bundle, _: bundle.pop("path"),
    "a path of words": lambda bundle, _: bundle.update(path=["left", "right"]),
    "an index of words": lambda bundle, _: bundle.update(index="first"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_bundle_proves_nothing(
    bundles: list[dict[str, Any]], signer: Signer, change: Change
) -> None:
    bundle = copy.deepcopy(bundles[9])
    change(bundle, bundles[12])
    with pytest.raises(LedgerTampered):
        verify_bundle(bundle, signer.public_key)


def test_another_key_proves_nothing(bundles: list[dict[str, Any]]) -> None:
    with pytest.raises(LedgerTampered, match="not signed by this key"):
        verify_bundle(bundles[9], Signer.generate().public_key)


def test_the_checkpoint_of_another_log_proves_nothing(
    filled: Database, bundles: list[dict[str, Any]], signer: Signer
) -> None:
    with filled.transaction() as conn:
        head = replace(read_head(conn), origin="honed.dev/ledger/other")
    bundle = {**bundles[9], "checkpoint": sign_checkpoint(head, signer).note}
    with pytest.raises(LedgerTampered, match="belongs at entry 9 of honed"):
        verify_bundle(bundle, signer.public_key)


def test_what_the_checkpoint_does_not_cover_is_not_exported(
    filled: Database, signer: Signer
) -> None:
    with filled.transaction() as conn:
        elsewhere = sign_checkpoint(Head(read_head(conn).origin, 21, (EMPTY_ROOT,)), signer)
        with pytest.raises(LedgerTampered, match="entry 9 is not the one") as raised:
            export_bundle(conn, 9, elsewhere)
    assert raised.value.entry == 9
