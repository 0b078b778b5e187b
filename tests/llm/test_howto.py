"""What the how-to says of language models is so."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.llm.conftest import FakeProvider, MakeClient

from honed.config import Settings
from honed.llm.prices import Prices
from honed.llm.requests import answer_requests
from honed.storage.db import Database

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "use-a-language-model.md"
FENCED = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def blocks(language: str) -> list[str]:
    found = FENCED.findall(HOWTO.read_text(encoding="utf-8"))
    return [body for name, body in found if name == language]


def test_a_price_of_ones_own_is_found(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    (row,) = blocks("toml")
    own.write_text(row, encoding="utf-8")
    price = Prices.load(own).find("localhost", "qwen2.5-coder", NOW, 100)
    assert price is not None
    assert price.output_usd == 0.0
    assert Prices.load().find("anthropic", "claude-haiku-4-5", NOW, 100) is not None


def test_every_variable_is_one_of_a_setting() -> None:
    named = set(re.findall(r"HONED_(\w+)=", HOWTO.read_text(encoding="utf-8")))
    assert named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_limits_are_set_and_prompts_answered_from_psql(
    make_client: MakeClient, provider: FakeProvider, store: Database, daemon: Database
) -> None:
    provider.says = "It frees the space of dead rows."
    limits, prompts = (
        [each.strip() for each in block.split(";\n") if each.strip()] for block in blocks("sql")
    )
    operator = replace(store, role="honed_operator")
    for statement in (*limits, prompts[0]):
        with operator.transaction() as conn:
            conn.execute(statement.encode())
    answer_requests(daemon, make_client())
    with operator.transaction() as conn:
        (row,) = conn.execute(prompts[1].encode())
        assert list(row.values()) == [provider.says]
        (budget,) = conn.execute("SELECT * FROM honed.llm_budget")
    assert (budget["limit_usd_day"], budget["limit_usd_ticket"]) == (5, 1)
    assert budget["spent_today_usd"] > 0
