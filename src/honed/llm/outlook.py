"""What a language model is there to be asked, as far as can be told without asking it."""

import os
from dataclasses import dataclass
from typing import Final

from honed.config import LlmMode, LlmProvider, Settings
from honed.llm.client import provider_of
from honed.llm.prices import Prices
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.llm")
#: A request of that size tells whether there is a price at all.
_SOME_TOKENS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the settings, the environment and the store say."""

    #: What there is, in a sentence without a full stop.
    seen: str
    #: Whether the settings mean a model to be asked at all.
    is_asked: bool = False
    #: Why it is never asked all the same; empty: nothing is in its way.
    obstacle: str = ""
    #: What to do about that.
    fix: str = ""


def look(settings: Settings, conn: Connection) -> Outlook:
    """Return what there is; nothing is sent.

    Raises:
        ConfigurationError: ``price_file`` is no table of prices.
    """
    (row,) = conn.execute(_QUERIES["outlook"])
    if settings.llm_mode is LlmMode.REPLAY:
        return Outlook(f"recordings alone answer; there are {row['recordings']}")
    if settings.llm_provider is LlmProvider.NONE:
        return Outlook("none is named, so nothing is ever sent")
    most = settings.llm_budget_usd_day
    if row["limit_usd_day"] is not None:
        most = min(most, float(row["limit_usd_day"]))
    left = max(0.0, most - float(row["taken_usd"]))
    provider = provider_of(settings)
    key = settings.llm_key_variable
    said = f"the key is in {key}" if key else "no key is sent"
    model = settings.llm_model or "a model without a name"
    obstacle, fix = _obstacle(settings, conn, provider, left)
    seen = f"{model} of {provider}, {said}, {left:.2f} of {most:.2f} USD are left today"
    return Outlook(seen, is_asked=True, obstacle=obstacle, fix=fix)


def _obstacle(settings: Settings, conn: Connection, provider: str, left: float) -> tuple[str, str]:
    key = settings.llm_key_variable
    if not settings.llm_model:
        return "llm_model names no model", "name it as its provider does"
    if key and not os.environ.get(key, "").strip():
        return f"there is no variable {key}", "export it where honed runs; never write it in a file"
    (row,) = conn.execute(_QUERIES["now"])
    price = Prices.load(settings.price_file).find(
        provider, settings.llm_model, row["now"], _SOME_TOKENS
    )
    if price is None or price.input_usd is None or price.output_usd is None:
        what = f"what {settings.llm_model} of {provider} costs is not known"
        return what, "set price_file; docs/howto/use-a-language-model.md says how"
    if left <= 0 and price.output_usd > 0:
        return "today's budget is spent", "raise llm_budget_usd_day, or wait until 0:00 UTC"
    return "", ""
