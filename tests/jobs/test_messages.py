"""A message is what its contract says, or it is refused with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.errors import InvalidMessage
from honed.jobs.messages import parse
from honed.testing.desk import Probe


@given(st.integers(), st.booleans())
def test_a_message_survives_its_json(number: int, alone: bool) -> None:  # noqa: FBT001 - drawn
    message = Probe(number=number, alone=alone)
    assert parse(Probe, message.model_dump_json()) == message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"version": 1}', "number: Field required"),
        ('{"version": 2, "number": 1}', "version: Input should be 1"),
        ('{"version": 1, "number": "1"}', "number: Input should be a valid integer"),
        ('{"version": 1, "number": 1, "more": 1}', "more: Extra inputs"),
        ("[]", "message: Input should be an object"),
        ("null", "message: Input should be an object"),
        ('"text"', "message: Input should be an object"),
        ("{", "message: Invalid JSON"),
    ],
)
def test_a_broken_contract_is_named(text: str, reason: str) -> None:
    with pytest.raises(InvalidMessage, match=f"^probe: .*{reason}"):
        parse(Probe, text)


def test_a_message_without_a_version_is_of_the_first() -> None:
    assert parse(Probe, '{"number": 1}').version == 1


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Probe(number=1).number = 2  # type: ignore[misc]  # that is the point
