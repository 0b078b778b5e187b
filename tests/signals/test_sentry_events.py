"""An event of Sentry is read as an exception, a line of a log, or what a user says."""

import json
from datetime import UTC, datetime

import pytest

from honed.core.canonical import Json
from honed.core.signal import Signal, SignalType
from honed.llm.prices import Prices
from honed.signals.sentry.events import LARGE_BYTES, read_event, read_report
from honed.signals.sentry.protocol import Reading

ID = "9ec79c33ec9942ab8353589fcb2e04dc"
AT = datetime(2027, 1, 1, 8, tzinfo=UTC)
RECEIVED = datetime(2027, 1, 1, 9, tzinfo=UTC)


def read(said: dict[str, Json]) -> Signal:
    reading = Reading(RECEIVED, Prices(), len(json.dumps(said)))
    read_event(said, reading)
    (signal,) = reading.signals
    return signal


def frame(function: str, **also: Json) -> dict[str, Json]:
    return {
        "filename": "shop/cart.py", "abs_path": "/srv/shop/cart.py", "module": "shop.cart",
        "function": function, "lineno": 3, "context_line": f"    {function}()", "in_app": True,
        **also,
    }  # fmt: skip


def raised(type_: str, value: str = "", *frames: Json, **mechanism: Json) -> dict[str, Json]:
    return {
        "type": type_, "value": value, "module": None, "stacktrace": {"frames": list(frames)},
        "mechanism": mechanism,
    }  # fmt: skip


def event(*exceptions: Json, **also: Json) -> dict[str, Json]:
    return {
        "event_id": ID, "timestamp": "2027-01-01T08:00:00Z", "platform": "python",
        "exception": {"values": list(exceptions)}, **also,
    }  # fmt: skip


def test_an_exception_is_told_with_its_place() -> None:
    thrown = raised(
        "KeyError", "'a'", frame("total", lineno=12, vars={"a": "1", "__doc__": "None"})
    )
    signal = read(event(thrown, release="shop@1.2", environment="production"))
    assert (signal.type, signal.subject) == (SignalType.EXCEPTION, "KeyError at shop.cart.total")
    assert (signal.at, signal.release, signal.environment) == (AT, "shop@1.2", "production")
    assert signal.service == "shop"
    assert (signal.body["title"], signal.body["culprit"]) == ("KeyError: 'a'", "shop.cart.total")
    assert signal.body["files"] == ["shop/cart.py"]
    assert signal.body["exceptions"] == [
        {
            "type": "KeyError",
            "message": "'a'",
            "frames": [
                {
                    "file": "shop/cart.py", "module": "shop.cart", "function": "total", "line": 12,
                    "code": "total()", "in_app": True, "vars": {"a": "1"},
                }
            ],
        }
    ]  # fmt: skip


def test_the_lines_around_are_told_without_those_of_a_key() -> None:
    key = "MIIEpA1BAAKCAQE2" * 4
    lines: Json = ["def total():", f'    key = """{key}', key, "a" * 64, "9f" * 32]
    call = frame("total", pre_context=lines, context_line="    sum()", post_context=["b"])
    (told,) = as_list(read(event(raised("E", "", call))).body["exceptions"])
    (shown,) = as_list(told["frames"])
    assert (shown["before"], shown["code"], shown["after"]) == (
        ["def total():", "...", "...", "a" * 64, "9f" * 32], "sum()", ["b"],
    )  # fmt: skip


def test_a_call_that_was_seen_before_is_told_as_it_comes_now() -> None:
    before: list[Json] = ["a", "b"]
    calls = [
        frame("total", lineno=1, pre_context=before, vars={"n": "1"}),
        frame("total", lineno=1, pre_context=before, vars={"n": "2", "__name__": "shop"}),
        frame("total", lineno=True, pre_context=["a\nb"], vars={}),
        frame("total", lineno=1.0, pre_context=["a", 1, "b"], in_app=1),
        frame("total", lineno=2, pre_context=["a" * 5_000]),
    ]
    for _ in range(2):
        exceptions = read(event(raised("E", "", *calls))).body["exceptions"]
        told = as_list(as_list(exceptions)[0]["frames"])
        assert [each.get("line") for each in told] == [1, 1, None, None, 2]
        assert [each.get("vars") for each in told] == [{"n": "1"}, {"n": "2"}, None, None, None]
        assert [each["before"] for each in told] == [
            before, before, ["a\nb"], before, ["a" * 5_000],
        ]  # fmt: skip


def as_list(value: Json) -> list[dict[str, Json]]:
    assert isinstance(value, list)
    return value


def test_a_file_names_nobody() -> None:
    script = "https://user:word@shop.example/static/cart.js"
    call: Json = {"filename": script, "function": "total", "in_app": True}
    signal = read(event(raised("TypeError", "no", call)))
    assert signal.body["files"] == ["https://shop.example/static/cart.js"]
    assert "word" not in json.dumps([signal.subject, signal.body])


