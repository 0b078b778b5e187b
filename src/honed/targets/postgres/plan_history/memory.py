"""Memory: what each look keeps of plans, and of what the planner knows."""

import json
from collections.abc import Collection, Mapping

from honed.storage.db import Connection
from honed.storage.queries import load_queries

QUERIES = load_queries(__package__)
TARGET_QUERIES = load_queries(__package__, "numbers.sql")

#: Days after which a plan that was not seen again is forgotten.
_DAYS = 30
#: Tables whose numbers one look keeps, and stretches of each.
MOST_TABLES, _MOST_STRETCHES = 100, 20


def remember(
    store: Connection,
    target: Connection,
    target_id: int,
    plan_hashes: Mapping[str, str],
    tables: Collection[str],
) -> None:
    """Keep what one look saw: the plan of each statement, and the planner's numbers of tables.

    No value of a row is kept: how many distinct values a column has, not which.

    Args:
        store: connection within a transaction.

        target: connection that only reads.

        target_id: the row of the target.

        plan_hashes: by statement id.

        tables: qualified names, the most important first.
    """
    whose = {"target_id": target_id}
    # The numbers first: what was known when a plan was seen was known no later.
    wanted = {"tables": list(tables)[:MOST_TABLES]}
    for row in target.execute(TARGET_QUERIES["list_planner_numbers"], wanted).fetchall():
        numbers = {"table_name": row["table_name"], "numbers": json.dumps(row["numbers"])}
        store.execute(QUERIES["note_numbers"], {**whose, **numbers})
    for statement_id, plan_hash in plan_hashes.items():
        seen = {**whose, "statement_id": statement_id, "plan_hash": plan_hash}
        store.execute(QUERIES["note_plan"], seen)
    store.execute(QUERIES["forget_old_plans"], {**whose, "days": _DAYS})
    bounds = {"days": _DAYS, "most": _MOST_STRETCHES}
    store.execute(QUERIES["forget_old_numbers"], {**whose, **bounds})
