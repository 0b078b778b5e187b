"""A request to a model is read the same, whatever convention its sender follows."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.core.canonical import Json
from honed.llm.prices import Price, Prices, Usage
from honed.signals.genai import ALIASES, ALIASES_VERSION, CONTENT, read_inference

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PRICES = Prices(
    [Price("openai", "gpt-x", date(2026, 1, 1), "a page", 1.0, 0.1, 2.0, 10.0)],
)
CURRENT: dict[str, Json] = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-x", "gen_ai.response.model": "gpt-x-2026-01-01",
    "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.cache_read.input_tokens": 60,
}  # fmt: skip
#: The same request in other words.
OTHERS: dict[str, dict[str, Json]] = {
    "until 1.36": {
        "gen_ai.operation.name": "chat", "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-x", "gen_ai.response.model": "gpt-x-2026-01-01",
        "gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 20,
        "gen_ai.usage.cached_tokens": 60,
    },
    "OpenLLMetry": {
        "llm.request.type": "chat", "gen_ai.system": "OpenAI",
        "gen_ai.request.model": "gpt-x", "gen_ai.response.model": "gpt-x-2026-01-01",
        "gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 20,
        "gen_ai.usage.cache_read_input_tokens": 60,
    },
    "OpenInference": {
        "openinference.span.kind": "LLM", "llm.provider": "openai", "llm.system": "openai",
        "llm.model_name": "gpt-x", "gen_ai.response.model": "gpt-x-2026-01-01",
        "llm.token_count.prompt": 100, "llm.token_count.completion": 20,
        "llm.token_count.prompt_details.cache_read": 60,
    },
    "Sentry before gen_ai": {
        "ai.model.provider": "openai", "ai.model_id": "gpt-x",
        "gen_ai.response.model": "gpt-x-2026-01-01", "ai.prompt_tokens.used": 100,
        "ai.completion_tokens.used": 20, "gen_ai.usage.input_tokens.cached": 60,
    },
    "numbers as text": {
        **CURRENT, "gen_ai.usage.input_tokens": "100", "gen_ai.usage.output_tokens": 20.0,
    },
}  # fmt: skip


@pytest.mark.parametrize("attributes", OTHERS.values(), ids=OTHERS)
def test_every_convention_reads_the_same(attributes: dict[str, Json]) -> None:
    assert read_inference(attributes) == read_inference(CURRENT)


def test_what_is_stored_names_the_price_that_it_was_made_of() -> None:
    inference = read_inference(CURRENT)
    assert inference is not None
    body = inference.body(PRICES, NOW)
    assert body == {
        "provider": "openai", "operation": "chat", "request_model": "gpt-x",
        "response_model": "gpt-x-2026-01-01", "input_tokens": 100, "cached_tokens": 60,
        "output_tokens": 20, "cost_usd": pytest.approx((40 + 6 + 200) / 1e6),
        "price": PRICES._tables[0][0].plain(), "aliases": ALIASES_VERSION,
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"gen_ai.request.model": "gpt-y", "gen_ai.response.model": "gpt-y"},
        {"gen_ai.provider.name": "azure.ai.openai"},
        {"gen_ai.provider.name": None},
        {"gen_ai.usage.output_tokens": None},
        {"gen_ai.usage.input_tokens": "many"},
    ],
)
def test_an_unknown_price_is_unknown_and_not_nothing(changes: dict[str, Json]) -> None:
    inference = read_inference({**CURRENT, **changes})
    assert inference is not None
    assert inference.body(PRICES, NOW)["cost_usd"] is None


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"http.request.method": "POST"},
        {**CURRENT, "gen_ai.operation.name": "invoke_agent"},
        {**CURRENT, "gen_ai.operation.name": "execute_tool"},
        {"openinference.span.kind": "CHAIN", "llm.model_name": "gpt-x"},
        {"traceloop.span.kind": "workflow", "gen_ai.request.model": "gpt-x"},
        {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"},
        {"gen_ai.operation.name": "chat", "gen_ai.request.model": 7},
    ],
)
def test_what_asks_no_model_is_no_inference(attributes: dict[str, Json]) -> None:
    assert read_inference(attributes) is None


def test_a_sender_that_counts_cached_tokens_beside_the_input_is_understood() -> None:
    inference = read_inference(
        {
            **CURRENT,
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.cache_read.input_tokens": 600,
            "gen_ai.usage.cache_creation.input_tokens": 30,
        }
    )
    assert inference is not None
    assert inference.usage == Usage(640, 600, 30, 20)


def test_embeddings_have_no_output() -> None:
    said: dict[str, Json] = {
        "gen_ai.operation.name": "embeddings", "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-x", "gen_ai.usage.input_tokens": 1_000,
    }  # fmt: skip
    inference = read_inference(said)
    assert inference is not None
    assert inference.body(PRICES, NOW)["cost_usd"] == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ("az.ai.openai", "azure.ai.openai"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("Anthropic", "anthropic"),
    ],
)
def test_older_names_of_providers_are_known(told: str, known: str) -> None:
    inference = read_inference({"gen_ai.system": told, "gen_ai.request.model": "m"})
    assert inference is not None
    assert inference.provider == known


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.prompt", "gen_ai.prompt.0.content", "gen_ai.completion.0.content",
        "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions",
        "gen_ai.tool.call.arguments", "llm.input_messages.0.message.content", "input.value",
        "output.value", "traceloop.entity.input", "llm.prompts", "llm.invocation_parameters",
        "embedding.embeddings.0.embedding.text", "retrieval.documents.0.document.content",
    ],
)  # fmt: skip
def test_what_was_said_is_recognised(name: str) -> None:
    assert CONTENT.match(name)


def test_no_alias_is_content_and_none_means_two_things() -> None:
    names = [name for names in ALIASES.values() for name in names]
    assert len(names) == len(set(names))
    assert [name for name in names if CONTENT.match(name)] == []


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.lists(st.integers(), max_size=2), st.just("9" * 5_000), st.just("²"),
)  # fmt: skip
NAMES = st.sampled_from([name for names in ALIASES.values() for name in names])


@given(st.dictionaries(NAMES, VALUES))
def test_whatever_is_said_its_cost_is_a_number_or_unknown(attributes: dict[str, Json]) -> None:
    inference = read_inference({**CURRENT, **attributes})
    if inference is not None:
        cost = inference.body(PRICES, NOW)["cost_usd"]
        assert cost is None or (isinstance(cost, float) and cost >= 0)
