"""Settings: one setting of the planner for the one role that runs the statement."""

from collections.abc import Iterator, Mapping

from honed.targets.postgres.plan_pins.bench import Bench
from honed.targets.postgres.plan_pins.case import Case
from honed.targets.postgres.plan_pins.pin import Remedy
from honed.targets.postgres.plan_pins.provider import Server
from honed.targets.postgres.plan_pins.shapes import methods

#: The setting that keeps the planner from a method, by the type of its node.
METHODS = {
    "Nested Loop": "enable_nestloop",
    "Hash Join": "enable_hashjoin",
    "Merge Join": "enable_mergejoin",
    "Seq Scan": "enable_seqscan",
    "Index Scan": "enable_indexscan",
    "Index Only Scan": "enable_indexonlyscan",
    "Bitmap Heap Scan": "enable_bitmapscan",
    "Materialize": "enable_material",
    "Memoize": "enable_memoize",
    "Incremental Sort": "enable_incremental_sort",
}
_PAGE_COSTS = ("1.1", "2", "4")


class Settings:
    """``ALTER ROLE ... IN DATABASE ... SET``; the widest mechanism, so the last.

    What a prepared statement keeps (``plan_cache_mode``) is left alone: replay does not measure it.
    """

    name = "settings"

    def why_not(self, server: Server) -> str:
        """Return why it cannot be used; see ``Provider``."""
        del server
        return ""

    def remedies(self, case: Case, bench: Bench) -> Iterator[Remedy]:
        """Yield one setting at a time: first without what the role has, then against a method."""
        if case.scope is None:
            return
        for name, value in candidates(case, _defaults(bench)):
            yield Remedy(
                mechanism=self.name,
                label=f"{name} = {value} for {case.scope.label}",
                scope=case.scope.label,
                steps=(case.scope.step(name, value),),
                session={name: value},
                role=case.scope.role,
            )


def candidates(case: Case, defaults: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield names and values of settings that may bring the good plan back.

    Args:
        case: what had a better plan.

        defaults: what sessions of other roles have, by name.
    """
    for name in sorted(case.overrides):
        if name in defaults:
            yield name, defaults[name]
    new = methods(case.bad_plan) - methods(case.good.plan)
    # The observing role does not see the plan of a role with settings of its own.
    for method, name in METHODS.items():
        if method in new and case.overrides.get(name, "on") == "on":
            yield name, "off"
    for value in _PAGE_COSTS:
        if value != case.overrides.get("random_page_cost", defaults.get("random_page_cost")):
            yield "random_page_cost", value


def _defaults(bench: Bench) -> dict[str, str]:
    rows = bench.clone.query(
        "SELECT s.name, current_setting(s.name) AS value FROM pg_settings AS s"
        " WHERE s.name NOT LIKE '%.%'"
    )
    return {row["name"]: row["value"] for row in rows}
