"""Settings of language models: which is asked, and what it may cost."""

from enum import StrEnum

from pydantic import BaseModel, Field


class LlmProvider(StrEnum):
    """Whose dialect the language model is spoken to in."""

    #: There is none, and nothing is ever sent.
    NONE = "none"
    #: OpenAI's chat completions, which most servers and gateways understand.
    OPENAI = "openai"
    #: Anthropic's messages.
    ANTHROPIC = "anthropic"


class LlmMode(StrEnum):
    """Who answers what a language model is asked."""

    #: The model, always.
    LIVE = "live"
    #: What was recorded; else the model, and its answer is recorded.
    RECORD = "record"
    #: What was recorded, or nobody.
    REPLAY = "replay"


class ModelSettings(BaseModel):
    """How a language model is asked."""

    llm_provider: LlmProvider = Field(
        LlmProvider.NONE,
        description="How a language model is asked: openai (any server of that dialect) or"
        " anthropic; none: no model is ever asked.",
    )
    llm_base_url: str = Field(
        "", description="Address of the model's API, without a key; empty: the provider's own."
    )
    llm_model: str = Field("", max_length=200, description="Name of the model.")
    llm_key_variable: str = Field(
        "",
        pattern=r"^$|^[A-Za-z_]\w*$",
        description="Name of the environment variable that holds the key; empty: none is sent.",
    )
    llm_budget_usd_day: float = Field(
        2.0,
        ge=0,
        le=1e6,
        description="What language models may cost in a day (UTC), in US dollars.",
    )
    llm_budget_usd_ticket: float = Field(
        0.5, ge=0, le=1e6, description="What they may cost for one ticket, in US dollars."
    )
    llm_mode: LlmMode = Field(
        LlmMode.RECORD,
        description="Whether the model answers (live), what was recorded and else the model"
        " (record), or what was recorded alone (replay).",
    )
    llm_retention_days: int = Field(
        90,
        ge=1,
        le=3650,
        description="What models were asked and answered is kept so many days; what it cost stays.",
    )
