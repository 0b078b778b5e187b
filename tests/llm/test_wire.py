"""A provider is asked in its dialect, within bounds, and the key goes nowhere else."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from tests.llm.conftest import CHANGE, KEY, MODEL, Act, Asked, FakeProvider, raw, status

from honed.errors import (
    AnswerRefused,
    ConfigurationError,
    LanguageModelError,
    ModelRefused,
    ModelUnavailable,
)
from honed.llm.anthropic import Anthropic
from honed.llm.change import ProposedChange
from honed.llm.dialect import Dialect, Request
from honed.llm.model import Message, Role
from honed.llm.openai_compatible import OpenAICompatible
from honed.llm.schema import json_schema, parse
from honed.llm.wire import MOST_BYTES, Wire

TIMEOUT_S = 10.0
REQUEST = Request(
    MODEL,
    (Message(Role.SYSTEM, "You repair."), Message(Role.USER, "Repair this.")),
    json_schema(ProposedChange),
    most_output_tokens=500,
)
#: Far beyond the end of any test.
LONG_S = 30.0


def failure(wire: Wire, timeout_s: float = TIMEOUT_S) -> LanguageModelError:
    with pytest.raises(LanguageModelError) as raised:
        wire.send(REQUEST, timeout_s)
    return raised.value


def test_what_the_seed_asks_for_is_asked_and_answered(wire: Wire, provider: FakeProvider) -> None:
    reply = wire.send(REQUEST, TIMEOUT_S)
    assert parse(reply.text, ProposedChange) == ProposedChange(**CHANGE)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (100, 20)
    (asked,) = provider.asked
    assert asked.body["temperature"] == 0.2
    assert asked.body["max_tokens"] == 500
    assert asked.headers["accept-encoding"] == "identity"


def test_each_dialect_shows_schema_and_key_in_its_own_way(provider: FakeProvider) -> None:
    Wire(OpenAICompatible(), provider.url("/v1"), KEY).send(REQUEST, TIMEOUT_S)
    Wire(Anthropic(), provider.url(), KEY).send(REQUEST, TIMEOUT_S)
    openai, anthropic = provider.asked
    assert (openai.path, anthropic.path) == ("/v1/chat/completions", "/v1/messages")
    assert openai.headers["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in anthropic.headers
    assert anthropic.headers["x-api-key"] == KEY
    assert anthropic.headers["anthropic-version"] == "2023-06-01"
    sent = openai.body["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sent["schema"] == anthropic.body["tools"][0]["input_schema"]
    assert sent["schema"]["additionalProperties"] is False
    assert set(sent["schema"]["required"]) == set(CHANGE)
    assert anthropic.body["system"] == "You repair."
    assert [each["role"] for each in anthropic.body["messages"]] == ["user"]


def test_tokens_of_a_cache_are_told_apart() -> None:
    said = OpenAICompatible().reply({
        "choices": [{"message": {"content": "x"}}],
        "usage": {
            "prompt_tokens": 100, "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 60},
        },
    }).usage  # fmt: skip
    assert (said.input_tokens, said.cached_tokens, said.output_tokens) == (100, 60, 5)
    said = Anthropic().reply({
        "content": [{"type": "text", "text": "x"}],
        "usage": {
            "input_tokens": 30, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 10,
            "output_tokens": 5,
        },
    }).usage  # fmt: skip
    assert (said.input_tokens, said.cached_tokens, said.cache_write_tokens) == (100, 60, 10)


def test_usage_that_is_not_told_is_not_known(wire: Wire, provider: FakeProvider) -> None:
    provider.acts = [lambda asked: (200, {}, json.dumps(without_usage(asked)).encode())]

    def without_usage(asked: Asked) -> dict[str, Any]:
        return {**provider.good(asked), "usage": {"prompt_tokens": True, "input_tokens": "9"}}

    usage = wire.send(REQUEST, TIMEOUT_S).usage
    assert (usage.input_tokens, usage.output_tokens) == (None, None)


def test_a_server_without_schemas_is_told_in_words(wire: Wire, provider: FakeProvider) -> None:
    provider.acts = [
        status(400, "response_format json_schema / tool_choice is not supported"),
        status(422, "json_object: unknown; tools: extra inputs are not permitted"),
    ]
    reply = wire.send(REQUEST, TIMEOUT_S)
    assert parse(reply.text, ProposedChange).risk_level == "low"
    asked = provider.asked[-1].body
    assert "response_format" not in asked
    assert "tools" not in asked
    assert '"risk_level"' in json.dumps(asked).replace("\\", "")
    # What was learnt about the server is remembered.
    wire.send(REQUEST, TIMEOUT_S)
    assert len(provider.asked) == 4


def test_newer_models_are_asked_as_they_want(provider: FakeProvider) -> None:
    provider.acts = [
        status(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        status(400, "Unsupported value: 'temperature' does not support 0.2 with this model."),
    ]
    Wire(OpenAICompatible(), provider.url(), KEY).send(REQUEST, TIMEOUT_S)
    body = provider.asked[-1].body
    assert body["max_completion_tokens"] == 500
    assert {"max_tokens", "temperature"}.isdisjoint(body)
    assert body["response_format"]["type"] == "json_schema"


def test_a_complaint_that_does_not_end_is_told(wire: Wire, provider: FakeProvider) -> None:
    provider.acts = [status(400, "temperature")] * 9
    error = failure(wire)
    assert isinstance(error, ModelRefused)
    assert "temperature" in str(error)
    assert len(provider.asked) == 2


@pytest.mark.parametrize("code", [429, 500, 502, 503, 529])
def test_trouble_that_passes_is_waited_for(wire: Wire, provider: FakeProvider, code: int) -> None:
    provider.acts = [status(code, Retry_After="0"), status(code)]
    wire.send(REQUEST, TIMEOUT_S)
    assert len(provider.asked) == 3


def test_trouble_that_stays_is_told(wire: Wire, provider: FakeProvider) -> None:
    provider.acts = [status(503, "overloaded", Retry_After="0")] * 9
    error = failure(wire)
    assert isinstance(error, ModelUnavailable)
    assert not error.may_cost
    assert "overloaded" in str(error)
    assert len(provider.asked) == 4


@pytest.mark.parametrize("after", ["31", "Tue, 31 Dec 2999 23:59:59 GMT"])
def test_nobody_waits_beyond_the_deadline(wire: Wire, provider: FakeProvider, after: str) -> None:
    provider.acts = [status(429, "later", Retry_After=after)]
    assert isinstance(failure(wire, LONG_S), ModelUnavailable)
    assert len(provider.asked) == 1


@pytest.mark.parametrize("after", ["soon", "-1", "", "Wed, 99 Abc 2026", "9" * 400, "1.5"])
def test_an_odd_time_to_wait_breaks_nothing(wire: Wire, provider: FakeProvider, after: str) -> None:
    provider.acts = [status(429, Retry_After=after)]
    is_answered = True
    try:
        wire.send(REQUEST, TIMEOUT_S)
    except ModelUnavailable:
        is_answered = False
    assert is_answered is (after != "9" * 400)


def test_a_slow_answer_is_not_waited_for(wire: Wire, provider: FakeProvider) -> None:
    def slow(_: Asked) -> tuple[int, dict[str, str], bytes]:
        provider.over.wait(LONG_S)
        return 200, {}, b"{}"

    provider.acts = [slow]
    error = failure(wire, 0.2)
    assert isinstance(error, ModelUnavailable)
    # The provider may have worked for it.
    assert error.may_cost


def test_a_huge_answer_is_not_read(wire: Wire, provider: FakeProvider) -> None:
    provider.acts = [raw(b" " * (MOST_BYTES + 1))]
    assert "larger than 4 MB" in str(failure(wire))


def test_a_packed_answer_is_not_unpacked(wire: Wire, provider: FakeProvider) -> None:
    provider.acts = [raw(b"\x1f\x8b" * 9, Content_Encoding="gzip")]
    assert isinstance(failure(wire), AnswerRefused)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b'{"choices": [{"message": {"content": "ab', b"[]", b"null", b"{}",
        b'{"choices": []}', b'{"content": []}', b'{"choices": 7, "content": "x"}', b"\xff\xfe",
        b"[" * 100_000, b"<html>Bad Gateway</html>",
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(wire: Wire, provider: FakeProvider, body: bytes) -> None:
    provider.acts = [raw(body)]
    assert isinstance(failure(wire), AnswerRefused)


def test_an_answer_that_breaks_off_is_told(wire: Wire, provider: FakeProvider) -> None:
    provider.acts = [raw(b'{"choi', Content_Length="900", Connection="close")]
    error = failure(wire, 1.0)
    assert isinstance(error, ModelUnavailable)
    assert error.may_cost


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed(
    wire: Wire,
    provider: FakeProvider,
    start_provider: Callable[[], FakeProvider],
    code: int,
) -> None:
    other = start_provider()
    provider.acts = [status(code, Location=other.url("/v1/messages"))]
    error = failure(wire)
    assert isinstance(error, ModelUnavailable)
    assert "llm_base_url" in error.hint
    assert other.asked == []


def test_a_wrong_key_is_told_without_it(
    wire: Wire, provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.acts = [status(401, f"Incorrect API key provided: {KEY}")]
    error = failure(wire)
    assert isinstance(error, ModelRefused)
    assert "llm_key_variable" in error.hint
    assert "Incorrect API key" in str(error)
    assert KEY not in f"{error} {error!r} {wire!r} {caplog.text}"
    assert all(KEY not in asked.path for asked in provider.asked)


def test_nobody_who_is_away_costs_anything(dialect: Dialect) -> None:
    # Port 9 is not listened on by the tests' machine.
    error = failure(Wire(dialect, "http://127.0.0.1:9"))
    assert isinstance(error, ModelUnavailable)
    assert not error.may_cost


def test_a_proxy_of_the_environment_is_not_used(
    wire: Wire,
    provider: FakeProvider,
    start_provider: Callable[[], FakeProvider],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = start_provider()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy.url())
    wire.send(REQUEST, TIMEOUT_S)
    assert (len(provider.asked), proxy.asked) == (1, [])


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://models.example/v1", KEY),
        ("ftp://models.example", ""),
        ("models.example/v1", ""),
        ("https://user:pass@models.example", ""),
        ("https://models.example/?key=abc", ""),
        ("https://models.example", "two\nlines"),
        ("https://models.example", "sk-\N{SNOWMAN}"),
    ],
)
def test_a_key_is_not_sent_where_others_could_read_it(dialect: Dialect, url: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Wire(dialect, url, key)
    assert "pass" not in str(refused.value).replace("password", "")
    assert not key or key not in str(refused.value)


def test_without_a_key_none_is_sent(provider: FakeProvider, dialect: Dialect) -> None:
    Wire(dialect, provider.url()).send(REQUEST, TIMEOUT_S)
    assert {"authorization", "x-api-key"}.isdisjoint(provider.asked[0].headers)


def test_refusals_and_ends_of_tokens_are_told(provider: FakeProvider, wire: Wire) -> None:
    def cut(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        said = provider.good(asked)
        if "choices" in said:
            said["choices"][0] |= {"finish_reason": "length"}
            said["choices"][0]["message"]["refusal"] = "no"
        else:
            said["stop_reason"] = "max_tokens"
        return 200, {}, json.dumps(said).encode()

    act: Act = cut
    provider.acts = [act]
    reply = wire.send(REQUEST, TIMEOUT_S)
    assert reply.is_cut
    assert reply.refusal == ("no" if isinstance(wire.dialect, OpenAICompatible) else "")
