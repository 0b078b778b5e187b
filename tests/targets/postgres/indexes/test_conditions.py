import pytest

from honed.targets.postgres.indexes.conditions import (
    Comparison,
    plain_expression,
    read_condition,
    read_key,
)
from honed.targets.postgres.indexes.definition import Key

ALIASES = {"t", "u"}


@pytest.mark.parametrize(
    ("text", "key", "comparison"),
    [
        ("(t.a = 5)", "a", Comparison.EQUAL),
        ("(5 = t.a)", "a", Comparison.EQUAL),
        ("((t.a)::text = 'x'::text)", "a", Comparison.EQUAL),
        ("(t.a = ANY ('{1,2}'::integer[]))", "a", Comparison.EQUAL),
        ("(t.a IS NULL)", "a", Comparison.EQUAL),
        ("(t.a = (InitPlan 1).col1)", "a", Comparison.EQUAL),
        ("(t.a > $0)", "a", Comparison.RANGE),
        ("(t.a <= '2020-01-01'::date)", "a", Comparison.RANGE),
        ("((t.a)::text ~~ 'abc%'::text)", "a", Comparison.PREFIX),
        ("(t.tags @> '{x}'::text[])", "tags", Comparison.INSIDE),
        ("(t.words @@ '''x'''::tsquery)", "words", Comparison.INSIDE),
        ('(t."A b" = 1)', "A b", Comparison.EQUAL),
    ],
)
def test_a_comparison_is_read(text: str, key: str, comparison: Comparison) -> None:
    (found,) = read_condition(text, ALIASES).predicates
    assert (found.alias, found.key.text, found.comparison) == ("t", key, comparison)
    assert found.partner == ""


@pytest.mark.parametrize(
    "text",
    [
        "(t.a <> 5)",
        "(t.a IS NOT NULL)",
        "((t.a)::text ~~ '%abc'::text)",
        "((t.a)::text !~~ 'abc%'::text)",
        "(NOT (ANY (t.a = (hashed SubPlan 1).col1)))",
        "(t.a < t.b)",
        "(random() < 0.5)",
        "(date_trunc('day'::text, t.at) = '2020-01-01'::date)",
        "this is (not SQL",
        "",
    ],
)
def test_what_no_index_serves_is_no_comparison(text: str) -> None:
    assert read_condition(text, ALIASES).predicates == ()


def test_a_join_names_its_partner() -> None:
    found = read_condition("((t.a = u.b) AND (t.c > u.d))", ALIASES)
    assert found.equalities == ((("t", "a"), ("u", "b")),)
    assert {(each.alias, each.key.text, each.partner) for each in found.predicates} == {
        ("t", "a", "u"),
        ("u", "b", "t"),
        ("t", "c", "u"),
        ("u", "d", "t"),
    }


def test_branches_of_an_or_are_alternatives() -> None:
    found = read_condition("((t.a = 1) OR ((t.b = 2) AND (t.c > 3)))", ALIASES)
    assert [each.key.text for each in found.predicates] == ["a", "b", "c"]
    assert all(each.is_alternative for each in found.predicates)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("(lower((t.mail)::text) = 'x'::text)", 'LOWER(CAST("mail" AS TEXT))'),
        ("((t.doc ->> 'a'::text) = 'b'::text)", "\"doc\" ->> CAST('a' AS TEXT)"),
    ],
)
def test_an_expression_is_a_key(text: str, expression: str) -> None:
    (found,) = read_condition(text, ALIASES).predicates
    assert found.key == Key(expression, is_expression=True)


def test_expressions_of_plans_and_indexes_are_the_same_text() -> None:
    (found,) = read_condition("(lower((t.mail)::text) = 'x'::text)", ALIASES).predicates
    assert plain_expression("lower(mail::text)") == found.key.text


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("(t.a < t.b)", '"a" < "b"'),
        ("(t.a IS NULL)", '"a" IS NULL'),
        ("t.is_open", '"is_open"'),
        ("(NOT t.is_open)", 'NOT "is_open"'),
    ],
)
def test_what_holds_whatever_the_parameters_may_limit_an_index(text: str, fixed: str) -> None:
    assert read_condition(text, ALIASES).fixed == (("t", fixed),)


@pytest.mark.parametrize("text", ["(t.a = 5)", "(t.a < u.b)", "(t.a = $1)", "(now() > t.a)"])
def test_what_may_change_does_not(text: str) -> None:
    assert read_condition(text, ALIASES).fixed == ()


def test_one_relation_needs_no_name() -> None:
    (found,) = read_condition("(a = 5)", {"t"}).predicates
    assert (found.alias, found.key.text) == ("t", "a")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("t.a DESC", Key("a", descending=True)),
        ("t.a DESC NULLS LAST", Key("a", descending=True)),
        ('t."A b"', Key("A b")),
    ],
)
def test_a_sort_key_is_read(text: str, key: Key) -> None:
    assert read_key(text, ALIASES) == ("t", key)


@pytest.mark.parametrize("text", ["(sum(t.a))", "other.a", "(lower(t.a))"])
def test_a_sort_key_that_no_index_orders_is_none(text: str) -> None:
    assert read_key(text, ALIASES) is None
