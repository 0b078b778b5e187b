"""A language model as honed uses it: scrubbed, within a budget, recorded, and checked."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from honed.config import LlmMode, LlmProvider, Settings
from honed.core.canonical import Json
from honed.core.privacy import TOKEN, Scrubber
from honed.core.secrets import find_secrets
from honed.errors import (
    AnswerRefused,
    BudgetExceeded,
    ConfigurationError,
    LanguageModelError,
    ModelRefused,
    ModelUnavailable,
    PriceUnknown,
    RecordingMissing,
)
from honed.llm.anthropic import Anthropic
from honed.llm.dialect import Reply, Request
from honed.llm.model import Answer, Budget, Message, ValueT
from honed.llm.openai_compatible import OpenAICompatible
from honed.llm.prices import Prices, Usage
from honed.llm.recordings import find_recording, record
from honed.llm.schema import json_schema, parse, read_json
from honed.llm.spending import Limits, Quote, Work, begin_call, end_call, quote, reserve
from honed.llm.wire import Wire
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.llm")
#: What no prompt should need.
_MOST_CHARACTERS: Final = 400_000
#: Whom honed knows prices of, by where they answer; of others the host is the provider's name.
_PROVIDERS: Final = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gcp.gemini",
}
_ADDRESSES: Final = {
    LlmProvider.OPENAI: "https://api.openai.com/v1",
    LlmProvider.ANTHROPIC: "https://api.anthropic.com",
}


@dataclass(frozen=True)
class Client:
    """A language model that a store watches over.

    Args:
        model: its name.

        store: in the daemon's role.

        scrubber: what takes personal data and secrets out of prompts and answers.

        wire: the way to it; None: only recordings answer.

        mode: who may answer: it, or recordings.

        limits: of the settings.

        prices: what requests cost.
    """

    model: str
    store: Database
    scrubber: Scrubber
    wire: Wire | None
    mode: LlmMode
    limits: Limits
    prices: Prices

    @property
    def provider(self) -> str:
        """Who answers, as the table of prices calls them."""
        host = self.wire.host if self.wire else ""
        return _PROVIDERS.get(host, host)

    def complete(
        self, messages: Sequence[Message], schema: type[ValueT], budget: Budget
    ) -> Answer[ValueT]:
        """Return the answer to ``messages`` as a checked value, as ``LanguageModel`` says.

        Raises:
            LanguageModelError: as ``LanguageModel`` says.
            StoreUnavailable: the store does not answer; without it no budget holds.
        """
        request = self.request(messages, schema, budget.most_output_tokens)
        known = None if self.mode is LlmMode.LIVE else find_recording(self.store, request)
        if known is not None:
            return _answer(request, known, schema, cost_usd=0.0, is_replayed=True)
        if self.mode is LlmMode.REPLAY or self.wire is None:
            msg = f"no answer is recorded for the request {request.hash[:16]} to {self.model}"
            raise RecordingMissing(msg)
        reply, cost_usd = self._asked(self.wire, request, budget)
        answer = _answer(request, reply, schema, cost_usd=cost_usd)
        if self.mode is LlmMode.RECORD:
            # Only what could be used: to ask again what could not be may help.
            kept = record(self.store, self.provider, request, reply)
            answer = _answer(request, kept, schema, cost_usd=cost_usd)
        return answer

    @contextmanager
    def reserve(self, work: Work) -> Iterator[Budget]:
        """Hand out a budget, as ``honed.llm.spending.reserve``; a replay needs none.

        Raises:
            BudgetExceeded: the day's budget or the ticket's has no room.
        """
        if self.mode is LlmMode.REPLAY:
            yield Budget()
            return
        with reserve(self.store, self.limits, work) as budget:
            yield budget

    def most_usd(self, messages: Sequence[Message], schema: type, most_output_tokens: int) -> float:
        """Return what such a request costs at most, which is what to reserve for it.

        Raises:
            PriceUnknown: that is not known.
        """
        if self.mode is LlmMode.REPLAY:
            return 0.0
        return self._quote(self.request(messages, schema, most_output_tokens)).usd

    def request(
        self, messages: Sequence[Message], schema: type, most_output_tokens: int
    ) -> Request:
        """Return what is sent: the messages without personal data and secrets.

        Raises:
            ModelRefused: it is longer than any prompt should be, or nothing is asked.
        """
        clean = tuple(Message(each.role, self.clean(each.text)) for each in messages)
        length = sum(len(each.text) for each in clean)
        if not 0 < length <= _MOST_CHARACTERS:
            msg = f"a prompt of {length} characters is not sent (1 to {_MOST_CHARACTERS})"
            raise ModelRefused(msg, hint="show the model less")
        return Request(self.model, clean, json_schema(schema), most_output_tokens)

    def clean(self, text: str) -> str:
        """Return a text as it may be sent and stored."""
        # What no database keeps, and no encoding knows.
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
        if self.wire and self.wire.key:
            text = text.replace(self.wire.key, "<api_key:00000000>")
        # Both know the same rules; what one of them leaves must not depend on the other.
        parts = TOKEN.split(self.scrubber.text(text))
        parts[::2] = [_masked(part) for part in parts[::2]]
        return "".join(parts)

    def _asked(self, wire: Wire, request: Request, budget: Budget) -> tuple[Reply, float | None]:
        """Return the reply to a request as it is kept, and what it cost."""
        offer = self._quote(request)

        def begun(conn: Connection) -> int:
            return begin_call(conn, budget, offer, model=self.model, request_hash=request.hash)

        with self.store.transaction() as conn:
            call_id = begun(conn)

        def again() -> bool:
            # Nobody tells what the try before this one cost, so each is a call of its own.
            nonlocal call_id
            try:
                with self.store.transaction() as conn:
                    end_call(conn, call_id, "failed", None, Usage())
                    call_id = begun(conn)
            except BudgetExceeded:
                return False
            return True

        try:
            reply = wire.send(request, budget.timeout_s, again)
        except LanguageModelError as error:
            # A refusal costs nothing; what came too late, or cannot be read, may have.
            is_free = not getattr(error, "may_cost", isinstance(error, AnswerRefused))
            with self.store.transaction() as conn:
                end_call(conn, call_id, "failed", 0.0 if is_free else None, Usage())
            raise self._scrubbed(error) from None
        cost_usd = offer.price.cost_usd(reply.usage)
        with self.store.transaction() as conn:
            end_call(conn, call_id, "answered", cost_usd, reply.usage)
        return self._kept(reply), cost_usd

    def _quote(self, request: Request) -> Quote:
        most = Usage(
            input_tokens=request.most_input_tokens, output_tokens=request.most_output_tokens
        )
        price = self.prices.find(self.provider, self.model, self._now(), request.most_input_tokens)
        offer = quote(price, most)
        if offer is None:
            msg = f"what {self.model} of {self.provider or 'nobody'} costs is not known"
            raise PriceUnknown(msg)
        return offer

    def _now(self) -> datetime:
        with self.store.transaction() as conn:
            (row,) = conn.execute(_QUERIES["now"])
        at: datetime = row["now"]
        return at

    def _kept(self, reply: Reply) -> Reply:
        """Return a reply without personal data and secrets: live as in a replay."""
        told = read_json(reply.text)
        if isinstance(told, dict):
            # By value: scrubbed as one text, it might be JSON no more.
            text = json.dumps(self._clean_value(self.scrubber.value(told)))
        else:
            text = self.clean(reply.text)
        return replace(
            reply,
            text=text,
            model=self.clean(reply.model)[:200],
            refusal=self.clean(reply.refusal)[:300],
        )

    def _clean_value(self, value: Json) -> Json:
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Mapping):
            return {self.clean(name): self._clean_value(each) for name, each in value.items()}
        if isinstance(value, Sequence):
            return [self._clean_value(each) for each in value]
        return value

    def _scrubbed(self, error: LanguageModelError) -> LanguageModelError:
        """Return an error with the words of a server made safe to log."""
        said = self.clean(str(error))
        if isinstance(error, ModelUnavailable):
            return ModelUnavailable(said, may_cost=error.may_cost, hint=error.hint)
        return type(error)(said, hint=error.hint)


def _masked(text: str) -> str:
    """Return a text without the secrets in it."""
    for each in reversed(find_secrets(text)):
        text = f"{text[: each.start]}<{each.rule}:00000000>{text[each.end :]}"
    return text


def _answer(
    request: Request,
    reply: Reply,
    schema: type[ValueT],
    *,
    cost_usd: float | None,
    is_replayed: bool = False,
) -> Answer[ValueT]:
    """Return what a reply says, checked.

    Raises:
        AnswerRefused: the model declined, was cut off, or says something else.
    """
    if reply.refusal:
        msg = f"the model declined: {reply.refusal}"
        raise AnswerRefused(msg)
    if reply.is_cut:
        msg = f"the answer was cut off after {request.most_output_tokens} tokens"
        raise AnswerRefused(msg, hint="give it more tokens, or show it a smaller file")
    return Answer(
        value=parse(reply.text, schema),
        usage=reply.usage,
        request_hash=request.hash,
        model=reply.model or request.model,
        cost_usd=cost_usd,
        is_replayed=is_replayed,
    )


def open_model(settings: Settings, store: Database, scrubber: Scrubber) -> Client | None:
    """Return the model of the settings; None: none is configured, and nothing is ever sent.

    Args:
        settings: of this process; the key is in the variable that they name, and nowhere else.

        store: in the daemon's role.

        scrubber: of this installation.

    Raises:
        ConfigurationError: it is configured by half, or a key could be read on its way.
    """
    is_replaying = settings.llm_mode is LlmMode.REPLAY
    if settings.llm_provider is LlmProvider.NONE and not is_replaying:
        return None
    if not settings.llm_model:
        msg = "llm_model names no model"
        raise ConfigurationError(msg, hint="name it as its provider does")
    return Client(
        model=settings.llm_model,
        store=store,
        scrubber=scrubber,
        wire=None if is_replaying else _wire(settings),
        mode=settings.llm_mode,
        limits=Limits(settings.llm_budget_usd_day, settings.llm_budget_usd_ticket),
        prices=Prices.load(settings.price_file),
    )


def provider_of(settings: Settings) -> str:
    """Return who answers, as the table of prices calls them; empty: nobody."""
    host = urlsplit(_base_url(settings)).hostname or ""
    return _PROVIDERS.get(host, host)


def _base_url(settings: Settings) -> str:
    return settings.llm_base_url or _ADDRESSES.get(settings.llm_provider, "")


def _wire(settings: Settings) -> Wire:
    is_anthropic = settings.llm_provider is LlmProvider.ANTHROPIC
    return Wire(
        dialect=Anthropic() if is_anthropic else OpenAICompatible(),
        base_url=_base_url(settings),
        key=_key(settings.llm_key_variable),
    )


def _key(variable: str) -> str:
    """Return the key; empty: none is named, and none is sent.

    Raises:
        ConfigurationError: the variable is not there.
    """
    if not variable:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        msg = f"the variable {variable}, which llm_key_variable names, is not set"
        raise ConfigurationError(msg, hint="export it where honed runs; never write it in a file")
    return key
