"""Plans: asking a target how it would run a statement, and telling two plans apart."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from honed.core.canonical import Json, digest
from honed.storage.db import Connection
from honed.targets.postgres.connection import CATALOG_QUERIES, odd_statement, run
from honed.targets.postgres.texts import without_constants

_PREPARED = "honed_generic"

#: What of a node makes it another plan.
_SHAPE = (
    "Node Type",
    "Schema",
    "Relation Name",
    "Index Name",
    "Scan Direction",
    "Join Type",
    "Strategy",
    "Partial Mode",
    "Parallel Aware",
    "Parent Relationship",
    "Operation",
    "CTE Name",
    "Function Name",
)

#: What EXPLAIN guesses; two plans that differ in nothing else do the same.
_GUESSES = frozenset({"Startup Cost", "Total Cost", "Plan Rows", "Plan Width"})

#: What pg_plan_advice (PostgreSQL 19) says of a plan: what the planner must be told to make it.
ADVICE = "Generated Plan Advice"

#: Names in a plan, which are no text of the statement.
_NAMES = frozenset({*_SHAPE, "Alias", "Subplan Name", "Command", "Parent Index", ADVICE})


def can_advise(connection: Connection) -> bool:
    """Return whether sessions there have pg_plan_advice, so that a plan may have ``ADVICE``."""
    return bool(connection.execute(CATALOG_QUERIES["find_plan_advice"], {}).fetchall())


def explain(
    connection: Connection, statement: str, *, with_advice: bool = False
) -> Mapping[str, Json]:
    """Return the plan of ``statement``; it is not run.

    Args:
        connection: that only reads.

        statement: one statement.

        with_advice: ask for ``ADVICE`` too, where ``can_advise`` says so.

    Not guaranteed: that nothing of it runs. The planner evaluates immutable and stable functions
    of constants, with the rights of the connection's role, in a transaction that only reads.

    Raises:
        EvaluatorFailed: the statement cannot be planned; the message is the server's.
        StatementCut: planning took too long, or a table was locked.
        TargetUnavailable: the target went away.
    """
    option = ", PLAN_ADVICE" if with_advice else ""
    with odd_statement(connection):
        rows = run(connection, f"EXPLAIN (FORMAT JSON, VERBOSE{option}) {statement}")
    plan: Mapping[str, Json] = rows[0]["QUERY PLAN"][0]
    return plan


def explain_generic(
    connection: Connection, statement: str, *, with_advice: bool = False
) -> Mapping[str, Json]:
    """Return the plan of ``statement`` whatever its parameters ``$1``, ``$2`` ... are.

    It hides what single values do to a plan: values that are there tell more, where there are any.
    The plan is that of ``EXPLAIN (GENERIC_PLAN)``, in a way that older servers know too and that
    takes no more than one statement.

    Raises:
        EvaluatorFailed: the statement cannot be planned.
        StatementCut: planning took too long, or a table was locked.
        TargetUnavailable: the target went away.
    """
    with odd_statement(connection):
        run(connection, f"PREPARE {_PREPARED} AS {statement}")
    try:
        types = connection.execute(CATALOG_QUERIES["find_parameter_types"], {"name": _PREPARED})
        values = ", ".join("NULL" for _ in types)
        run(connection, "SET LOCAL plan_cache_mode = force_generic_plan")
        if with_advice:
            run(connection, "SET LOCAL pg_plan_advice.always_store_advice_details = on")
        execute = f"EXECUTE {_PREPARED}" + (f" ({values})" if values else "")
        return explain(connection, execute, with_advice=with_advice)
    finally:
        with odd_statement(connection):
            run(connection, f"DEALLOCATE {_PREPARED}")


def plan_hash(plan: Mapping[str, Any]) -> str:
    """Return a digest of a plan's shape: nodes, relations, indexes, join types and their order.

    Costs, row estimates, conditions and constants do not count.

    Args:
        plan: what ``PostgresTarget.explain`` or ``Clone.explain`` returned, or one node of it.
    """
    return digest(_shape(_top(plan)))


def plan_key(plan: Mapping[str, Any]) -> str:
    """Return a digest that is equal for plans that do the same, whatever the planner guesses.

    It is for comparing within one process: a search takes it ten thousand times, for which the
    digest that signatures need takes ten times as long.
    """
    words = json.dumps(_without_guesses(plan.get("Plan", plan)), sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()


def without_values(plan: Mapping[str, Any]) -> dict[str, Json]:
    """Return a plan without the constants in its conditions and expressions.

    Names, costs and row estimates stay; everything else that is text is freed of constants, as
    ``without_constants`` does.
    """
    return {name: _without_values(name, value) for name, value in plan.items()}


def joined(plans: Sequence[Mapping[str, Json]]) -> Mapping[str, Json]:
    """Return one plan that holds each shape among ``plans`` once, whatever their order.

    A statement has a plan for each sort of value that it is called with.
    """
    by_shape = {plan_hash(plan): _advised(plan) for plan in plans}
    shapes = [by_shape[key] for key in sorted(by_shape)]
    return {"Plan": {"Node Type": "Examples", "Plans": shapes}}


def _advised(plan: Mapping[str, Any]) -> Mapping[str, Json]:
    """Return the top node of one plan, with the advice that was written beside it."""
    return {**plan["Plan"], **({ADVICE: plan[ADVICE]} if ADVICE in plan else {})}


def nodes(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return every node of a plan, top first, depth first."""
    return list(_walk(_top(plan)))


def _without_values(name: str, value: Any) -> Json:  # noqa: ANN401 - a field of any sort
    if isinstance(value, Mapping):
        return without_values(value)
    if isinstance(value, str):
        return value if name in _NAMES else without_constants(value)
    if isinstance(value, Sequence):
        return [_without_values(name, each) for each in value]
    field: Json = value
    return field


def _top(plan: Mapping[str, Any]) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", plan.get("Plan", plan))


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in _children(node):
        yield from _walk(child)


def _children(node: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return cast("Sequence[Mapping[str, Any]]", node.get("Plans", ()))


def _shape(node: Mapping[str, Any]) -> Json:
    own = {name: node[name] for name in _SHAPE if name in node}
    return {**own, "Plans": [_shape(child) for child in _children(node)]}


def _without_guesses(node: Mapping[str, Any]) -> dict[str, Json]:
    kept = {key: value for key, value in node.items() if key not in _GUESSES and key != "Plans"}
    return {**kept, "Plans": [_without_guesses(child) for child in node.get("Plans", ())]}
