"""Advice: which indexes a target should try, found on a clone of it."""

from collections.abc import Sequence
from statistics import median

from honed.storage.queries import load_queries
from honed.targets.postgres.indexes.bench import Bench
from honed.targets.postgres.indexes.candidates import Shapes
from honed.targets.postgres.indexes.folding import FoldedLaboratory
from honed.targets.postgres.indexes.imagination import Imagination
from honed.targets.postgres.indexes.laboratory import CloneLaboratory
from honed.targets.postgres.indexes.partitions import read_trees
from honed.targets.postgres.indexes.pricing import Budget, budget_left_bytes, prices_of
from honed.targets.postgres.indexes.query import Query
from honed.targets.postgres.indexes.search import SearchResult, search
from honed.targets.postgres.indexes.shapes import read_shapes
from honed.targets.postgres.metering import MeteredSession
from honed.targets.postgres.phantom import Phantom
from honed.targets.postgres.target import PostgresTarget
from honed.targets.postgres.workload import WorkloadStatement

_QUERIES = load_queries("honed.targets.postgres.indexes", "partitions.sql")

#: Statements that a search looks at, the most expensive first, and examples of each.
MOST_STATEMENTS, MOST_EXAMPLES = 100, 2
#: A search takes so many seconds, or as long as so many passes over the workload ...
_LEAST_SECONDS, _PASSES = 20.0, 8.0
#: ... but no more than this share of the longest trial.
_SHARE_OF_TRIAL = 0.25
#: Statements are cut at so many times their median cost, within these bounds, seconds.
_CUT_FACTOR, _LEAST_CUT_S, _MOST_CUT_S = 4.0, 1.0, 10.0


def advise(target: PostgresTarget, *, seconds: float | None = None) -> SearchResult:
    """Return the sets of indexes that serve the target's whole workload best.

    Nothing is changed in production: candidates are built, planned with and measured on a clone.
    The target's lab is refreshed first.

    Args:
        target: whose workload and catalog.

        seconds: time for the search itself; by default 20 seconds, or eight times what the
            workload takes to run once, but no more than a quarter of the longest trial.
    """
    workload, catalog = target.workload(), target.catalog()
    statements = workload.replayable[:MOST_STATEMENTS]
    if not statements:
        return SearchResult((), {"queries": 0}, {}, _LEAST_CUT_S)
    cut_s = choose_cut_s(statements)
    given_s = seconds or _seconds(statements, cut_s, target.settings.trial_budget_s)
    budget_bytes = budget_left_bytes(catalog, target.settings.storage_budget_mb)
    shapes, trees = _indexable(target, read_shapes(catalog)), read_trees(catalog)
    copied = target.lab.refresh()
    # A sample plans as production does too, but is as large as the limit allows.
    imagine = target.lab.phantom if copied.sampled else target.lab.clone
    with (
        imagine("imagine") as imaginary,
        target.lab.clone("search") as clone,
        MeteredSession(clone, cut_s=cut_s) as session,
    ):
        if isinstance(imaginary, Phantom):
            imaginary.learn_from(clone)
        queries = queries_of(statements)
        drawn = FoldedLaboratory(Imagination(imaginary, shapes), trees)
        built = FoldedLaboratory(CloneLaboratory(clone, session), trees)
        imagined = Bench(drawn, queries, cut_s=cut_s, budget_s=given_s, can_run=False)
        real = Bench(built, queries, cut_s=cut_s, budget_s=given_s)
        prices = prices_of(workload, catalog, budget_bytes)
        budget = Budget(budget_bytes, target.settings.write_budget)
        return search(imagined, real, shapes, prices, budget)


def choose_cut_s(statements: Sequence[WorkloadStatement]) -> float:
    """Return the CPU seconds after which a statement of the workload is cut.

    High enough for most statements to end, low enough for the few endless ones not to eat the
    time of the others.
    """
    typical_s = median(statement.mean_ms for statement in statements) / 1000
    return min(_MOST_CUT_S, max(_LEAST_CUT_S, _CUT_FACTOR * typical_s))


def _indexable(target: PostgresTarget, shapes: Shapes) -> Shapes:
    """Return ``shapes`` without tables on all of which no index can be."""
    rows = target.query(_QUERIES["list_tables_with_foreign_partitions"], {})
    foreign = {(row["schema"], row["name"]) for row in rows}
    return {name: shape for name, shape in shapes.items() if name not in foreign}


def _seconds(statements: Sequence[WorkloadStatement], cut_s: float, trial_s: float) -> float:
    one_pass_s = sum(min(cut_s, statement.mean_ms / 1000) for statement in statements)
    return max(_LEAST_SECONDS, min(_PASSES * one_pass_s, _SHARE_OF_TRIAL * trial_s))


def queries_of(statements: Sequence[WorkloadStatement]) -> list[Query]:
    """Return the examples of ``statements`` that are looked at; each statement weighs the same."""
    return [
        Query(
            statement.statement_id,
            example,
            weight=1.0 / len(statements) / len(examples),
            production_s=statement.mean_ms / 1000,
            is_guessed=statement.source == "statistics",
        )
        for statement in statements
        for examples in [statement.examples[:MOST_EXAMPLES]]
        for example in examples
    ]
