"""What users say is taken as it is said, and shown by the view."""

import json
from datetime import UTC, datetime

import pytest

from honed.core.intake import Request, Taken
from honed.core.signal import SignalType
from honed.errors import MalformedSignal
from honed.intake.feedback import FeedbackIntake
from honed.testing.intake import IntakeContract, IntakeServer


def take(said: object) -> Taken:
    body = json.dumps(said).encode()
    return FeedbackIntake().take(Request("POST", "/api/v1/feedback", body=body))


class TestFeedback(IntakeContract):
    @pytest.fixture
    def intake(self) -> FeedbackIntake:
        return FeedbackIntake()

    def body(self, text: str) -> bytes:
        said = {
            "text": text, "rating": 2, "sentiment": text, "user": text, "page": text,
            "service": text, "environment": text, "release": text,
            "properties": {"a": [text, {text: text}]},
        }  # fmt: skip
        return json.dumps([said, {"message": text}]).encode()


def test_only_words_are_needed() -> None:
    for said in ({"text": "slow"}, {"message": "slow"}, {"comments": "slow"}):
        (signal,) = take(said).signals
        assert (signal.type, signal.subject, signal.body) == (
            SignalType.FEEDBACK, "feedback", {"text": "slow"},
        )  # fmt: skip
        assert signal.value is None


def test_all_that_may_be_said_is_kept() -> None:
    said = {
        "text": "slow", "rating": 2, "sentiment": "negative", "user": "7", "page": "/cart",
        "service": "shop", "environment": "production", "release": "1.2",
        "at": "2027-01-01T10:00:00+02:00", "properties": {"plan": "free"},
    }  # fmt: skip
    (signal,) = take(said).signals
    assert signal.at == datetime(2027, 1, 1, 8, tzinfo=UTC)
    assert (signal.subject, signal.value, signal.service) == ("/cart", 2.0, "shop")
    assert (signal.environment, signal.release) == ("production", "1.2")
    assert signal.body == {
        "text": "slow", "sentiment": "negative", "user_token": "7", "page": "/cart",
        "properties": {"plan": "free"},
    }  # fmt: skip


def test_a_rating_without_words_is_feedback_too() -> None:
    (signal,) = take({"rating": 5}).signals
    assert (signal.value, signal.body["text"]) == (5.0, "")


@pytest.mark.parametrize("rating", ["5", True, None, [5], 10**400])
def test_a_rating_that_is_no_number_is_none(rating: object) -> None:
    (signal,) = take({"text": "slow", "rating": rating}).signals
    assert signal.value is None


def test_what_says_nothing_is_counted() -> None:
    taken = take([{"text": "slow"}, {}, {"text": ""}, {"text": 7}, 8, None])
    assert len(taken.signals) == 1
    assert taken.skipped == {"empty": 3, "no_object": 2}
    assert json.loads(taken.answer) == {"accepted": 1, "skipped": {"empty": 3, "no_object": 2}}


@pytest.mark.parametrize("said", ["text", 7, None, True])
def test_what_is_no_object_is_malformed(said: object) -> None:
    with pytest.raises(MalformedSignal, match="JSON object") as refused:
        take(said)
    assert '"text"' in refused.value.hint


def test_the_view_shows_it(intake_server: IntakeServer) -> None:
    said = {"message": "the cart is slow", "rating": 2, "page": "/cart", "service": "shop"}
    assert intake_server.post("/api/v1/feedback", json.dumps(said).encode()).status_code == 200
    (row,) = intake_server.rows("SELECT * FROM honed.user_feedback")
    assert (row["project"], row["service"], row["source"]) == ("shop", "shop", "feedback")
    assert (row["text"], row["rating"], row["page"]) == ("the cart is slow", 2.0, "/cart")
