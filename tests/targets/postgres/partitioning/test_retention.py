"""What may be configured as a retention, and that the how-to configures it."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from honed.config import Settings

HOWTO = Path(__file__).parents[4] / "docs" / "howto" / "partition-a-growing-table.md"


def retention(value: dict[str, Any]) -> dict[str, str]:
    return Settings.model_validate({"partition_retention": value}).partition_retention


def test_what_the_how_to_says_is_a_configuration() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", HOWTO.read_text(encoding="utf-8"), re.DOTALL)
    configured = tomllib.loads(block)["partition_retention"]
    assert retention(configured) == {
        "shop.public.event": "13 months",
        "shop.public.message": "50000000",
    }


@pytest.mark.parametrize(
    ("table", "value"),
    [
        ("public.event", "13 months"),
        ("shop.public.event", "forever"),
        ("shop.public.event", "0"),
        ("shop.public.event", "-3 months"),
        ("shop.public.event", "3 months; DROP TABLE event"),
    ],
)
def test_what_names_no_target_or_no_time_is_refused(table: str, value: str) -> None:
    with pytest.raises(ValidationError):
        retention({table: value})
