"""What services that run a repository's code raised, as findings, and as it was captured."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from honed.core.counted import counted
from honed.core.fault import Fault
from honed.core.finding import EXCEPTION, Finding
from honed.repair.reproduce.captured import captured
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.targets.registry import TargetRecord

_QUERIES = load_queries("honed.targets.repository.evidence", "exceptions.sql")
#: Groups that one look names; tickets tell of all.
_MOST_GROUPS: Final = 100
#: Events of one group that are looked at: their variables may differ.
_MOST_SAMPLES: Final = 5
#: Of these, so many are called again.
CALLED_AGAIN: Final = 3
_TITLE_CHARACTERS: Final = 160


def exceptions(
    record: TargetRecord, store: Database, lookback: timedelta, commit: str
) -> Iterator[Finding]:
    """Yield a finding for each group of exceptions of late, those that came most often first.

    They are those of projects that are linked to the target, and of the one that its row names.

    Args:
        record: of the repository.

        store: honed's own database.

        lookback: how long ago the last event may be, by the store's clock.

        commit: the newest one of the branch.
    """
    asked = {
        "target_id": record.target_id,
        "project": str(record.options.get("project", "")),
        "lookback": lookback,
        "most": _MOST_GROUPS,
    }
    with store.transaction() as conn:
        rows = conn.execute(_QUERIES["list_exceptions"], asked).fetchall()
    total = sum(row["event_count"] for row in rows)
    for row in rows:
        title = f"{_placed(row['title'], row['culprit'])}: {counted(row['event_count'], 'time')}"
        yield Finding(
            EXCEPTION,
            row["fingerprint"],
            title[:_TITLE_CHARACTERS],
            evidence={
                "project": row["project"],
                "commit": commit,
                "ticket_id": row["ticket_id"],
                "culprit": row["culprit"],
                "title": row["title"],
                "files": list(row["files"]),
                "count": row["event_count"],
                "first_seen": row["first_seen_at"].isoformat(),
                "last_seen": row["last_seen_at"].isoformat(),
                "releases": list(row["releases"]),
            },
            weight=row["event_count"] / total,
        )


def samples(store: Database, project: str, fingerprint: str) -> tuple[Fault, ...]:
    """Return exceptions of one group as they were captured, each once, the newest first.

    Args:
        store: honed's own database.

        project: of the group.

        fingerprint: of the group.
    """
    asked = {"project": project, "fingerprint": fingerprint, "most": _MOST_SAMPLES}
    with store.transaction() as conn:
        rows = conn.execute(_QUERIES["list_samples"], asked).fetchall()
    found: dict[str, Fault] = {}
    for row in rows:
        body: Mapping[str, Any] = row["body"]
        fault = captured(body)
        if fault is not None:
            found.setdefault(json.dumps(body.get("exceptions"), sort_keys=True), fault)
    return tuple(found.values())[:_MOST_SAMPLES]


def repositories_of(store: Database, project: str) -> tuple[str, ...]:
    """Return the names of the repositories whose services report to a project.

    Args:
        store: honed's own database.

        project: its name.
    """
    with store.transaction() as conn:
        rows = conn.execute(_QUERIES["list_repositories"], {"project": project})
        return tuple(row["name"] for row in rows)


def _placed(title: str, culprit: str) -> str:
    """Return ``TypeError in shop.cart.total: ...``: an error is told apart by where it arises."""
    kind, colon, message = title.partition(":")
    return f"{kind}{' in ' * bool(culprit)}{culprit}{colon}{message}"
