"""A plan in the words of hints: pure parts, with properties."""

import re
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.targets.postgres.plan_pins.guidance import Guidance, choices
from honed.targets.postgres.plan_pins.hint_rows import HintRows
from honed.targets.postgres.plan_pins.hints import hinted, hints_of
from honed.targets.postgres.plans import joined

JOINS = {"Nested Loop": "NestLoop", "Hash Join": "HashJoin", "Merge Join": "MergeJoin"}
#: No upper-case letters without a quote, and what pg_hint_plan treats specially.
NAMES = st.text(st.sampled_from("aB_ 1()\"'é,"), min_size=1, max_size=5)
TREES: Any = st.recursive(
    st.just(None),
    lambda below: st.tuples(st.sampled_from(sorted(JOINS)), below, below),
    max_leaves=6,
)
WORDS = st.lists(st.sampled_from(["A(a)", "B(b)", "C(c)", "D(/*)"]), unique=True).map(tuple)
HINTS = st.builds(Guidance, WORDS, WORDS, WORDS)
TOKEN = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^\s()"]+)|([()]))')


def scan(alias: str, sort: str = "Seq Scan", **more: Any) -> dict[str, Any]:
    return {"Node Type": sort, "Schema": "public", "Relation Name": "t", "Alias": alias, **more}


def join(sort: str, outer: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    return {"Node Type": sort, "Plans": [outer, inner]}


def parsed(text: str) -> Any:
    """Read nested pairs of names as pg_hint_plan does."""
    stack: list[list[Any]] = [[]]
    for quoted, plain, parenthesis in TOKEN.findall(text):
        if parenthesis == "(":
            stack.append([])
        elif parenthesis == ")":
            pair = tuple(stack.pop())
            stack[-1].append(pair)
        else:
            stack[-1].append(plain or quoted.replace('""', '"'))
    ((only,),) = stack
    return only


@given(TREES, st.lists(NAMES, min_size=6, max_size=6, unique=True))
def test_the_order_of_joins_survives_whatever_relations_are_called(
    tree: Any, names: list[str]
) -> None:
    numbers = count()

    def built(node: Any) -> tuple[dict[str, Any], Any]:
        if node is None:
            name = names[next(numbers)]
            return scan(name), name
        (outer, one), (inner, other) = built(node[1]), built(node[2])
        wrapped = {"Node Type": "Hash", "Plans": [inner]}
        return join(node[0], outer, wrapped), (one, other)

    plan, order = built(tree)
    (hints,) = hints_of({"Plan": {"Node Type": "Aggregate", "Plans": [plan]}})
    if tree is None:
        assert (hints.joins, hints.orders) == ((), ())
        return
    (leading,) = hints.orders
    assert parsed(leading.removeprefix("Leading(").removesuffix(")")) == order
    assert len(hints.joins) == len(hints.scans) - 1
    assert {each.split("(")[0] for each in hints.joins} <= set(JOINS.values())


@given(HINTS, st.lists(HINTS, max_size=2))
def test_choices_grow_and_never_leave_their_comment(good: Guidance, bad: list[Guidance]) -> None:
    found = list(choices(good, bad))
    assert len(found) == len(set(found))
    for each in found:
        assert hinted("SELECT 1", each) == f"/*+ {each} */ SELECT 1"
        assert "/*" not in each
    everything = " ".join([*good.scans, *good.joins, *good.orders])
    if everything and "/*" not in everything:
        assert everything in found
    if good.scans and not bad and "/*" not in good.scans[0]:
        assert found[0] == good.scans[0]


def test_a_scan_that_is_another_comes_before_its_join() -> None:
    one, two = scan("a"), scan("b", "Index Scan", **{"Index Name": "By Id"})
    (good,) = hints_of(join("Nested Loop", one, two))
    (bad,) = hints_of(join("Hash Join", one, scan("b")))
    assert list(choices(good, [bad])) == [
        'IndexScan(b "By Id")',
        "NestLoop(a b)",
        'IndexScan(b "By Id") NestLoop(a b)',
        "NestLoop(a b) Leading((a b))",
        'SeqScan(a) IndexScan(b "By Id") NestLoop(a b) Leading((a b))',
    ]


@pytest.mark.parametrize(
    ("node", "scans"),
    [
        (scan("l", "Index Only Scan", **{"Index Name": "i"}), ["IndexOnlyScan(l i)"]),
        (
            scan(
                "l",
                "Bitmap Heap Scan",
                Plans=[
                    {
                        "Node Type": "BitmapAnd",
                        "Plans": [
                            {"Node Type": "Bitmap Index Scan", "Index Name": name}
                            for name in ("second", "first")
                        ],
                    }
                ],
            ),
            ["BitmapScan(l first second)"],
        ),
        # Partitions are hinted by the table that they are of.
        ({"Node Type": "Append", "Plans": [scan("event_1"), scan("event_2")]}, ["SeqScan(event)"]),
        ({"Node Type": "Append", "Plans": [scan("a"), scan("b")]}, ["SeqScan(a)", "SeqScan(b)"]),
        ({"Node Type": "Gather", "Plans": [{**scan("l"), "Parallel Aware": True}]}, ["SeqScan(l)"]),
        ({"Node Type": "Result"}, []),
    ],
)
def test_a_scan_is_said_with_its_indexes(node: dict[str, Any], scans: list[str]) -> None:
    (hints,) = hints_of(node)
    assert list(hints.scans) == scans


def test_what_is_planned_by_itself_has_an_order_of_its_own() -> None:
    below = {**join("Hash Join", scan("c"), scan("d")), "Parent Relationship": "SubPlan"}
    within = scan("s", "Subquery Scan", Plans=[join("Merge Join", scan("e"), scan("f"))])
    top = {"Node Type": "Nested Loop", "Plans": [scan("a"), within, below]}
    (hints,) = hints_of(top)
    assert set(hints.orders) == {"Leading((c d))", "Leading((e f))", "Leading((a s))"}
    assert set(hints.joins) == {"HashJoin(c d)", "MergeJoin(e f)", "NestLoop(a s)"}


def test_several_examples_have_hints_each() -> None:
    plans = [{"Plan": scan("l")}, {"Plan": scan("l", "Index Scan", **{"Index Name": "i"})}]
    found = [each.scans for each in hints_of(joined(plans))]
    assert sorted(found) == [("IndexScan(l i)",), ("SeqScan(l)",)]


def test_the_row_of_a_hint_is_one_statements_and_all_sessions() -> None:
    rows = HintRows(is_by_identifier=True, is_obeyed=True, may_be_written=True)
    step = rows.step("-42", 'SeqScan("it\'s")')
    assert "query_id = " in step.inspect
    assert "VALUES ( -42, '', 'SeqScan(\"it''s\")')" in step.do[0]
    assert step.undo[0].endswith("hints = 'SeqScan(\"it''s\")'")
