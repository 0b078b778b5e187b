"""Values for a statement's parameters: the types the server gives them, and values that are there.

Used where no real values were seen. The planner's own statistics know which values are common.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import product

from psycopg import sql
from sqlglot import exp

from honed.storage.db import Connection
from honed.targets.postgres.connection import CATALOG_QUERIES, odd_statement, run
from honed.targets.postgres.texts import StatementText

_PREPARED = "honed_parameters"

#: ``date '1998-12-01'`` is normalised to ``date $1``, which is not SQL; ``$1::date`` is.
_TYPED_CONSTANT = re.compile(
    r"\b(date|timestamptz|timestamp(?:\s+with(?:out)?\s+time\s+zone)?|timetz|time|interval)"
    r"\s+(\$\d+)(?:\s+(year|month|day|hour|minute|second)s?\b)?",
    re.IGNORECASE,
)
#: ``extract(year from day)`` is normalised to ``extract($1 from day)``, which is not SQL either;
#: the function behind it takes the field as a value.
_EXTRACTED = re.compile(r"\bextract\s*\(\s*\$(\d+)\s+from\b", re.IGNORECASE)
#: Strings, quoted names and comments, in which ``$1`` is no parameter; a list that PostgreSQL 18
#: folded into its first element; a parameter.
_PARAMETER = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|(\$\d+) /\*, \.\.\. \*/|/\*.*?\*/|(\$\d+)", re.DOTALL
)

#: Largest value of each integer type.
_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}

#: A plain value of a type, for a parameter that is compared with no column.
_PLAIN = {
    "boolean": "true",
    "bpchar": "a",
    "date": "2000-01-01",
    "interval": "1 day",
    "json": "{}",
    "jsonb": "{}",
    "text": "a",
    "time without time zone": "12:00",
    "timestamp with time zone": "2000-01-01",
    "timestamp without time zone": "2000-01-01",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_LAST_DAY = "9999-12-31"
#: Parameters of doubtful type that are looked at: each doubles the number of trials.
_MOST_DOUBTFUL = 4


class Style(StrEnum):
    """Which values an example has; a plan may differ for each."""

    #: The most common value; nearly all of a range.
    COMMON = "common"
    #: A value from the middle of the histogram; a tenth of a range.
    USUAL = "usual"
    #: A value that no row has; the end of a range.
    ABSENT = "absent"


class _Role(StrEnum):
    EQUAL = "equal"
    LOW = "low"
    HIGH = "high"
    LIKE = "like"
    LIMIT = "limit"
    OFFSET = "offset"


@dataclass(frozen=True, slots=True)
class _Use:
    """What a parameter is compared with, and how."""

    role: _Role
    table: str = ""
    column: str = ""


@dataclass(frozen=True, slots=True)
class _Values:
    """Values of one column, as text: the most common ones, and an ordered sample of the others."""

    #: ``pg_type.typcategory``: N for numbers, D for dates and times, S for strings ...
    category: str
    common: Sequence[str]
    bounds: Sequence[str]

    def at(self, share: float) -> str | None:
        """Return the value below which about ``share`` of the others lie."""
        if self.bounds:
            return self.bounds[min(int(share * len(self.bounds)), len(self.bounds) - 1)]
        return self.common[0] if self.common else None


class Parameters:
    """The parameters of one statement, ready to be replaced by values."""

    def __init__(
        self, connection: Connection, statement: StatementText, types: Sequence[str] = ()
    ) -> None:
        """Ask the target for the types, and for the values of the columns compared with.

        Args:
            connection: to the target.

            statement: its normalised text.

            types: of its parameters, as far as they are known; ``unknown`` among them.

        Raises:
            EvaluatorFailed: the server cannot tell the types, or they do not suit the statement;
                the message is its own.
        """
        self._fields = frozenset(int(number) for number in _EXTRACTED.findall(statement.text))
        self._text = as_sql(statement.text)
        self._types = _types(connection, self._text, types)
        # Parsed again: the parser takes ``date $1`` for a column called date.
        self._uses = _uses(StatementText.parse(self._text))
        self._values = _column_values(connection, self._uses)

    def other_types(self) -> Iterator[list[str]]:
        """Yield the other types that the parameters may have; none where they are beyond doubt.

        The server takes a parameter of unknown type for a text where a function has variants:
        ``substring(phone from $1 for $2)`` becomes a search for a pattern. Numbers vary with them,
        because ``$1 - discount`` may come from an integer as well as from a decimal.
        """
        doubtful = [
            number
            for number, (type_name, category) in enumerate(self._types, start=1)
            if type_name == "text" and self._suiting(number, category) is None
        ][:_MOST_DOUBTFUL]
        if not doubtful:
            return
        numbers = {n for n, (_, category) in enumerate(self._types, start=1) if category == "N"}
        for texts in product(("integer", "text"), repeat=len(doubtful)):
            for number_type in ("", "integer", "numeric") if numbers else ("",):
                others = dict.fromkeys(numbers, number_type) if number_type else {}
                others |= dict(zip(doubtful, texts, strict=True))
                yield [others.get(n, name) for n, (name, _) in enumerate(self._types, start=1)]

    def example(self, style: Style) -> str | None:
        """Return the statement with values of ``style``; None where there are no such values."""
        found: dict[str, list[str]] = {}
        for number, (type_name, category) in enumerate(self._types, start=1):
            values = self._suiting(number, category)
            value = self._value(number, type_name, values, style)
            if value is None:
                return None
            found[f"${number}"] = [_literal(item, type_name) for item in value]

        def replaced(match: re.Match[str]) -> str:
            folded, single = match.groups()
            if folded:
                return ", ".join(found[folded])
            return found[single][0] if single else match.group()

        try:
            return _PARAMETER.sub(replaced, self._text)
        except KeyError:
            return None

    def _suiting(self, number: int, category: str) -> _Values | None:
        use = self._uses.get(number)
        if use is None:
            return None
        # A column of a subquery has the subquery's name: its own alone then says what it is.
        values = self._values.get((use.table, use.column)) or self._values.get(("", use.column))
        # ``day < $1 - $2`` compares a date with an interval only by the look of it.
        return values if values is not None and values.category == category else None

    def _value(
        self, number: int, type_name: str, values: _Values | None, style: Style
    ) -> list[str] | None:
        use = self._uses.get(number)
        base = type_name.removesuffix("[]")
        if number in self._fields:
            return ["year"]
        if use is None or values is None:
            plain = _plain(base, use)
            return [_as_array([plain]) if type_name != base else plain]
        first = _pick(values, use.role, style, base)
        if first is None:
            return None
        others = [] if style is Style.ABSENT else [*values.common[1:3], *values.bounds[1:3]]
        several = list(dict.fromkeys([first, *others]))[:3]
        return [_as_array(several)] if type_name != base else several


def as_sql(text: str) -> str:
    """Return a normalised text as SQL again where the normalisation left something that is none."""
    return _EXTRACTED.sub(r'pg_catalog."extract"($\1,', _TYPED_CONSTANT.sub(_cast, text))


def _types(connection: Connection, text: str, known: Sequence[str]) -> list[tuple[str, str]]:
    types = f" ({', '.join(known)})" if known else ""
    with odd_statement(connection):
        run(connection, f"PREPARE {_PREPARED}{types} AS {text}")
        rows = connection.execute(
            CATALOG_QUERIES["find_parameter_types"], {"name": _PREPARED}
        ).fetchall()
        connection.execute("DEALLOCATE honed_parameters")
    return [(row["type"], row["category"]) for row in rows]


def _cast(match: re.Match[str]) -> str:
    type_name, parameter, field = match.groups()
    return f"CAST({parameter} AS {type_name} {field or ''})"


def _uses(statement: StatementText) -> dict[int, _Use]:
    if statement.tree is None:
        return {}
    tables = {table.alias_or_name: table.name for table in statement.tables()}
    uses: dict[int, _Use] = {}
    for parameter in statement.tree.find_all(exp.Parameter):
        number = str(parameter.this)
        if number.isdigit():
            use = _use(parameter, tables)
            if use is not None:
                uses.setdefault(int(number), use)
    return uses


def _use(parameter: exp.Expr, tables: Mapping[str, str]) -> _Use | None:
    inner: exp.Expr = parameter
    outer = parameter.parent
    while outer is not None and not isinstance(outer, exp.Query):
        if isinstance(outer, exp.Limit | exp.Fetch):
            return _Use(_Role.LIMIT)
        if isinstance(outer, exp.Offset):
            return _Use(_Role.OFFSET)
        if isinstance(outer, exp.Predicate):
            column = _other_column(outer, inner)
            if column is not None:
                table = tables.get(column.table, column.table)
                return _Use(_role(outer, inner), table, column.name)
        inner, outer = outer, outer.parent
    return None


def _other_column(comparison: exp.Expr, side: exp.Expr) -> exp.Column | None:
    others = (item for item in comparison.iter_expressions() if item is not side)
    for other in others:
        column = other.find(exp.Column)
        if column is not None:
            return column
    return None


def _role(comparison: exp.Expr, side: exp.Expr) -> _Role:
    if isinstance(comparison, exp.Like | exp.ILike):
        return _Role.LIKE
    if isinstance(comparison, exp.Between):
        return _Role.HIGH if comparison.args.get("high") is side else _Role.LOW
    is_right = comparison.args.get("expression") is side
    if isinstance(comparison, exp.GT | exp.GTE):
        return _Role.LOW if is_right else _Role.HIGH
    if isinstance(comparison, exp.LT | exp.LTE):
        return _Role.HIGH if is_right else _Role.LOW
    return _Role.EQUAL


def _column_values(
    connection: Connection, uses: Mapping[int, _Use]
) -> dict[tuple[str, str], _Values]:
    columns = sorted({use.column for use in uses.values() if use.column})
    if not columns:
        return {}
    rows = connection.execute(
        CATALOG_QUERIES["read_value_statistics"], {"columns": columns}
    ).fetchall()
    found: dict[tuple[str, str], _Values] = {}
    for row in rows:
        values = _Values(row["category"], row["common"], row["bounds"])
        found.setdefault((row["table"], row["column"]), values)
        # A column that is named without its table.
        found.setdefault(("", row["column"]), values)
    return found


def _pick(values: _Values, role: _Role, style: Style, type_name: str) -> str | None:
    if role in {_Role.LOW, _Role.HIGH}:
        shares = {Style.COMMON: (0.05, 0.95), Style.USUAL: (0.45, 0.55), Style.ABSENT: (1.0, 1.0)}
        return values.at(shares[style][role is _Role.HIGH])
    pickers: dict[Style, Callable[[], str | None]] = {
        Style.COMMON: lambda: values.common[0] if values.common else values.at(0.5),
        Style.USUAL: lambda: values.at(0.5),
        Style.ABSENT: lambda: _absent(values, type_name),
    }
    value = pickers[style]()
    if role is _Role.LIKE and value is not None:
        return f"{value[:3]}%"
    return value


def _absent(values: _Values, type_name: str) -> str | None:
    if type_name in {"text", "character varying", "bpchar", "name"}:
        return "honed: no row has this value"
    if type_name == "date" or type_name.startswith("timestamp"):
        return _LAST_DAY
    if type_name == "uuid":
        return _PLAIN["uuid"]
    try:
        beyond = max(Decimal(value) for value in (*values.common, *values.bounds)) + 1
    except (InvalidOperation, ValueError):
        return None
    return str(beyond) if beyond <= _LARGEST.get(type_name, beyond) else None


def _plain(type_name: str, use: _Use | None) -> str:
    if use is not None and use.role is _Role.LIMIT:
        return "10"
    if use is not None and use.role is _Role.OFFSET:
        return "0"
    return _PLAIN.get(type_name, "a" if type_name.startswith("character") else "1")


def _as_array(values: Sequence[str]) -> str:
    quoted = ('"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"')) for value in values)
    return "{" + ",".join(quoted) + "}"


def _literal(value: str, type_name: str) -> str:
    return f"{sql.Literal(value).as_string(None).strip()}::{type_name}"
