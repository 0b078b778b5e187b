"""Answers that are kept by what was asked: for tests without a network, and to do it again."""

import json
from dataclasses import asdict
from typing import Any

from honed.llm.dialect import Reply, Request
from honed.llm.prices import Usage
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.llm")


def find_recording(store: Database, request: Request) -> Reply | None:
    """Return what was recorded for a request; None: nothing was."""
    with store.transaction() as conn:
        return _read(conn, request)


def record(store: Database, provider: str, request: Request, reply: Reply) -> Reply:
    """Keep a reply that was found to be what was asked for, and return what is kept.

    Where another process was quicker that is its reply: what is used is what can be replayed. Both
    are as they were sent and kept: scrubbed.
    """
    with store.transaction() as conn:
        conn.execute(
            _QUERIES["record"],
            {
                "request_hash": request.hash,
                "provider": provider,
                "model": request.model,
                "request": json.dumps(request.content),
                "reply": json.dumps(asdict(reply)),
            },
        )
        return _read(conn, request) or reply


def forget(store: Database, days: int) -> int:
    """Delete answers that were recorded, and prompts from SQL that ended, more than ``days`` ago.

    Return how many. What they cost stays.
    """
    with store.transaction() as conn:
        (row,) = conn.execute(_QUERIES["forget_recordings"], {"days": days})
        return int(row["forgotten"])


def _read(conn: Connection, request: Request) -> Reply | None:
    row = conn.execute(_QUERIES["find_recording"], {"request_hash": request.hash}).fetchone()
    if row is None:
        return None
    said: dict[str, Any] = row["reply"]
    return Reply(**{**said, "usage": Usage(**said["usage"])})
