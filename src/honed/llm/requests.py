"""Prompts from SQL (``honed.generate_text``), answered one after the other by a worker."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from honed.errors import LanguageModelError, ModelUnavailable
from honed.llm.client import Client
from honed.llm.model import Answer, Message, Role
from honed.llm.spending import Work, expire
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.llm")
_LOG = logging.getLogger(__name__)

_TIMEOUT_S: Final = 60.0
#: Whoever has not answered by then has died.
_LEASE_S: Final = 3 * _TIMEOUT_S
#: Pause after a provider was away.
_PAUSE_S: Final = 30.0
_MOST_ATTEMPTS: Final = 3
_MOST_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class _TextRequest:
    """One prompt that was taken up."""

    request_id: int
    prompt: str
    max_tokens: int
    ticket_id: int | None
    attempts: int


def answer_requests(
    store: Database, client: Client, *, is_ending: Callable[[], bool] = lambda: False
) -> int:
    """Answer the prompts that wait, some at most, and return how many were taken up.

    What a prompt costs counts against the day's budget and its ticket's. A provider that is away
    is asked again some seconds later, three times in all; everything else that goes wrong is told
    to whoever asked.

    Args:
        store: in the daemon's role.

        client: what answers.

        is_ending: asked before each prompt.

    Raises:
        StoreUnavailable: the store does not answer; a prompt that was taken up comes again.
    """
    with store.transaction() as conn:
        expire(conn)
    for taken in range(_MOST_AT_ONCE):
        request = None if is_ending() else _claim(store)
        if request is None:
            return taken
        _settle(store, request, client)
    return _MOST_AT_ONCE


def _claim(store: Database) -> _TextRequest | None:
    with store.transaction() as conn:
        row = conn.execute(_QUERIES["claim_text"], {"lease_s": _LEASE_S}).fetchone()
    return _TextRequest(**row) if row else None


def _settle(store: Database, request: _TextRequest, client: Client) -> None:
    """Answer one prompt, or say why not."""
    is_last = request.attempts >= _MOST_ATTEMPTS
    if request.attempts > _MOST_ATTEMPTS:
        return _end(store, request, error="whoever answered it died, again and again")
    try:
        answer = _asked(store, request, client)
    except ModelUnavailable as error:
        if is_last:
            return _end(store, request, error=str(error), hint=error.hint)
        with store.transaction() as conn:
            _write(conn, "postpone_text", request, pause_s=_PAUSE_S)
        return None
    except LanguageModelError as error:
        return _end(store, request, error=str(error), hint=error.hint)
    return _end(store, request, answer)


def _asked(store: Database, request: _TextRequest, client: Client) -> Answer[str]:
    """Return the answer; the prompt is kept as it is sent, from then on."""
    messages = [Message(Role.USER, client.clean(request.prompt))]
    with store.transaction() as conn:
        _write(conn, "scrub_text", request, prompt=messages[0].text)
    usd = client.most_usd(messages, str, request.max_tokens)
    work = Work("generate_text", usd, ticket_id=request.ticket_id)
    with client.reserve(work) as budget:
        allowed = replace(budget, most_output_tokens=request.max_tokens, timeout_s=_TIMEOUT_S)
        return client.complete(messages, str, allowed)


def _end(
    store: Database,
    request: _TextRequest,
    answer: Answer[str] | None = None,
    error: str = "",
    hint: str = "",
) -> None:
    with store.transaction() as conn:
        _write(
            conn,
            "end_text",
            request,
            answer=answer.value if answer else None,
            model=answer.model if answer else "",
            cost_usd=answer.cost_usd if answer else None,
            error=error,
            hint=hint,
        )


def _write(conn: Connection, query: str, request: _TextRequest, **values: Any) -> None:  # noqa: ANN401 - whatever a query takes
    known = {"request_id": request.request_id, "attempts": request.attempts}
    conn.execute(_QUERIES[query], {**known, **values})
