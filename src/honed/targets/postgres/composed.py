"""Statements that are put together of quoted parts, as texts that a step can hold."""

from psycopg import sql


def text_of(composed: sql.Composable) -> str:
    """Return a statement, or a part of one, as text."""
    return composed.as_string(None)


def block(body: sql.Composable) -> sql.Composed:
    """Return an anonymous block of PL/pgSQL with ``body``."""
    return sql.SQL("DO {}").format(sql.Literal(text_of(body)))