def test_causes_count_and_what_was_only_being_handled_does_not() -> None:
    """Only what was raised by the code that caught another error has that as its cause."""
    lookup = raised("KeyError", "'a'", frame("load", context_line="return {}[a]"))
    on_purpose = frame("load", context_line="raise ValueError(a) from error")
    by_chance = frame("other", context_line="return a.b")
    (chained, alone) = (
        read(event(raised("ValueError", "a", on_purpose))).fingerprint,
        read(event(lookup, raised("ValueError", "a", on_purpose))).fingerprint,
    )
    assert chained != alone
    assert (
        read(event(raised("TypeError", "a", by_chance))).fingerprint
        == read(event(lookup, raised("TypeError", "a", by_chance))).fingerprint
    )


def test_a_group_is_told_apart_by_its_members() -> None:
    """Whatever their order; and a member that nobody raised arose where the group did."""

    def group(*members: str) -> Signal:
        outer = raised("ExceptionGroup", "many", frame("run"), exception_id=0)
        inner = [
            raised(name, "no", exception_id=number, parent_id=0, source=f"exceptions[{number - 1}]")
            for number, name in enumerate(members, start=1)
        ]
        return read(event(*reversed(inner), outer))

    assert group("KeyError", "OSError").fingerprint == group("OSError", "KeyError").fingerprint
    assert group("KeyError").fingerprint != group("OSError").fingerprint
    assert group("KeyError").body["culprit"] == "shop.cart.run"
    assert group("KeyError").subject == "ExceptionGroup at shop.cart.run"


def test_numbers_that_are_no_tree_end() -> None:
    odd = [
        raised("E", "", frame("a"), exception_id=number, parent_id=parent)
        for number, parent in ((0, 1), (1, 0), (1, 1), (5, 3), (-1, -2))
    ]
    assert read(event(*odd)).type is SignalType.EXCEPTION


def test_a_client_says_what_is_one_group() -> None:
    default = read(event(raised("E", "", frame("a"))))

    def named(*parts: Json) -> str:
        return read(event(raised("E", "", frame("a")), fingerprint=list(parts))).fingerprint

    assert named() == named("{{ default }}") == default.fingerprint
    assert named("mine") == named("mine") != named("yours")
    assert named("mine", "{{ default }}") not in {named("mine"), default.fingerprint}
    assert named(7) == named("7")


def test_a_log_error_is_grouped_by_its_template() -> None:
    def logged(order: int) -> Signal:
        made = f"no order {order}"
        entry: Json = {"message": "no order %d", "formatted": made, "params": [order]}
        return read({"logger": "shop.cart", "level": "error", "logentry": entry, "event_id": ID})

    signal = logged(7)
    assert (signal.type, signal.subject, signal.at) == (SignalType.LOG, "shop.cart", RECEIVED)
    assert signal.body == {
        "title": "no order 7", "culprit": "shop.cart", "message": "no order 7",
        "template": "no order %d", "params": [7], "level": "error", "logger": "shop.cart",
        "event_id": ID,
    }  # fmt: skip
    assert signal.fingerprint == logged(8).fingerprint


@pytest.mark.parametrize("said", [{"message": "hello"}, {"message": {"formatted": "hello"}}])
def test_a_message_is_a_line_of_a_log(said: dict[str, Json]) -> None:
    signal = read(said)
    assert (signal.type, signal.subject, signal.body["message"]) == (SignalType.LOG, "log", "hello")


def test_feedback_is_what_a_user_says() -> None:
    said: Json = {
        "message": "slow", "contact_email": "u@shop.example", "name": "U", "url": "/cart",
        "associated_event_id": ID, "rating": 2, "properties": {"plan": "free"},
    }  # fmt: skip
    signal = read({"type": "feedback", "contexts": {"feedback": said}, "release": "1"})
    assert (signal.type, signal.subject, signal.value) == (SignalType.FEEDBACK, "/cart", 2.0)
    assert signal.body == {
        "text": "slow", "user_token": "u@shop.example", "page": "/cart", "about_event": ID,
        "properties": {"plan": "free"},
    }  # fmt: skip


def test_an_old_report_is_feedback() -> None:
    said: dict[str, Json] = {"event_id": ID, "comments": "slow", "email": "u@shop.example"}
    reading = Reading(RECEIVED, Prices())
    read_report(said, reading)
    (signal,) = reading.signals
    assert (signal.type, signal.body["text"]) == (SignalType.FEEDBACK, "slow")
    assert signal.body["about_event"] == ID


def test_a_large_event_loses_what_is_heavy_and_keeps_its_place() -> None:
    call = frame("total", vars={"a": "x" * LARGE_BYTES}, pre_context=["y"])
    said = event(raised("KeyError", "'a'", call), extra={"a": "z"}, contexts={"app": {"a": "b"}})
    signal = read(said)
    small = read(event(raised("KeyError", "'a'", frame("total"))))
    assert signal.body["is_shortened"] is True
    assert (signal.fingerprint, signal.subject) == (small.fingerprint, small.subject)
    assert len(json.dumps(signal.body)) < 1_000


def test_a_long_title_is_not_cut_before_it_is_scrubbed() -> None:
    secret = "x" * 150 + " u@shop.example"
    signal = read(event(raised("shop.Late", secret + "\nmore", frame("total"))))
    assert signal.body["title"] == f"Late: {secret}"
