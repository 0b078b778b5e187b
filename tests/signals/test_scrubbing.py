"""The scrubber of a store: one place derives its key, or tokens would be equal to no others."""

from pathlib import Path

import honed
from honed.core.privacy import Scrubber
from honed.ledger.keys import Signer
from honed.signals.scrubbing import _PURPOSE, scrubber_by

EMAIL = "ann" + "@shop.example"


def test_tokens_are_keyed_by_the_key_of_the_ledger() -> None:
    signer = Signer.generate()
    token = scrubber_by(signer).text(EMAIL)
    assert token == Scrubber(signer.derive(_PURPOSE)).text(EMAIL)
    assert token != scrubber_by(Signer.generate()).text(EMAIL)


def test_nobody_else_derives_a_key_for_it() -> None:
    sources = Path(honed.__file__).parent.rglob("*.py")
    said = [each.name for each in sources if f'"{_PURPOSE}"' in each.read_text(encoding="utf-8")]
    assert said == ["scrubbing.py"]
