"""The text of a query without the values in it: what may be kept of it, and what groups it."""

import re
from typing import Final

#: What stands for a value.
_VALUE: Final = "?"
#: A longer text is cut before it is read: what is cut in two is then an open text, or a value.
_MAX_READ: Final = 32_768
_MAX_KEPT: Final = 8_192

#: Systems whose queries are SQL (OpenTelemetry's conventions for databases 1.36, db.system.name,
#: and the names of db.system before).
_ANSI: Final = frozenset({
    "postgresql", "cockroachdb", "redshift", "aws.redshift", "edb", "oracle", "oracle.db",
    "mssql", "microsoft.sql_server", "mssqlcompact", "db2", "ibm.db2", "derby", "h2",
    "h2database", "hsqldb", "firebird", "firebirdsql", "ingres", "actian.ingres", "trino",
    "snowflake", "vertica", "teradata",
})  # fmt: skip
_SQL: Final = _ANSI | frozenset({
    "mysql", "mariadb", "sqlite", "other_sql", "clickhouse", "maxdb", "sap.maxdb", "hanadb",
    "sap.hana", "interbase", "pervasive", "gcp.spanner", "spanner", "cassandra",
})  # fmt: skip
#: How SQL begins where nobody says of which system it is.
_VERB: Final = re.compile(
    r"[\s(]*(?:select|insert|update|delete|with|merge|replace|create|alter|drop|truncate|call"
    r"|explain|begin|commit|rollback|values)\b",
    re.IGNORECASE,
)
#: The command of another system, as in ``SET user:7 secret``.
_COMMAND: Final = re.compile(r"\s*([A-Za-z][A-Za-z.]{0,31})(?=\s|\Z)")

#: Parts of SQL, the first that fits. A backslash before a quote ends a text in one dialect and does
#: not in another, and comments nest in one and not in another: from there nothing is kept.
_PARTS: Final = r"""
    (?P<comment> --[^\n]*+ | /\*(?:(?!/\*|\*/).)*+\*/ {hash} )
  | (?P<value>
      (?:\b(?:[EeBbXxNnRr]|[Uu]&))?'(?:[^'\\]|''|\\[^'])*+'
    | \$(?P<tag>(?:[^\W\d]\w*+)?)\$.*?\$(?P=tag)\$
    | (?<![\w$])\.?\d[\w.]*+(?:(?<=[eE])[+-]?\d++)? {double}
    )
  | (?P<name> `[^`]*+` {identifier} )
  | (?P<rest> (?:/\*|['"`]|\$(?:[^\W\d]\w*+)?\$).* )
"""
_DOUBLE: Final = r'"(?:[^"\\]|""|\\[^"])*+"'
_FLAGS: Final = re.VERBOSE | re.DOTALL
_ANSI_PARTS: Final = re.compile(
    _PARTS.format(hash="", double="", identifier=r'| "(?:[^"]|"")*+"'), _FLAGS
)
#: Where texts may stand between double quotes too, and comments begin with a hash.
_OTHER_PARTS: Final = re.compile(
    _PARTS.format(hash=r"| \#[^\n]*+", double=f"| {_DOUBLE}", identifier=""), _FLAGS
)
_LIST: Final = re.compile(r"\(\s*\?(?:\s*,\s*\?)*+\s*\)")
_LISTS: Final = re.compile(r"\(\?\)(?:\s*,\s*\(\?\))++")


#: Queries in which there was no value to leave out, with their systems: services send the same few
#: again and again, with places for values. What holds a value is not kept.
_VALUELESS: Final[set[tuple[str, str]]] = set()
_MOST_KNOWN: Final = 2_048
_LONGEST_KNOWN: Final = 2_048


def without_values(query: str, system: str = "") -> str:
    """Return ``query`` with a question mark for every value, without comments and spare blanks.

    Placeholders stay, and a list of values is one. Of what is not SQL only the command is kept, as
    nobody knows there which words are values. Doing it twice changes nothing.

    Args:
        query: as the database was asked.

        system: what OpenTelemetry calls the database: ``postgresql``; empty: unknown.
    """
    if (query, system) in _VALUELESS:
        return query
    bare = _bare(query, system.lower())
    if bare == query and len(query) + len(system) <= _LONGEST_KNOWN:
        if len(_VALUELESS) >= _MOST_KNOWN:
            _VALUELESS.clear()
        _VALUELESS.add((query, system))
    return bare


def _bare(query: str, system: str) -> str:
    if system not in _SQL and (system or not _VERB.match(query)):
        command = _COMMAND.match(query)
        return command[1] if command else ""
    parts = _ANSI_PARTS if system in _ANSI else _OTHER_PARTS
    bare = parts.sub(_replacement, query[:_MAX_READ])
    bare = " ".join(bare.split())
    return _LISTS.sub("(?)", _LIST.sub("(?)", bare))[:_MAX_KEPT]


def _replacement(part: re.Match[str]) -> str:
    if part["comment"]:
        return " "
    if part["value"]:
        return _VALUE
    return part["name"] or f"{_VALUE} ..."
