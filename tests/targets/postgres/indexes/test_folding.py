"""Plans of partitioned tables, read as plans of whole tables."""

from typing import Any

from honed.targets.postgres.indexes.access import Access, read_accesses
from honed.targets.postgres.indexes.definition import Key
from honed.targets.postgres.indexes.folding import fold_plan

TABLES = {("public", f"visit_{name}"): ("public", "visit") for name in ("a", "b")}


def scan(name: str, alias: str, **more: Any) -> dict[str, Any]:
    return {
        "Node Type": "Seq Scan",
        "Parent Relationship": "Member",
        "Schema": "public",
        "Relation Name": name,
        "Alias": alias,
        "Total Cost": 40.0,
        "Output": [f"{alias}.day"],
        "Filter": f"({alias}.customer = 23)",
        **more,
    }


def append(*scans: dict[str, Any]) -> dict[str, Any]:
    return {"Node Type": "Append", "Total Cost": 80.0, "Plans": list(scans)}


def accesses(root: dict[str, Any]) -> list[Access]:
    return read_accesses(fold_plan({"Plan": root}, TABLES, {}))


def test_partitions_are_one_access_with_all_its_cost() -> None:
    root = {
        "Node Type": "Sort",
        "Total Cost": 100.0,
        "Sort Key": ["v.day"],
        "Output": ["v.day"],
        "Plans": [append(scan("visit_a", "v_1"), scan("visit_b", "v_2"))],
    }
    (access,) = accesses(root)
    assert (access.schema, access.table) == ("public", "visit")
    assert [each.key for each in access.local] == [Key("customer")]
    assert access.orders == ((Key("day"),),)
    assert access.needed == {"customer", "day"}
    assert access.share == 0.8


def test_odd_aliases_are_no_obstacle() -> None:
    odd = scan("visit_a", "Odd v_1", Filter='("Odd v_1".customer = 23)', Output=['"Odd v_1".day'])
    (access,) = accesses(append(odd))
    assert [each.key for each in access.local] == [Key("customer")]


def test_an_alias_that_ends_in_a_number_is_not_taken_for_another_table() -> None:
    found = accesses(append(scan("visit_a", "v_1"), scan("other", "v")))
    assert {each.table for each in found} == {"visit", "other"}


def test_indexes_of_partitions_are_one_and_others_stay() -> None:
    plan = append(
        scan("visit_a", "v_1", **{"Index Name": "part"}),
        scan("other", "o", **{"Index Name": "mine"}),
    )
    folded: Any = fold_plan({"Plan": plan}, TABLES, {"part": "whole"})
    assert [node["Index Name"] for node in folded["Plan"]["Plans"]] == ["whole", "mine"]


def test_a_plan_without_partitions_is_as_it_was() -> None:
    plan = {"Plan": append(scan("other", "o_1"))}
    assert fold_plan(plan, TABLES, {}) == plan
