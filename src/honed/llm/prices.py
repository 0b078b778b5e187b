"""What requests to models cost: a table of prices, each with the day from which it holds."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from fnmatch import translate
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Self

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from honed.core.canonical import Json
from honed.errors import ConfigurationError

#: Tokens that a price is for.
_PER_TOKENS = 1_000_000
#: A dollar has so many digits behind the point: what is finer is noise of the arithmetic.
_DIGITS = 12
#: What providers set behind the name of a model: ``-2026-11-17``, ``-20251001``, ``@20251001``.
_VERSION = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$")
_MODELS = 1_024


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one request; None: not told."""

    #: All of the input, with what came from a cache and what was written into one.
    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    #: With those of reasoning.
    output_tokens: int | None = None


@checked(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Price:
    """One row of the table, in US dollars per million tokens; None: not known."""

    provider: str
    model: str
    valid_from: date
    source: str
    input_usd: float | None = None
    cached_input_usd: float | None = None
    cache_write_usd: float | None = None
    output_usd: float | None = None
    #: It holds for requests with more input only.
    above_input_tokens: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no price.

        Raises:
            ValueError: one is negative.
        """
        if any(each is not None and each < 0 for each in self._rates()):
            msg = "a price is negative"
            raise ValueError(msg)

    def _rates(self) -> tuple[float | None, ...]:
        return self.input_usd, self.cached_input_usd, self.cache_write_usd, self.output_usd

    def cost_usd(self, usage: Usage) -> float | None:
        """Return what the request costs; None where tokens or a price are not known."""
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
        tokens = (usage.input_tokens - cached - written, cached, written, usage.output_tokens)
        cost = 0.0
        for number, rate in zip(tokens, self._rates(), strict=True):
            if number and rate is None:
                return None
            cost += number * (rate or 0.0)
        return round(cost / _PER_TOKENS, _DIGITS)

    def plain(self) -> Json:
        """Return the row as JSON, without what it does not say."""
        row = {**asdict(self), "valid_from": self.valid_from.isoformat()}
        return {name: value for name, value in row.items() if value is not None}


_ROWS = TypeAdapter(list[Price])


class Prices:
    """The table: which price holds for a model at a time."""

    def __init__(self, *tables: Iterable[Price]) -> None:
        """Look into each of ``tables``, the first that knows the model."""
        self._tables = tuple(tuple(table) for table in tables)
        self._of_model = lru_cache(_MODELS)(self._find)

    @classmethod
    def load(cls, own: Path | None = None) -> Self:
        """Return the prices that honed comes with, after those of a file of the user's.

        Raises:
            ConfigurationError: the file is not there, or not a table of prices.
        """
        shipped = resources.files(__package__).joinpath("prices.toml").read_text(encoding="utf-8")
        tables = [_rows(tomllib.loads(shipped))]
        if own is not None:
            tables.insert(0, _read(own))
        return cls(*tables)

    def find(self, provider: str, model: str, at: datetime, input_tokens: int) -> Price | None:
        """Return the price of a request of that time and size; None: it is not known."""
        for table in self._of_model(provider.lower(), model.lower()):
            begun = [row for row in table if _begins(row) <= at]
            newest = max((row.valid_from for row in begun), default=None)
            fits = [
                row
                for row in begun
                if row.valid_from == newest
                and (not row.above_input_tokens or input_tokens > row.above_input_tokens)
            ]
            if fits:
                return max(fits, key=lambda row: row.above_input_tokens)
        return None

    def _find(self, provider: str, model: str) -> list[list[Price]]:
        """Return the rows for a model, those of one pattern together, the best pattern first."""
        names = (model, _VERSION.sub("", model))
        found: list[list[Price]] = []
        for table in self._tables:
            patterns: dict[tuple[str, str], list[Price]] = {}
            for row in table:
                if _fits(row.provider, provider) and any(_fits(row.model, name) for name in names):
                    patterns.setdefault((row.provider, row.model), []).append(row)
            best = sorted(patterns, key=_preciseness, reverse=True)
            found += [patterns[each] for each in best]
        return found


def _preciseness(pattern: tuple[str, str]) -> tuple[bool, int]:
    """Return a pattern's rank: a whole name before a part of one, more of it before less."""
    provider, model = pattern
    return "*" not in model, len(provider) + len(model)


def _fits(pattern: str, name: str) -> bool:
    return _pattern(pattern.lower()).match(name) is not None


@lru_cache(_MODELS)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


def _begins(row: Price) -> datetime:
    return datetime.combine(row.valid_from, time(), UTC)


def _rows(table: Mapping[str, object]) -> list[Price]:
    return _ROWS.validate_python(table.get("price", []))


def _read(path: Path) -> list[Price]:
    hint = "write it as src/honed/llm/prices.toml, which begins with what each word means"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        rows = _rows(table)
    except OSError as error:
        msg = f"price_file cannot be read: {error.strerror} ({path})"
        raise ConfigurationError(msg, hint=hint) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"price_file is not TOML: {error} ({path})"
        raise ConfigurationError(msg, hint=hint) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"price_file is not a table of prices: price.{where}: {first['msg']} ({path})"
        raise ConfigurationError(msg, hint=hint) from error
    if set(table) - {"price"} or not rows:
        msg = f"price_file has no rows, or something beside its rows ({path})"
        raise ConfigurationError(msg, hint=hint)
    return rows
