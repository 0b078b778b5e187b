"""Insertions: which tables get their rows as lists of values, and how many at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from honed.targets.postgres.catalog import Catalog, Table
from honed.targets.postgres.texts import StatementText
from honed.targets.postgres.workload import StatementCost, Workload


@dataclass(frozen=True, slots=True)
class Insertions:
    """What production inserted into one table, by statements that name their values."""

    table: Table
    rows: float
    calls: float
    total_ms: float
    #: Share of the workload's total time, 0 to 1.
    weight: float = 0.0

    @property
    def rows_per_call(self) -> float:
        """Rows that arrived at once, on average."""
        return self.rows / self.calls if self.calls else 0.0


def find_insertions(workload: Workload, catalog: Catalog) -> list[Insertions]:
    """Return what was inserted by table, the most expensive first.

    COPY is not seen: of commands the text is not kept. A name without a schema counts only where
    one table has it.
    """
    found: dict[str, Insertions] = {}
    for statement in workload.statements:
        table = None if statement.is_select else _named(_receiver(statement.text), catalog)
        if table is None or not statement.calls:
            continue
        before = found.get(table.qualified_name, Insertions(table, 0.0, 0.0, 0.0))
        found[table.qualified_name] = Insertions(
            table,
            before.rows + statement.calls * statement.rows_per_call,
            before.calls + statement.calls,
            before.total_ms + statement.total_ms,
            before.weight + statement.weight,
        )
    return sorted(found.values(), key=lambda each: -each.total_ms)


def ms_per_row(
    workload: Workload, costs: Mapping[str, StatementCost], *, schema: str, name: str
) -> float | None:
    """Return what a row inserted into one table cost in production; None: none was."""
    rows = ms = 0.0
    for statement in workload.statements:
        cost = costs.get(statement.statement_id)
        if cost is None or statement.is_select:
            continue
        table = _receiver(statement.text)
        if table is not None and table.name == name and table.db in {"", schema}:
            rows += cost.calls * cost.rows_per_call
            ms += cost.calls * cost.exec_ms_per_call
    return ms / rows if rows else None


def _receiver(text: str) -> exp.Table | None:
    """Return the table that a list of values goes to; None: it is another sort of statement."""
    tree = StatementText.parse(text).tree
    if not isinstance(tree, exp.Insert) or not isinstance(tree.expression, exp.Values):
        return None
    into = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    return into if isinstance(into, exp.Table) else None


def _named(table: exp.Table | None, catalog: Catalog) -> Table | None:
    if table is None:
        return None
    known: Iterable[Table] = catalog.tables.values()
    found = [each for each in known if each.name == table.name and table.db in {"", each.schema}]
    return found[0] if len(found) == 1 else None
