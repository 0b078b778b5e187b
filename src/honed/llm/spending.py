"""What language models may cost: reserved before, drawn on by each request, settled at the end.

The limits hold in the database: two that reserve at once see each other, and whoever dies with a
reservation has spent what was drawn, a request without an end at the most that it can cost.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from honed.errors import BudgetExceeded
from honed.llm.model import Budget
from honed.llm.prices import Price, Usage
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.llm")


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be spent at most, in US dollars; the store's own limit holds beside."""

    usd_day: float
    usd_ticket: float


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work that asks language models.

    Args:
        purpose: in a word.

        usd: what it may spend before its end, in US dollars.

        tail_usd: what its end needs beside: validating and publishing. Nothing else uses it up.

        ticket_id: what it is for; None: no ticket.

        lifetime_s: after so long its reservation ends, as if whoever made it had died.
    """

    purpose: str
    usd: float
    tail_usd: float = 0.0
    ticket_id: int | None = None
    lifetime_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Quote:
    """What one request costs at most."""

    price: Price
    usd: float


def quote(price: Price | None, most: Usage) -> Quote | None:
    """Return what a request with at most so many tokens costs at most; None: it is not known.

    Input that is written into a cache may be dearer than other input, so the dearest rate counts.
    """
    if price is None or price.input_usd is None or price.output_usd is None:
        return None
    asked, said = most.input_tokens or 0, most.output_tokens or 0
    ways = (
        Usage(input_tokens=asked, output_tokens=said),
        Usage(input_tokens=asked, cache_write_tokens=asked, output_tokens=said),
    )
    return Quote(price, max(cost for way in ways if (cost := price.cost_usd(way)) is not None))


@contextmanager
def reserve(store: Database, limits: Limits, work: Work) -> Iterator[Budget]:
    """Hand out a budget for a piece of work; settle it at the end, whatever happens.

    ``dataclasses.replace`` makes budgets with other limits of tokens and time on the same
    reservation; one with ``is_tail`` may use the tail, too.

    Args:
        store: in the daemon's role.

        limits: those of the settings.

        work: what is reserved, and for what.

    Raises:
        BudgetExceeded: the day's budget or the ticket's has no room for both.
    """
    with store.transaction() as conn:
        (row,) = conn.execute(
            _QUERIES["reserve"],
            {
                "ticket_id": work.ticket_id,
                "purpose": work.purpose,
                "usd": _exact(work.usd),
                "tail_usd": _exact(work.tail_usd),
                "day_limit_usd": _exact(limits.usd_day),
                "ticket_limit_usd": _exact(limits.usd_ticket),
                "lifetime_s": work.lifetime_s,
            },
        )
    budget = Budget(row["spending_id"])
    try:
        yield budget
    finally:
        with store.transaction() as conn:
            settle(conn, budget)


def settle(conn: Connection, budget: Budget) -> float:
    """End a reservation, free what is left of it, and return what was spent at most."""
    (row,) = conn.execute(_QUERIES["settle"], {"spending_id": budget.spending_id})
    return float(row["spent_usd"])


def begin_call(
    conn: Connection, budget: Budget, offer: Quote, *, model: str, request_hash: str
) -> int:
    """Draw the most that a request can cost, before it is sent; return the call's id.

    Raises:
        BudgetExceeded: there is not so much left, or nothing was reserved, or its time is over.
    """
    if budget.spending_id is None:
        msg = "nothing is reserved for this request"
        raise BudgetExceeded(msg, hint="reserve a budget first (honed.llm.spending.reserve)")
    said = {
        "spending_id": budget.spending_id,
        "is_tail": budget.is_tail,
        "provider": offer.price.provider,
        "model": model,
        "request_hash": request_hash,
        "price": json.dumps(offer.price.plain()),
        "most_usd": _exact(offer.usd),
    }
    (row,) = conn.execute(_QUERIES["begin_call"], said)
    return int(row["call_id"])


def end_call(
    conn: Connection, call_id: int, outcome: str, cost_usd: float | None, usage: Usage
) -> None:
    """Say what a request cost; None: it is not known and counts with the most that it can."""
    said = {
        "call_id": call_id,
        "outcome": outcome,
        "cost_usd": None if cost_usd is None else _exact(cost_usd),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
    }
    conn.execute(_QUERIES["end_call"], said)


def expire(conn: Connection) -> int:
    """End reservations whose time is over; return how many."""
    (row,) = conn.execute(_QUERIES["expire"])
    return int(row["expired"])


def _exact(usd: float) -> Decimal:
    """Return an amount as it is written: sums of those are exact."""
    return Decimal(repr(float(usd)))
