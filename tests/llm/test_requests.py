"""Prompts from SQL are answered within the same budget, once each, and only to whoever asked."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from tests.llm.conftest import MODEL, FakeProvider, MakeClient, status

from honed.config import LlmMode, LlmProvider
from honed.errors import NotAllowed
from honed.llm.requests import answer_requests
from honed.loop.daemon import Keeper
from honed.storage.db import Database
from honed.storage.server import Server
from honed.testing.pets import PetShop

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
WAIT_S = 60


@pytest.fixture
def asker(store: Database, postgres_server: Server) -> Iterator[Database]:
    """Return the store for a login that may ask, and nothing else."""
    with store.transaction() as conn:
        (row,) = conn.execute("SELECT current_database() AS name")
        conn.execute("CREATE ROLE ann_of_texts LOGIN IN ROLE honed_asker")
    yield Database(postgres_server.url(row["name"], user="ann_of_texts"))
    with store.transaction() as conn:
        conn.execute("DROP ROLE ann_of_texts")


@pytest.fixture(autouse=True)
def _speaks(provider: FakeProvider) -> None:
    provider.says = "Hello."


def one(store: Database, query: str, *values: Any) -> Any:
    with store.transaction() as conn:
        (row,) = conn.execute(query.encode(), values)
    (value,) = row.values()
    return value


def ask(store: Database, prompt: str = "Say hello.", **more: Any) -> int:
    query = "SELECT honed.generate_text(%s, max_tokens => %s, ticket_id => %s)"
    return int(one(store, query, prompt, more.get("max_tokens", 100), more.get("ticket_id")))


def answer(store: Database, request_id: int, wait_s: float = 0) -> Any:
    return one(
        store, "SELECT honed.generated_text(%s, make_interval(secs => %s))", request_id, wait_s
    )


def request(store: Database, request_id: int) -> dict[str, Any]:
    with store.transaction() as conn:
        query = "SELECT * FROM honed.text_request WHERE request_id = %s"
        (row,) = conn.execute(query, [request_id])
        return row


def test_a_prompt_from_sql_is_answered(
    make_client: MakeClient, store: Database, daemon: Database, asker: Database
) -> None:
    request_id = ask(asker)
    assert answer(asker, request_id) is None
    assert answer_requests(daemon, make_client()) == 1
    assert answer(asker, request_id) == "Hello."
    row = request(store, request_id)
    assert (row["model"], row["requested_by"]) == (MODEL, "ann_of_texts")
    assert row["cost_usd"] > 0
    assert answer_requests(daemon, make_client()) == 0


def test_whoever_waits_is_told_at_once(
    make_client: MakeClient, daemon: Database, asker: Database
) -> None:
    with asker.connect(autocommit=True) as listening, ThreadPoolExecutor(1) as thread:
        listening.execute("LISTEN honed_generated_text")
        request_id = ask(asker)
        waiting = thread.submit(answer, asker, request_id, WAIT_S)
        answer_requests(daemon, make_client())
        (told,) = listening.notifies(timeout=WAIT_S, stop_after=1)
        assert told.payload == str(request_id)
        assert waiting.result(WAIT_S) == "Hello."


def test_a_prompt_is_kept_as_it_is_sent(
    make_client: MakeClient, store: Database, daemon: Database, provider: FakeProvider
) -> None:
    request_id = ask(store, "Write to ann@shop.example with password=hunter2")
    answer_requests(daemon, make_client())
    kept = request(store, request_id)["prompt"]
    for text in (kept, str(provider.asked[0].body)):
        assert "<email:" in text
        assert "ann@" not in text
        assert "hunter2" not in text


def test_each_prompt_is_answered_once_by_however_many(
    make_client: MakeClient, store: Database, daemon: Database, provider: FakeProvider
) -> None:
    asked = [ask(store, f"Say {number}.") for number in range(6)]
    client = make_client()
    with ThreadPoolExecutor(3) as workers:
        taken = workers.map(lambda _: answer_requests(daemon, client), range(3))
        assert sum(taken) == 6
    assert len(provider.asked) == 6
    assert [answer(store, each) for each in asked] == ["Hello."] * 6


def test_the_budget_is_that_of_all(
    make_client: MakeClient, store: Database, daemon: Database, provider: FakeProvider
) -> None:
    ticket_id = one(store, "SELECT honed.add_ticket('a trouble')")
    with store.transaction() as conn:
        conn.execute("SELECT honed.limit_llm_spending(usd_ticket => 0)")
    for_ticket, for_nobody = ask(store, ticket_id=ticket_id), ask(store)
    assert answer_requests(daemon, make_client()) == 2
    assert provider.asked[0].body["max_tokens"] == 100
    assert len(provider.asked) == 1
    assert answer(store, for_nobody) == "Hello."
    with pytest.raises(psycopg.errors.ExternalRoutineException) as failed:
        answer(store, for_ticket)
    assert "no room" in str(failed.value)
    assert "llm_budget" in str(failed.value.diag.message_hint)


def test_a_provider_that_is_away_is_asked_again_later(
    make_client: MakeClient, store: Database, daemon: Database, provider: FakeProvider
) -> None:
    provider.acts = [status(503, Retry_After="0")] * 4
    request_id = ask(replace(store, fake_now=NOON))
    at = replace(daemon, fake_now=NOON)
    client = make_client(store=at)
    assert answer_requests(at, client) == 1
    assert request(store, request_id)["state"] == "waiting"
    assert answer_requests(at, client) == 0
    later = replace(daemon, fake_now=NOON + timedelta(seconds=40))
    assert answer_requests(later, make_client(store=later)) == 1
    assert answer(store, request_id) == "Hello."


def test_a_provider_that_stays_away_is_told(
    make_client: MakeClient, store: Database, daemon: Database, provider: FakeProvider
) -> None:
    provider.acts = [status(503, Retry_After="0")] * 12
    request_id = ask(replace(store, fake_now=NOON))
    for minutes in range(3):
        later = replace(daemon, fake_now=NOON + timedelta(minutes=minutes))
        answer_requests(later, make_client(store=later))
    row = request(store, request_id)
    assert (row["state"], row["attempts"]) == ("failed", 3)
    assert "in trouble" in row["error"]


def test_who_died_with_a_prompt_is_followed_by_another_three_times(
    make_client: MakeClient, store: Database, daemon: Database
) -> None:
    request_id = ask(replace(store, fake_now=NOON))

    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    for minutes in (0, 10, 20):
        at = replace(daemon, fake_now=NOON + timedelta(minutes=minutes))
        client = make_client(store=at)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(client.wire), "send", kill)
            with pytest.raises(Killed):
                answer_requests(at, client)
        assert answer_requests(at, client) == 0
    last = replace(daemon, fake_now=NOON + timedelta(minutes=30))
    assert answer_requests(last, make_client(store=last)) == 1
    assert "died" in request(store, request_id)["error"]


def test_answers_are_for_whoever_asked_and_for_operators(
    make_client: MakeClient, store: Database, daemon: Database, asker: Database
) -> None:
    mine, theirs = ask(asker), ask(store)
    answer_requests(daemon, make_client())
    assert answer(asker, mine) == answer(store, mine) == "Hello."
    with pytest.raises(Exception, match=r"no request .* of yours"):
        answer(asker, theirs)


@pytest.mark.parametrize("role", ["honed_viewer", "honed_daemon", "honed_intake"])
def test_not_everybody_may_ask(store: Database, role: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        ask(replace(store, role=role))
    assert "honed_asker" in refused.value.hint


@pytest.mark.parametrize("table", ["text_request", "llm_recording", "llm_spending", "ticket"])
def test_who_may_ask_may_read_nothing_else(asker: Database, table: str) -> None:
    with pytest.raises(NotAllowed), asker.transaction() as conn:
        conn.execute(f"SELECT FROM honed.{table}".encode())
    with asker.transaction() as conn:
        (row,) = conn.execute(
            "SELECT has_table_privilege('honed_viewer', 'honed.text_request', 'SELECT') AS may"
        )
    assert row["may"] is False


@pytest.mark.parametrize(
    ("prompt", "max_tokens"),
    [("", 10), (" \n", 10), (None, 10), ("x" * 100_001, 10), ("x", 0), ("x", 8193), ("x", None)],
)
def test_a_prompt_has_bounds(store: Database, prompt: Any, max_tokens: Any) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        ask(store, prompt, max_tokens=max_tokens)


def test_nobody_fills_the_queue(asker: Database, store: Database) -> None:
    with asker.transaction() as conn:
        conn.execute("SELECT honed.generate_text('x') FROM generate_series(1, 100)")
    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
        ask(asker)
    ask(store)


def test_a_worker_that_ends_takes_nothing_more(
    make_client: MakeClient, store: Database, daemon: Database
) -> None:
    request_id = ask(store)
    assert answer_requests(daemon, make_client(), is_ending=lambda: True) == 0
    assert request(store, request_id)["state"] == "waiting"


def test_the_daemon_answers_where_a_model_is_configured(
    pet_shop: PetShop, provider: FakeProvider, tmp_path: Any
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(
        f'[[price]]\nprovider = "127.0.0.1"\nmodel = "{MODEL}"\nvalid_from = 2026-01-01\n'
        'input_usd = 0\noutput_usd = 0\nsource = "my own machine"\n',
        encoding="utf-8",
    )
    shop_settings = pet_shop.settings.model_copy(
        update={
            "llm_provider": LlmProvider.OPENAI, "llm_base_url": provider.url("/v1"),
            "llm_model": MODEL, "price_file": prices, "llm_mode": LlmMode.RECORD,
        }
    )  # fmt: skip
    parts = replace(pet_shop.parts, settings=shop_settings)
    request_id = ask(pet_shop.store)
    keeper: Callable[..., Keeper] = Keeper
    keeper(parts, list, begins_cycles=True).answer_texts()
    assert answer(pet_shop.store, request_id) == "Hello."


def test_a_wrong_configuration_is_logged_and_ends_nothing(
    pet_shop: PetShop, caplog: pytest.LogCaptureFixture
) -> None:
    settings = pet_shop.settings.model_copy(update={"llm_provider": LlmProvider.OPENAI})
    keeper = Keeper(replace(pet_shop.parts, settings=settings), list, begins_cycles=True)
    keeper.answer_texts()
    assert "llm_model names no model" in caplog.text
