"""Events of sessions keep their order, also where a session is sent in parts."""

import json
from datetime import UTC, datetime

import pytest

from honed.core.intake import Request, Taken
from honed.errors import MalformedSignal
from honed.intake.sessions import SessionsIntake
from honed.testing.intake import IntakeContract, IntakeServer


def take(said: object) -> Taken:
    body = json.dumps(said).encode()
    return SessionsIntake().take(Request("POST", "/api/v1/sessions", body=body))


class TestSessions(IntakeContract):
    @pytest.fixture
    def intake(self) -> SessionsIntake:
        return SessionsIntake()

    def body(self, text: str) -> bytes:
        event = {"event": text, "page": text, "properties": {text: [text]}}
        session = {
            "session": text, "user": text, "service": text, "release": text, "environment": text,
            "events": [event, text],
        }  # fmt: skip
        return json.dumps(session).encode()


def test_events_are_in_their_order() -> None:
    taken = take({"session": "s1", "user": "7", "events": ["open", {"event": "buy"}, "leave"]})
    assert [signal.subject for signal in taken.signals] == ["s1"] * 3
    assert [(signal.body["position"], signal.body["event"]) for signal in taken.signals] == [
        (0, "open"), (1, "buy"), (2, "leave"),
    ]  # fmt: skip
    assert {signal.body["user_token"] for signal in taken.signals} == {"7"}


def test_a_part_begins_where_it_says() -> None:
    taken = take({"session": "s1", "position": 40, "events": ["buy", "leave"]})
    assert [signal.body["position"] for signal in taken.signals] == [40, 41]
    (signal,) = take({"session": "s1", "events": [{"event": "buy", "position": 7}]}).signals
    assert signal.body["position"] == 7


@pytest.mark.parametrize("position", [-1, "1", None, True, 10**400])
def test_a_position_that_is_none_is_counted_from_the_first(position: object) -> None:
    (signal,) = take({"session": "s1", "position": position, "events": ["open"]}).signals
    assert signal.body["position"] == 0


def test_an_event_says_what_it_wants() -> None:
    event = {
        "event": "buy", "page": "/cart", "duration_ms": 12.5, "at": 1_800_000_000,
        "properties": {"price": 3},
    }  # fmt: skip
    (signal,) = take({"session": "s1", "events": [event]}).signals
    assert signal.at == datetime.fromtimestamp(1_800_000_000, UTC)
    assert signal.value == 12.5
    assert signal.body == {
        "event": "buy", "position": 0, "page": "/cart", "properties": {"price": 3},
    }  # fmt: skip


def test_what_says_nothing_is_counted() -> None:
    taken = take(
        [
            {"session": "s1", "events": ["open", "", {}, 7]},
            {"events": ["open"]},
            {"session": "s2"},
            "s3",
        ]
    )
    assert len(taken.signals) == 1
    assert taken.skipped == {"no_event": 3, "no_session": 2, "no_events": 1}


@pytest.mark.parametrize("said", ["s1", 7, None])
def test_what_is_no_object_is_malformed(said: object) -> None:
    with pytest.raises(MalformedSignal, match="JSON object"):
        take(said)


def test_the_view_shows_each_in_its_place(intake_server: IntakeServer) -> None:
    parts: list[dict[str, object]] = [
        {"session": "s1", "position": 2, "events": ["leave"]},
        {"session": "s1", "events": ["open", "buy"]},
    ]
    for part in parts:
        answer = intake_server.post("/api/v1/sessions", json.dumps(part).encode())
        assert answer.status_code == 200
    rows = intake_server.rows(
        "SELECT session, event FROM honed.session_event ORDER BY session, position"
    )
    assert [row["event"] for row in rows] == ["open", "buy", "leave"]
