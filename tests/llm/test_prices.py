"""A price is found for its model, time and size, or it is unknown; an unknown one is never 0."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from honed.errors import ConfigurationError
from honed.llm.prices import Price, Prices, Usage

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ROW = """
[[price]]
provider = "{provider}"
model = "{model}"
valid_from = {valid_from}
input_usd = {input_usd}
output_usd = 2.0
source = "the contract"
"""


def price(**changes: object) -> Price:
    said = {
        "provider": "openai", "model": "m", "valid_from": date(2026, 1, 1), "source": "a page",
        "input_usd": 1.0, "cached_input_usd": 0.1, "cache_write_usd": 2.0, "output_usd": 10.0,
    }  # fmt: skip
    return Price(**{**said, **changes})  # type: ignore[arg-type]  # checked by pydantic


def row(
    provider: str = "acme", model: str = "m", valid_from: str = "2026-01-01", input_usd: float = 1
) -> str:
    return ROW.format(provider=provider, model=model, valid_from=valid_from, input_usd=input_usd)


def test_every_row_that_is_shipped_says_where_it_was_read() -> None:
    (table,) = Prices.load()._tables
    assert len(table) >= 10
    for each in table:
        assert each.source.startswith("https://")
        assert each.input_usd is not None
        assert each.output_usd is not None
        assert each.cached_input_usd is None or each.cached_input_usd < each.input_usd


def test_a_shipped_price_is_found() -> None:
    found = Prices.load().find("openai", "gpt-6.2-sol", NOW, 1_000)
    assert found is not None
    assert (found.input_usd, found.output_usd) == (2.0, 10.0)
    long = Prices.load().find("openai", "gpt-6.2-sol", NOW, 272_001)
    assert long is not None
    assert (long.input_usd, long.output_usd) == (4.0, 15.0)


def test_cached_and_written_tokens_have_prices_of_their_own() -> None:
    usage = Usage(input_tokens=1_000, cached_tokens=600, cache_write_tokens=100, output_tokens=50)
    expected = (300 * 1.0 + 600 * 0.1 + 100 * 2.0 + 50 * 10.0) / 1_000_000
    assert price().cost_usd(usage) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("row", "usage"),
    [
        (price(), Usage()),
        (price(), Usage(input_tokens=1)),
        (price(), Usage(output_tokens=1)),
        (price(input_usd=None), Usage(1, None, None, 1)),
        (price(cached_input_usd=None), Usage(2, 1, None, 1)),
        (price(cache_write_usd=None), Usage(2, None, 1, 1)),
        (price(output_usd=None), Usage(1, None, None, 1)),
    ],
)
def test_what_is_not_told_makes_the_cost_unknown(row: Price, usage: Usage) -> None:
    assert row.cost_usd(usage) is None


def test_a_price_that_is_not_needed_may_be_unknown() -> None:
    assert price(cached_input_usd=None).cost_usd(Usage(2, 0, 0, 1)) is not None
    assert price(output_usd=None).cost_usd(Usage(2, 0, 0, 0)) is not None


def test_a_price_holds_from_its_day_on() -> None:
    prices = Prices([price(input_usd=1.0), price(input_usd=2.0, valid_from=date(2026, 6, 1))])
    days = {
        datetime(2025, 12, 31, 23, 59, tzinfo=UTC): None,
        datetime(2026, 1, 1, tzinfo=UTC): 1.0,
        datetime(2026, 5, 31, 23, 59, tzinfo=UTC): 1.0,
        datetime(2026, 6, 1, tzinfo=UTC): 2.0,
    }
    for at, expected in days.items():
        found = prices.find("openai", "m", at, 1)
        assert (found.input_usd if found else None) == expected


@pytest.mark.parametrize(
    "model", ["m", "M", "m-2026-11-17", "m-20261117", "m@20261117", "m-latest"]
)
def test_a_model_is_met_under_its_versions(model: str) -> None:
    assert Prices([price()]).find("OpenAI", model, NOW, 1) is not None


@pytest.mark.parametrize("model", ["m-pro", "m-2026", "n", "", "pro/m"])
def test_another_model_is_not_met(model: str) -> None:
    assert Prices([price()]).find("openai", model, NOW, 1) is None


def test_the_whole_name_comes_before_a_part_of_it() -> None:
    rows = [
        price(model="*", input_usd=1.0),
        price(model="m-*", input_usd=2.0),
        price(model="m-a", input_usd=3.0),
    ]
    found = {model: Prices(rows).find("openai", model, NOW, 1) for model in ("x", "m-b", "m-a")}
    assert [each.input_usd for each in found.values() if each] == [1.0, 2.0, 3.0]


def test_the_users_own_prices_come_first(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(row("openai", "gpt-6.2-sol", input_usd=1.5) + row("acme", "big-*"))
    prices = Prices.load(own)
    found = prices.find("openai", "gpt-6.2-sol", NOW, 1)
    assert found is not None
    assert (found.input_usd, found.source) == (1.5, "the contract")
    assert prices.find("acme", "big-7", NOW, 1) is not None
    assert prices.find("anthropic", "claude-opus-5", NOW, 1) is not None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[price", "not TOML"),
        ("", "has no rows"),
        ("price = 1", "price"),
        (row(input_usd=-1), "negative"),
        (row(valid_from='"soon"'), "valid_from"),
        (row() + 'color = "red"', "color"),
        (row().replace('source = "the contract"', ""), "source"),
        (row() + "\n[other]\n", "beside its rows"),
        (row().replace("= 2.0", "= nan"), "output_usd"),
    ],
)
def test_a_file_that_is_no_table_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(text)
    with pytest.raises(ConfigurationError, match=complaint) as refused:
        Prices.load(own)
    assert "prices.toml" in refused.value.hint


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Prices.load(tmp_path / "none.toml")


def test_a_row_is_stored_as_it_is_known() -> None:
    assert price(cache_write_usd=None).plain() == {
        "provider": "openai", "model": "m", "valid_from": "2026-01-01", "source": "a page",
        "input_usd": 1.0, "cached_input_usd": 0.1, "output_usd": 10.0, "above_input_tokens": 0,
    }  # fmt: skip
