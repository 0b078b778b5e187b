"""What new indexes leave as it is: statements that do the same work with them and without."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from honed.targets.postgres.clone import Clone
from honed.targets.postgres.plans import nodes, plan_key
from honed.targets.postgres.shadow import QUERIES


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Names of statements."""

    #: Planned the same with and without the indexes, all examples.
    same_plan: frozenset[str] = frozenset()
    #: Of these the ones that read no table with one of the indexes: even planning them is the same.
    untouched: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Plan:
    key: str
    #: Schema and name of each table.
    tables: frozenset[tuple[str, str]]
    text: str


def find_unchanged(
    clone: Clone, statements: Mapping[str, Collection[str]], built: Collection[str]
) -> Unchanged:
    """Return what the indexes ``built`` leave as it is.

    A statement that calls a function which may run statements of its own, also by an operator or a
    cast, is none of it: what happens in there is in no plan.

    Args:
        clone: where the indexes are shown and hidden; hidden afterwards.

        statements: examples, by name.

        built: names of the indexes.

    Raises:
        EvaluatorFailed: a statement cannot be planned.
    """
    rows = clone.query(QUERIES["list_opaque_names"])
    opaque = [str(row["name"]) for row in rows]
    clone.show(())
    before = {name: _plans(clone, examples) for name, examples in statements.items()}
    clone.show(built)
    after = {name: _plans(clone, examples) for name, examples in statements.items()}
    clone.show(())
    same = frozenset(
        name
        for name, plans in before.items()
        if [each.key for each in plans] == [each.key for each in after[name]]
        and not any(word in each.text for each in plans for word in opaque)
    )
    tables = clone.tables_of(built)
    return Unchanged(
        same,
        frozenset(name for name in same if not any(each.tables & tables for each in before[name])),
    )


def _plans(clone: Clone, examples: Collection[str]) -> list[_Plan]:
    plans = [clone.explain(example) for example in examples]
    return [
        _Plan(
            plan_key(plan),
            frozenset(
                (str(node["Schema"]), str(node["Relation Name"]))
                for node in nodes(plan)
                if "Relation Name" in node
            ),
            json.dumps(plan, ensure_ascii=False),
        )
        for plan in plans
    ]
