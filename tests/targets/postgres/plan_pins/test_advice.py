"""A plan in the words of advice: pure parts, with properties."""

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.targets.postgres.plan_pins.advice import advice_of, parsed
from honed.targets.postgres.plan_pins.guidance import Guidance, choices
from honed.targets.postgres.plan_pins.manner import ADVICE as MANNER
from honed.targets.postgres.plan_pins.manner import manner_of
from honed.targets.postgres.plans import ADVICE, joined, without_values

NAMES = st.text(st.sampled_from("aB_ 1(){}\"'é,@/#."), min_size=1, max_size=5)
TREES: Any = st.recursive(
    st.just(None),
    lambda below: st.tuples(
        st.sampled_from(["Nested Loop", "Hash Join", "Merge Join"]), below, below
    ),
    max_leaves=6,
)


def scan(alias: str, sort: str = "Seq Scan", **more: Any) -> dict[str, Any]:
    return {"Node Type": sort, "Schema": "public", "Relation Name": "t", "Alias": alias, **more}


def join(sort: str, outer: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    return {"Node Type": sort, "Plans": [outer, inner]}


@given(TREES, st.lists(NAMES, min_size=6, max_size=6, unique=True))
def test_what_is_made_of_a_tree_is_read_again_whatever_relations_are_called(
    tree: Any, names: list[str]
) -> None:
    numbers = count()

    def built(node: Any) -> dict[str, Any]:
        if node is None:
            return scan(names[next(numbers)], "Index Scan", **{"Index Name": "By Id"})
        outer, inner = built(node[1]), built(node[2])
        return join(node[0], outer, {"Node Type": "Hash", "Plans": [inner]})

    (made,) = advice_of({"Plan": {"Node Type": "Aggregate", "Plans": [built(tree)]}})
    assert parsed("\n".join([*made.orders, *made.joins, *made.scans])) == made
    assert len(made.joins) == len(made.scans) - 1
    assert len(made.orders) == (tree is not None)


def test_what_the_server_wrote_is_taken_apart() -> None:
    text = (
        'JOIN_ORDER(x ("Y#" z) {u v})\nNESTED_LOOP_PLAIN(z (u v))\nSEQ_SCAN(z u@s v#2/public.v1@s)'
        '\nINDEX_SCAN(x public."By A" "Y#" public.i)\nSEMIJOIN_NON_UNIQUE(z)\nPARTITIONWISE((u v))'
        "\nNO_GATHER(x z)\nGATHER((u v))\nDO_NOT_SCAN(t@expr_1)"
    )
    assert parsed(text) == Guidance(
        scans=(
            "SEQ_SCAN(z)",
            "SEQ_SCAN(u@s)",
            "SEQ_SCAN(v#2/public.v1@s)",
            'INDEX_SCAN(x public."By A")',
            'INDEX_SCAN("Y#" public.i)',
            "DO_NOT_SCAN(t@expr_1)",
        ),
        joins=("NESTED_LOOP_PLAIN(z)", "NESTED_LOOP_PLAIN((u v))", "SEMIJOIN_NON_UNIQUE(z)"),
        orders=('JOIN_ORDER(x ("Y#" z) {u v})', "PARTITIONWISE((u v))"),
    )


@pytest.mark.parametrize(
    ("node", "scans"),
    [
        (
            scan("l", "Index Only Scan", **{"Index Name": "I"}),
            ['INDEX_ONLY_SCAN(l public."I")'],
        ),
        (scan("l", "Bitmap Heap Scan", Plans=[]), ["BITMAP_HEAP_SCAN(l)"]),
        # Each partition is told by the alias of its table.
        (
            {
                "Node Type": "Append",
                "Plans": [
                    scan("event_1", **{"Relation Name": "event_old"}),
                    scan(
                        "event_2", "Index Scan", **{"Relation Name": "event_new", "Index Name": "i"}
                    ),
                ],
            },
            [
                "SEQ_SCAN(event/public.event_old)",
                "INDEX_SCAN(event/public.event_new public.i)",
            ],
        ),
        (
            {"Node Type": "Gather", "Plans": [{**scan("l"), "Parallel Aware": True}]},
            ["SEQ_SCAN(l)"],
        ),
        ({"Node Type": "Result"}, []),
    ],
)
def test_a_scan_is_said_with_its_index(node: dict[str, Any], scans: list[str]) -> None:
    (advice,) = advice_of(node)
    assert list(advice.scans) == scans


@pytest.mark.parametrize(
    ("sort", "within", "tag"),
    [
        ("Nested Loop", "Materialize", "NESTED_LOOP_MATERIALIZE"),
        ("Nested Loop", "Memoize", "NESTED_LOOP_MEMOIZE"),
        ("Nested Loop", "Limit", "NESTED_LOOP_PLAIN"),
        ("Merge Join", "Sort", "MERGE_JOIN_PLAIN"),
        ("Merge Join", "Materialize", "MERGE_JOIN_MATERIALIZE"),
        ("Hash Join", "Hash", "HASH_JOIN"),
    ],
)
def test_a_join_is_said_by_what_is_on_its_inner_side(sort: str, within: str, tag: str) -> None:
    both = join("Hash Join", scan("b"), scan("c"))
    (one,) = advice_of(join(sort, scan("a"), {"Node Type": within, "Plans": [scan("b")]}))
    (two,) = advice_of(join(sort, scan("a"), {"Node Type": within, "Plans": [both]}))
    assert one.joins == (f"{tag}(b)",)
    assert two.joins == ("HASH_JOIN(c)", f"{tag}((b c))")
    assert two.orders == ("JOIN_ORDER(a (b c))",)


def test_what_is_planned_by_itself_is_told_by_its_name() -> None:
    below = {**join("Hash Join", scan("c"), scan("d")), "Parent Relationship": "SubPlan"}
    below["Subplan Name"] = "SubPlan exists_1"
    within = scan("s", "Subquery Scan", Plans=[join("Merge Join", scan("e"), scan("f"))])
    (advice,) = advice_of({"Node Type": "Nested Loop", "Plans": [scan("a"), within, below]})
    assert set(advice.orders) == {
        "JOIN_ORDER(c@exists_1 d@exists_1)",
        "JOIN_ORDER(e@s f@s)",
        "JOIN_ORDER(a s)",
    }
    assert "HASH_JOIN(d@exists_1)" in advice.joins


def test_the_servers_own_words_are_kept_with_each_example() -> None:
    said = 'SEQ_SCAN("4711")\nNO_GATHER("4711")'
    plans: list[dict[str, Any]] = [
        {"Plan": scan("4711"), ADVICE: said},
        {"Plan": scan("x", "Tid Scan")},
    ]
    found = [each.scans for each in advice_of(without_values(joined(plans)))]
    assert sorted(found) == [('SEQ_SCAN("4711")',), ("TID_SCAN(x)",)]


def test_one_join_that_is_another_is_the_least() -> None:
    good, bad = (
        parsed("JOIN_ORDER(a b) HASH_JOIN(b)"),
        parsed("JOIN_ORDER(a b) MERGE_JOIN_PLAIN(b)"),
    )
    assert next(choices(good, [bad])) == "HASH_JOIN(b)"


def test_a_claim_is_tried_in_the_manner_that_it_records() -> None:
    assert manner_of({"advice": {}}) is MANNER
    assert manner_of({"session": {}}) is None
    assert MANNER.settings("HASH_JOIN(b)") == {"pg_plan_advice.advice": "HASH_JOIN(b)"}
    assert (MANNER.settings(""), MANNER.text("SELECT 1", "HASH_JOIN(b)")) == ({}, "SELECT 1")
