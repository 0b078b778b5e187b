"""Types of columns that survive the way to Parquet and back, and how each is carried.

The server writes each value as text without tabs, line ends and backslashes (``wire``), from which
DuckDB makes the stored value. ``canon_server`` and ``canon_file`` write the same value as the same
text on both sides, which is what rows are compared by. A type that is not here is refused.
"""

import re
from dataclasses import dataclass

#: What PostgreSQL and DuckDB store alike.
MOST_DIGITS = 38
_DECIMAL = re.compile(r"numeric\((\d+),(-?\d+)\)")
_LENGTH = re.compile(r"(character varying|character)(?:\(\d+\))?")
_FRACTION = re.compile(r"(timestamp)(?:\(\d\))? (without time zone|with time zone)")

_MICROSECONDS = "(extract(epoch FROM {c}) * 1000000)::bigint::text"
#: In COPY's text format these stand for themselves only behind a backslash.
_ESCAPED = (
    r"replace(replace(replace(replace({c}, '\', '\\'), chr(9), '\t'), chr(10), '\n')"
    r", chr(13), '\r')"
)
#: DuckDB writes years before Christ as ``0044-03-15 (BC) 12:00:00``.
_WITH_ERA = (
    "CASE WHEN contains({t}, ' (BC)') THEN replace({t}, ' (BC)', '') || {z} || ' BC'"
    " ELSE {t} || {z} END"
)


@dataclass(frozen=True, slots=True)
class Carriage:
    """How values of one type are carried; ``{c}`` stands for the column, ``{w}`` for its text."""

    #: Type in the Parquet file, as DuckDB calls it.
    stored: str
    #: What the server sends, and what DuckDB makes of it.
    wire: str
    from_wire: str
    canon_server: str
    canon_file: str
    #: What goes back to the server in COPY's text format.
    back: str
    #: What least and greatest values are told of on each side; empty: of the canonical text.
    ordered: str = ""
    #: A condition of the server on values that cannot be carried; empty: there are none.
    refused_if: str = ""


def carriage(type_name: str, category: str) -> Carriage | None:
    """Return how a type is carried; None: it does not survive.

    Args:
        type_name: as ``format_type`` says it: ``numeric(15,2)``.

        category: ``pg_type.typtype``; only base types (``b``) are carried, no domains and enums.
    """
    if category != "b":
        return None
    if type_name in _PLAIN:
        return _PLAIN[type_name]
    if found := _DECIMAL.fullmatch(type_name):
        return _decimal(int(found[1]), int(found[2]))
    if found := _LENGTH.fullmatch(type_name):
        return _TEXT
    if found := _FRACTION.fullmatch(type_name):
        return _PLAIN[f"{found[1]} {found[2]}"]
    return None


def _whole(stored: str) -> Carriage:
    text = "{c}::text"
    cast, back = "{w}::" + stored, "{c}::VARCHAR"
    return Carriage(stored, text, cast, text, back, back, ordered="{c}")


def _decimal(precision: int, scale: int) -> Carriage:
    if precision > MOST_DIGITS or not 0 <= scale <= precision:
        return _NUMERIC
    stored = f"DECIMAL({precision},{scale})"
    # DuckDB writes .5 where PostgreSQL writes 0.5.
    text = r"regexp_replace({c}::VARCHAR, '^(-?)[.]', '\10.')"
    return Carriage(
        stored,
        "{c}::text",
        "{w}::" + stored,
        "{c}::text",
        text,
        text,
        ordered="{c}",
        refused_if="{c} = 'NaN'",
    )


def _bits(stored: str, short: str, width: int) -> Carriage:
    text = f"('x' || encode({short}send({{c}}), 'hex'))::bit({width})::text"
    return Carriage(
        stored,
        text,
        "{w}::BIT::" + stored,
        text,
        "{c}::BIT::VARCHAR",
        "{c}::VARCHAR",
        # -0 and 0 are equal, and either may come first.
        ordered="({c} + 0::" + short + ")",
    )


def _moment(stored: str, cast: str, back: str, unit: str) -> Carriage:
    return Carriage(
        stored,
        _MICROSECONDS,
        cast,
        _MICROSECONDS,
        "epoch_us({c})::VARCHAR",
        _WITH_ERA.replace("{t}", back).replace("{z}", unit),
        ordered="{c}",
        refused_if="NOT isfinite({c})",
    )


def _words(read: str) -> Carriage:
    """Return how text is carried that the server prints the same each time, such as jsonb."""
    return Carriage(
        "VARCHAR",
        f"'x' || encode(convert_to({read}, 'UTF8'), 'hex')",
        "decode(unhex(substr({w}, 2)))",
        read,
        "{c}",
        _ESCAPED,
    )


_TEXT = _words("{c}::text")
#: Of any precision: kept as the server writes it, because the scale of a value is part of it.
_NUMERIC = _words("{c}::text")
_DAYS = "({c} - date '1970-01-01')::text"

_PLAIN = {
    "smallint": _whole("SMALLINT"),
    "integer": _whole("INTEGER"),
    "bigint": _whole("BIGINT"),
    "boolean": Carriage(
        "BOOLEAN", "{c}::text", "{w}::BOOLEAN", "{c}::text", "{c}::VARCHAR", "{c}::VARCHAR"
    ),
    "real": _bits("FLOAT", "float4", 32),
    "double precision": _bits("DOUBLE", "float8", 64),
    "numeric": _NUMERIC,
    "text": _TEXT,
    "json": _TEXT,
    "jsonb": _TEXT,
    "uuid": Carriage("UUID", "{c}::text", "{w}::UUID", "{c}::text", "{c}::VARCHAR", "{c}::VARCHAR"),
    "bytea": Carriage(
        "BLOB",
        "'x' || encode({c}, 'hex')",
        "unhex(substr({w}, 2))",
        "encode({c}, 'hex')",
        "lower(hex({c}))",
        r"'\\x' || lower(hex({c}))",
    ),
    "date": Carriage(
        "DATE",
        _DAYS,
        "DATE '1970-01-01' + {w}::INTEGER",
        _DAYS,
        "({c} - DATE '1970-01-01')::VARCHAR",
        _WITH_ERA.replace("{t}", "{c}::VARCHAR").replace("{z}", "''"),
        ordered="{c}",
        refused_if="NOT isfinite({c})",
    ),
    "timestamp without time zone": _moment(
        "TIMESTAMP", "make_timestamp({w}::BIGINT)", "{c}::VARCHAR", "''"
    ),
    "timestamp with time zone": _moment(
        "TIMESTAMPTZ",
        "make_timestamp({w}::BIGINT)::TIMESTAMPTZ",
        "make_timestamp(epoch_us({c}))::VARCHAR",
        "'+00'",
    ),
}
