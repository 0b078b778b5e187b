"""No budget is overrun, whoever asks at once and whoever dies."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.errors import BudgetExceeded, NotAllowed
from honed.llm.model import Budget
from honed.llm.prices import Price, Usage
from honed.llm.spending import Limits, Quote, Work, begin_call, end_call, expire, quote, reserve
from honed.storage.db import Database

LIMITS = Limits(usd_day=1.0, usd_ticket=0.5)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HASH = "0" * 64
PRICE = Price(
    provider="acme", model="m", valid_from=date(2026, 1, 1), source="a contract", input_usd=1.0,
    cached_input_usd=0.1, cache_write_usd=1.25, output_usd=10.0,
)  # fmt: skip


def work(usd: float, tail_usd: float = 0.0, ticket_id: int | None = None, **more: Any) -> Work:
    return Work("repair", usd, tail_usd=tail_usd, ticket_id=ticket_id, **more)


def draw(store: Database, budget: Budget, usd: float) -> int:
    with store.transaction() as conn:
        return begin_call(conn, budget, Quote(PRICE, usd), model="m", request_hash=HASH)


def end(store: Database, call_id: int, cost_usd: float | None) -> None:
    with store.transaction() as conn:
        end_call(conn, call_id, "answered", cost_usd, Usage(10, None, None, 5))


def one(store: Database, query: str) -> Any:
    with store.transaction() as conn:
        (row,) = conn.execute(query.encode())
    (value,) = row.values()
    return value


def ticket(store: Database, title: str = "a trouble") -> int:
    return int(one(store, f"SELECT honed.add_ticket('{title}')"))


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(BudgetExceeded) as raised:
        yield
    assert "USD" in str(raised.value)


def test_a_day_has_a_budget(daemon: Database) -> None:
    with reserve(daemon, LIMITS, work(0.6)), refused(), reserve(daemon, LIMITS, work(0.41)):
        pass
    # Nothing was drawn, so all of it is free again.
    with reserve(daemon, LIMITS, work(1.0)):
        pass


def test_a_ticket_has_a_budget_for_ever(store: Database, daemon: Database) -> None:
    first, second = ticket(store), ticket(store, "another")
    then = replace(daemon, fake_now=NOON)
    with reserve(then, LIMITS, work(0.4, ticket_id=first)) as budget:
        end(then, draw(then, budget, 0.3), 0.3)
    later = replace(daemon, fake_now=NOON + timedelta(days=3))
    with refused(), reserve(later, LIMITS, work(0.21, ticket_id=first)):
        pass
    with (
        reserve(later, LIMITS, work(0.2, ticket_id=first)),
        reserve(later, LIMITS, work(0.5, ticket_id=second)),
    ):
        pass


def test_a_new_day_is_a_new_budget_but_for_what_is_open(daemon: Database) -> None:
    evening = replace(daemon, fake_now=NOON.replace(hour=23, minute=50))
    morning = replace(daemon, fake_now=NOON + timedelta(hours=12, minutes=5))
    with reserve(evening, LIMITS, work(0.3)) as budget:
        end(evening, draw(evening, budget, 0.3), 0.3)
    with reserve(evening, LIMITS, work(0.6)):
        with refused(), reserve(morning, LIMITS, work(0.5)):
            pass
        with reserve(morning, LIMITS, work(0.4)):
            pass
    with reserve(morning, LIMITS, work(1.0)):
        pass


def test_the_end_of_the_work_has_what_it_needs(daemon: Database) -> None:
    with reserve(daemon, LIMITS, work(0.3, tail_usd=0.2)) as budget:
        with refused(), reserve(daemon, LIMITS, work(0.51)):
            pass
        end(daemon, draw(daemon, budget, 0.3), 0.3)
        with refused():
            draw(daemon, budget, 0.01)
        tail = replace(budget, is_tail=True)
        end(daemon, draw(daemon, tail, 0.2), 0.1)
        with refused():
            draw(daemon, tail, 0.11)
    assert one(daemon, "SELECT drawn_usd FROM honed.llm_spending") == Decimal("0.4")


def test_a_cost_that_is_not_known_counts_with_its_most(daemon: Database) -> None:
    with reserve(daemon, LIMITS, work(0.9)) as budget:
        end(daemon, draw(daemon, budget, 0.6), None)
    with refused(), reserve(daemon, LIMITS, work(0.41)):
        pass
    assert one(daemon, "SELECT cost_usd FROM honed.llm_call") is None


def test_what_a_provider_took_beyond_its_most_is_counted(daemon: Database) -> None:
    with reserve(daemon, LIMITS, work(0.1)) as budget:
        end(daemon, draw(daemon, budget, 0.1), 0.7)
        with refused(), reserve(daemon, LIMITS, work(0.31)):
            pass
        with refused():
            draw(daemon, budget, 0.01)


def test_who_died_has_spent_what_was_drawn(daemon: Database) -> None:
    at = replace(daemon, fake_now=NOON)
    later = replace(daemon, fake_now=NOON + timedelta(minutes=2))
    with ExitStack() as never_left:
        died = never_left.enter_context(reserve(at, LIMITS, work(0.8, lifetime_s=60)))
        late = draw(at, died, 0.3)
        with refused(), reserve(at, LIMITS, work(0.3)):
            pass
        # Its time is over: what was in flight counts with its most, the rest is free.
        with reserve(later, LIMITS, work(0.7)), refused(), reserve(later, LIMITS, work(0.01)):
            pass
        with pytest.raises(BudgetExceeded, match="has ended"):
            draw(later, died, 0.1)
        assert one(later, "SELECT state FROM honed.llm_spending WHERE drawn_usd > 0") == "expired"
        # What is heard of it after all is better than its most.
        end(later, late, 0.1)
        with reserve(later, LIMITS, work(0.9)):
            pass


def test_reservations_of_the_dead_are_ended_once(daemon: Database) -> None:
    at = replace(daemon, fake_now=NOON)
    later = replace(daemon, fake_now=NOON + timedelta(hours=2))
    with reserve(at, LIMITS, work(0.1)), later.transaction() as conn:
        assert (expire(conn), expire(conn)) == (1, 0)


def at_once(number: int, act: Callable[[], bool]) -> int:
    """Return how many of so many threads, which begin together, had success."""
    start = threading.Barrier(number)

    def run() -> bool:
        start.wait(30)
        return act()

    with ThreadPoolExecutor(number) as threads:
        runs = [threads.submit(run) for _ in range(number)]
        return sum(each.result() for each in runs)


def test_many_that_reserve_at_once_do_not_overrun(store: Database, daemon: Database) -> None:
    ticket_id = ticket(store)

    with ExitStack() as open_until_the_end:

        def try_it() -> bool:
            with suppress(BudgetExceeded):
                open_until_the_end.enter_context(
                    reserve(daemon, LIMITS, work(0.04, 0.01, ticket_id=ticket_id))
                )
                return True
            return False

        assert at_once(24, try_it) == 10
        assert one(daemon, "SELECT sum(reserved_usd) FROM honed.llm_spending") == Decimal("0.5")


def test_many_that_draw_at_once_do_not_overrun(daemon: Database) -> None:
    with reserve(daemon, LIMITS, work(0.5, 0.2)) as budget:

        def try_it() -> bool:
            with suppress(BudgetExceeded):
                draw(daemon, budget, 0.1)
                return True
            return False

        assert at_once(16, try_it) == 5


def test_another_transaction_waits_for_the_first_and_sees_it(daemon: Database) -> None:
    asked = "SELECT honed.reserve_llm_spending(null, 'w', 0.6, 0, 1.0, 0.5)"
    with daemon.connect() as first, daemon.connect() as second:
        first.execute(asked.encode())
        second.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            second.execute(asked.encode())
        second.rollback()
        first.commit()
        with pytest.raises(psycopg.Error) as over:
            second.execute(asked.encode())
        second.rollback()
    assert over.value.sqlstate == "HN402"


def test_an_older_view_of_the_store_fails_and_does_not_overrun(daemon: Database) -> None:
    asked = "SELECT honed.reserve_llm_spending(null, 'w', 0.6, 0, 1.0, 0.5)"
    with daemon.connect() as old, daemon.connect() as new:
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM honed.llm_spending")
        new.execute(asked.encode())
        new.commit()
        with pytest.raises(psycopg.errors.SerializationFailure):
            old.execute(asked.encode())
        old.rollback()


def test_an_operator_limits_whatever_the_settings_say(store: Database, daemon: Database) -> None:
    operator = replace(store, role="honed_operator")
    with operator.transaction() as conn:
        conn.execute("SELECT honed.limit_llm_spending(usd_day => 0.2)")
    with refused(), reserve(daemon, Limits(100.0, 100.0), work(0.21)):
        pass
    with reserve(daemon, Limits(100.0, 100.0), work(0.2)):
        (row,) = [dict(one_row) for one_row in budget_rows(store)]
    assert row["reserved_usd"] == Decimal("0.2")
    assert row["limit_usd_day"] == Decimal("0.2")


def budget_rows(store: Database) -> list[dict[str, Any]]:
    with replace(store, role="honed_viewer").transaction() as conn:
        return conn.execute("SELECT * FROM honed.llm_budget").fetchall()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT honed.limit_llm_spending(1000)",
        "UPDATE honed.llm_limit SET usd_day = 1000",
        "UPDATE honed.llm_spending SET drawn_usd = 0",
        "DELETE FROM honed.llm_call",
        "UPDATE honed.llm_call SET cost_usd = 0",
    ],
)
def test_who_spends_cannot_raise_its_limit(daemon: Database, statement: str) -> None:
    with pytest.raises(NotAllowed), daemon.transaction() as conn:
        conn.execute(statement.encode())


@pytest.mark.parametrize(
    "arguments",
    [
        "null, 'w', -1, 0, 1, 1", "null, 'w', 'NaN', 0, 1, 1", "null, 'w', 'Infinity', 0, 1, 1",
        "null, 'w', 1, -1, 1, 1", "null, 'w', 1, 0, null, 1", "null, 'w', null, 0, 1, 1",
        "null, 'w', 1, 0, 1, 1, interval '2 days'", "null, 'w', 1, 0, 1, 1, null",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_not_reserved(daemon: Database, arguments: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue), daemon.transaction() as conn:
        conn.execute(f"SELECT honed.reserve_llm_spending({arguments})".encode())


TOKENS = st.integers(0, 10**7)


@given(asked=TOKENS, said=TOKENS, cached=st.floats(0, 1), written=st.floats(0, 1))
def test_no_request_costs_more_than_its_quote(
    asked: int, said: int, cached: float, written: float
) -> None:
    offer = quote(PRICE, Usage(input_tokens=asked, output_tokens=said))
    from_cache = int(asked * cached)
    into_cache = int((asked - from_cache) * written)
    cost = PRICE.cost_usd(Usage(asked, from_cache, into_cache, said))
    assert offer is not None
    assert cost is not None
    assert cost <= offer.usd


def test_what_has_no_price_has_no_quote() -> None:
    most = Usage(input_tokens=1, output_tokens=1)
    assert quote(None, most) is None
    assert quote(replace(PRICE, input_usd=None), most) is None
    assert quote(replace(PRICE, output_usd=None), most) is None
