"""Dead rows on a clone: a copy of production has none, so its trials must make them first."""

import math

from psycopg import sql

#: More rounds than this are not made: the table becomes so many times as large.
_MOST_ROUNDS = 3
#: Rows are chosen by the hash of their place, in so many parts.
_PARTS = 1024

# VACUUM calls no page visible to all that has rows of a commit that was not written to disk yet,
# and on the shadow server that may take a while.
_WRITE_COMMITS = sql.SQL("SET synchronous_commit = on")
# The clone is thrown away and only read from here on: its triggers need not come back.
_QUIET = sql.SQL("ALTER TABLE {table} DISABLE TRIGGER USER")
_ALL = sql.SQL("UPDATE ONLY {table} SET {column} = {column}")
_SOME = sql.SQL(
    "UPDATE ONLY {table} SET {column} = {column} WHERE (hashtid(ctid) & {mask}) < {parts}"
)


def dead_rows_sql(schema: str, name: str, column: str, ratio: float) -> tuple[str, ...]:
    """Return statements that leave ``ratio`` dead rows for each living one in a table.

    Each row is set to what it is, so that every statement still returns the same.

    Not guaranteed: that they lie as in production. Here they are spread evenly over the pages,
    and the new versions of the rows at the table's end. Where production's lie close together
    fewer pages are concerned, and vacuuming helps less; where they come from DELETE, or found room
    in their page (HOT), indexes are smaller there. More than three rounds are not made.

    Args:
        schema: of the table.

        name: of the table.

        column: any one that may be written.

        ratio: dead rows for each living one.
    """
    names = {"table": sql.Identifier(schema, name), "column": sql.Identifier(column)}
    rounds = math.floor(min(ratio, _MOST_ROUNDS))
    statements: list[sql.Composable] = [
        _WRITE_COMMITS,
        _QUIET.format(**names),
        *[_ALL.format(**names)] * rounds,
    ]
    parts = round((min(ratio, _MOST_ROUNDS) - rounds) * _PARTS)
    if parts:
        some = {"mask": sql.Literal(_PARTS - 1), "parts": sql.Literal(parts)}
        statements.append(_SOME.format(**names, **some))
    return tuple(each.as_string(None) for each in statements)
