"""Requests to models, as spans tell of them: one reading, whatever convention the sender follows.

The names are in motion: OpenTelemetry's conventions for generative AI are still in development and
have changed some, and two other families of instrumentation have names of their own. All are in
one table here, so that a new name is a new line.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Final

from honed.core.canonical import Json
from honed.llm.prices import Prices, Usage

#: Version of the tables below, stored with every request: a row says how it was read.
ALIASES_VERSION: Final = 2

#: What a request says, and the attributes that say so, the first that is there. Sources:
#: (1) OpenTelemetry, semantic-conventions-genai (from 1.37 of the semantic conventions on);
#: (2) the same until 1.36; (3) OpenLLMetry, opentelemetry-semantic-conventions-ai 0.4;
#: (4) OpenInference, its attributes as of 2026; (5) OpenLIT and others; (6) Sentry, its own names
#: beside those of (1) and (2), as of sentry-sdk 2.75 and of its conventions for AI before.
ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "provider": (
        "gen_ai.provider.name",  # 1
        "gen_ai.system",  # 2, 3
        "llm.provider",  # 4
        "llm.system",  # 4
        "llm.vendor",  # 3
        "ai.model.provider",  # 6
    ),
    "operation": (
        "gen_ai.operation.name",  # 1, 2
        "llm.request.type",  # 3
        "openinference.span.kind",  # 4
    ),
    "request_model": (
        "gen_ai.request.model",  # 1, 2, 3
        "llm.request.model",  # 3
        "llm.model_name",  # 4
        "embedding.model_name",  # 4
        "ai.model_id",  # 6
    ),
    "response_model": (
        "gen_ai.response.model",  # 1, 2, 3
        "llm.response.model",  # 3
    ),
    "input_tokens": (
        "gen_ai.usage.input_tokens",  # 1
        "gen_ai.usage.prompt_tokens",  # 2, 3
        "llm.usage.prompt_tokens",  # 3
        "llm.token_count.prompt",  # 4
        "ai.prompt_tokens.used",  # 6
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",  # 1
        "gen_ai.usage.completion_tokens",  # 2, 3
        "llm.usage.completion_tokens",  # 3
        "llm.token_count.completion",  # 4
        "ai.completion_tokens.used",  # 6
    ),
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens",  # 1
        "gen_ai.usage.cache_read_input_tokens",  # 3
        "gen_ai.usage.input_tokens.cached",  # 5, 6
        "gen_ai.usage.input_tokens_details.cached",  # 5
        "gen_ai.usage.cached_tokens",  # 5
        "llm.usage.cache_read_input_tokens",  # 3
        "llm.token_count.prompt_details.cache_read",  # 4
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",  # 1
        "gen_ai.usage.cache_creation.input_tokens",  # 1
        "gen_ai.usage.cache_creation_input_tokens",  # 3
        "gen_ai.usage.input_tokens.cache_write",  # 5, 6
        "llm.usage.cache_creation_input_tokens",  # 3
        "llm.token_count.prompt_details.cache_write",  # 4
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",  # 1
        "gen_ai.usage.reasoning_tokens",  # 3
        "llm.token_count.completion_details.reasoning",  # 4
        "gen_ai.usage.output_tokens.reasoning",  # 6
    ),
}

#: Operations that ask a model, by every name; the others (agents, tools, chains) hold such requests
#: and repeat their tokens.
OPERATIONS: Final[Mapping[str, str]] = {
    "chat": "chat",
    "generate_content": "generate_content",
    "text_completion": "text_completion",
    "completion": "text_completion",
    "embeddings": "embeddings",
    "embedding": "embeddings",
    "rerank": "rerank",
    "llm": "chat",
}

#: Providers by their older names and by those of others.
PROVIDERS: Final[Mapping[str, str]] = {
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "aws": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
    "watsonx": "ibm.watsonx.ai",
}

#: Attributes that hold what was said to a model and what it said: none of it is kept.
CONTENT: Final = re.compile(
    r"gen_ai\.(?:prompt|completion|input\.messages|output\.messages|system_instructions|content)\b"
    r"|gen_ai\.tool\.(?:definitions|call\.(?:arguments|result)|args)|gen_ai\.output$"
    r"|llm\.(?:prompts?|completions?|(?:input|output)_messages|invocation_parameters|tools)\b"
    r"|llm\.request\.functions|(?:input|output)\.(?:value|images|documents)\b"
    r"|traceloop\.entity\.(?:input|output)|embedding\.(?:embeddings|text|vector)"
    r"|retrieval\.documents|reranker\.|message\.content|tool\.parameters"
)

#: Instrumentations that say of every span what it is: one that says another word asks no model.
_KINDS: Final = ("traceloop.span.kind", "openinference.span.kind")
_MOST_TOKENS: Final = 10**12


@dataclass(frozen=True, slots=True)
class Inference:
    """One request to a model."""

    provider: str
    operation: str
    request_model: str
    response_model: str
    usage: Usage
    reasoning_tokens: int | None = None
    #: The attributes that told it.
    read: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def model(self) -> str:
        """What was asked for; else what answered."""
        return self.request_model or self.response_model

    def body(self, prices: Prices, at: datetime) -> dict[str, Json]:
        """Return what is stored of it, with its cost and the price that this was made of.

        Args:
            prices: the table that is looked into.

            at: when the request was made.
        """
        said: dict[str, Json] = {
            "provider": self.provider,
            "operation": self.operation,
            "request_model": self.request_model,
            "response_model": self.response_model,
            "input_tokens": self.usage.input_tokens,
            "cached_tokens": self.usage.cached_tokens,
            "cache_write_tokens": self.usage.cache_write_tokens,
            "output_tokens": self.usage.output_tokens,
            "reasoning_tokens": self.reasoning_tokens,
        }
        price = None
        for model in filter(None, (self.response_model, self.request_model)):
            price = price or prices.find(self.provider, model, at, self.usage.input_tokens or 0)
        kept = {name: value for name, value in said.items() if value not in ("", None)}
        return {
            **kept,
            "cost_usd": price.cost_usd(self.usage) if price else None,
            "price": price.plain() if price else None,
            "aliases": ALIASES_VERSION,
        }


def read_inference(attributes: Mapping[str, Json]) -> Inference | None:
    """Return the request to a model that a span with these attributes is; None: it is none.

    Spans of agents, tools and chains are none: the requests in them are spans of their own.
    """
    if _TELLING.isdisjoint(attributes):
        return None
    said = {what: _first(attributes, names) for what, names in ALIASES.items()}
    operation = _operation(attributes, said["operation"])
    request_model, response_model = _text(said["request_model"]), _text(said["response_model"])
    if not operation or not (request_model or response_model):
        return None
    provider = _text(said["provider"]).lower()
    return Inference(
        provider=PROVIDERS.get(provider, provider),
        operation=operation,
        request_model=request_model,
        response_model=response_model,
        usage=_usage(said, operation),
        reasoning_tokens=_tokens(said["reasoning_tokens"]),
        read=frozenset(name for names in ALIASES.values() for name in names if name in attributes),
    )


#: Without one of them a span says nothing of a model.
_TELLING: Final = frozenset({*ALIASES["request_model"], *ALIASES["response_model"]})


def _operation(attributes: Mapping[str, Json], said: Json) -> str:
    """Return what was asked of the model; empty: nothing was."""
    named = _text(said).lower()
    if named:
        return OPERATIONS.get(named, "")
    if any(name in attributes for name in _KINDS):
        return ""
    return "chat"


def _usage(said: Mapping[str, Json], operation: str) -> Usage:
    """Return the tokens; those of the input with all that a cache has to do with.

    The conventions count cached tokens among those of the input; a sender who says more cached
    tokens than input has not.
    """
    given, cached = _tokens(said["input_tokens"]), _tokens(said["cached_tokens"])
    written, output = _tokens(said["cache_write_tokens"]), _tokens(said["output_tokens"])
    beside = (cached or 0) + (written or 0)
    if given is not None and beside > given:
        given += beside
    if output is None and operation == "embeddings":
        output = 0
    return Usage(given, cached, written, output)


def _first(attributes: Mapping[str, Json], names: Sequence[str]) -> Json:
    return next((attributes[name] for name in names if name in attributes), None)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _tokens(value: Json) -> int | None:
    """Return a number of tokens, which some senders write as text or with a point."""
    if isinstance(value, str):
        value = int(value) if value.isdecimal() and len(value) <= len(str(_MOST_TOKENS)) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return int(value) if 0 <= value <= _MOST_TOKENS else None
