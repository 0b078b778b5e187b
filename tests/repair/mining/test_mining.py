"""Patterns of edits: of Python's own words alone, and what they make of a place is the edit."""

import ast
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.repair.candidates import Candidate, drafted
from honed.repair.localise import Spectrum
from honed.repair.mining.edits import mined
from honed.repair.mining.general import generalised, in_common
from honed.repair.mining.pattern import name_of, read_pattern
from honed.repair.source import Source, applied
from honed.repair.templates.mined import MOST_PATTERNS, mined_templates


def texts(before: str, after: str) -> list[str]:
    return [each.text for each in mined(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "pattern"),
    [
        (
            "def f(name):\n    return name.strip()",
            "def f(name):\n    return (name or '').strip()",
            "$0.strip() -> ($0 or '').strip()",
        ),
        # The attribute has the name of a method, and is none.
        ("x = self.title.strip()", "x = (self.title or '').strip()", None),
        (
            "pages = round(all_ / size)",
            "pages = -(-all_ // size)",
            "round($0 / $1) -> -(-$0 // $1)",
        ),
        ("x = rows[1:]", "x = rows[1:] if rows else rows", "$0[1:] -> $0[1:] if $0 else $0"),
        ("x = d[key]", "x = d.get(key)", "$0[$1] -> $0.get($1)"),
        (
            "x = json.loads(raw)",
            "x = json.loads(raw or '')",
            "json.loads($0) -> json.loads($0 or '')",
        ),
        ("while i < len(a): f()", "while i <= len(a): f()", "$0 < len($1) -> $0 <= len($1)"),
        ("x = f(a, b)", "x = f(b, a)", "$0($1, $2) -> $0($2, $1)"),
        ("x.sort()", "x = sorted(x)", "$0.sort() -> $0 = sorted($0)"),
        (
            "x = os.path.join(a, b)",
            "x = os.path.join(a or '', b)",
            "os.path.join($0, $1) -> os.path.join($0 or '', $1)",
        ),
        ("return x", "return x or []", "return $0 -> return $0 or []"),
        ("x.y = a", "x.y = a or ''", "$0 = $1 -> $0 = $1 or ''"),
        (
            "x = f'{a.strip()}'",
            "x = f'{(a or str()).strip()}'",
            "$0.strip() -> ($0 or str()).strip()",
        ),
    ],
)
def test_an_edit_has_a_pattern(before: str, after: str, pattern: str | None) -> None:
    assert texts(before, after) == [pattern or "$0.strip() -> ($0 or '').strip()"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = f(a)", "x = f(secret)"),
        ("x = d[a]", "x = d.get(a, 'secret')"),
        ("x = d[a]", "x = d.get(a, 7)"),
        ("x = a.strip()", "x = a.secret()"),
        ("x = f(a, secret=1)", "x = f(a, secret=0)"),
        ("for x in a: pass", "for x in a or []: pass"),
        ("if 1: pass", "if 0: pass"),
        ("x = a + 1", "x = a + 1"),
        ("x = a[1]\ny = 2", "x = a[0]\nx += 1\ny = 2"),
        ("x = (lambda a: a)[0]", "x = (lambda b: b)[1]"),
        ("'''Text.'''", "'''Another text.'''"),
        ("def f(a: int): pass", "def f(a: str) -> int: pass"),
        ("x = " + "(" * 80 + "a" + ".strip()[0])" * 80, "x = b"),
        ("this is no Python", "x = 1"),
    ],
)
def test_what_is_not_general_or_no_edit_has_none(before: str, after: str) -> None:
    assert texts(before, after) == []


def test_long_sides_have_none() -> None:
    many = ", ".join(f"a{number}" for number in range(30))
    assert texts(f"x = f({many})", f"x = f({many}, a1)") == []


@pytest.mark.parametrize(
    "text",
    [
        "$0.strip()",
        "$0 -> $0 or ''",
        "$0.strip() -> $1",
        "$0.secret() -> $0",
        "$0['secret'] -> $0",
        "f(secret=$0) -> $0",
        "__0.strip() -> __0",
        "$0[0] -> (lambda: $0)()",
        "$0[0] -> __import__('os')",
        "int($0) -> eval($0)",
        "$0.exists() -> $0.unlink()",
        "os.path.exists($0) -> os.system($0)",
        "$0[0] -> $0[2]",
        "$0[0]; $0[1] -> $0",
        "$0[1:] -> $0 -> $0",
        "import os -> $0",
    ],
)
def test_what_says_more_than_a_pattern_may_is_not_read(text: str) -> None:
    assert read_pattern(text) is None
    assert mined_templates([text]) == ()


def candidates(code: str, *patterns: str) -> Iterator[tuple[Candidate, str]]:
    """Yield what patterns alone make of code, with what becomes of it."""
    source = Source("m.py", code.encode())
    lines = {("m.py", number): 1.0 for number in range(1, code.count("\n") + 2)}
    for each in drafted(source, Spectrum(), lines, templates=mined_templates(patterns)):
        yield each, applied(source.text, each.edits).decode()


def made(code: str, pattern: str) -> list[str]:
    return [after for _, after in candidates(code, pattern)]


def test_a_pattern_writes_with_the_places_own_words() -> None:
    pattern = "round($0 / $1) -> -(-$0 // $1)"
    code = "def f(a, b):\n    return 2 * round((a +  b) / b)  # kept\n"
    assert made(code, pattern) == [code.replace("round((a +  b) / b)", "-(-(a +  b) // b)")]
    assert made("x = round(a or b)", pattern) == []
    assert made("x = round(a / f(b, 'c'))", pattern) == ["x = -(-a // f(b, 'c'))"]
    assert made("x = y[1:] ** 2", "$0[1:] -> $0[1:] if $0 else $0") == [
        "x = (y[1:] if y else y) ** 2"
    ]


def test_one_number_is_one_thing_and_what_is_assigned_to_is_no_place() -> None:
    assert made("x = a[a.b]", "$0[$0] -> $0") == []
    assert made("x = a.b[a.b]", "$0[$0] -> $0") == ["x = a.b"]
    assert made("a[1:] = b", "$0[1:] -> $0") == []
    assert made("f(*a)", "$0($1) -> $0($1 or '')") == []
    assert made("a.b.sort()", "$0.sort() -> $0 = sorted($0)") == ["a.b = sorted(a.b)"]


def test_templates_have_the_names_of_their_patterns_and_are_few() -> None:
    pattern = "$0[1:] -> $0"
    ((found, _),) = candidates("x = y[1:]", pattern)
    assert found.template == name_of(pattern)
    assert re.fullmatch("mined:[0-9a-f]{8}", found.template)
    many = [f"{'$0[0]' + '.strip()' * number} -> $0" for number in range(1, 9)] * 20
    assert len(mined_templates(many)) == MOST_PATTERNS


def test_what_edits_have_in_common_is_as_special_as_it_can_be() -> None:
    def common(one: str, other: str) -> str | None:
        read = read_pattern(one), read_pattern(other)
        assert read[0] is not None
        assert read[1] is not None
        found = in_common(read[0], read[1])
        return None if found is None else found.text

    assert common("len($0) - 1 -> len($0)", "$0 - 1 -> $0") == "$0 - 1 -> $0"
    assert common("f($0, len($1)) -> f($0)".replace("f", "max"), "max($0, 1) -> max($0)") == (
        "max($0, $1) -> max($0)"
    )
    assert common("$0[1:] -> $0", "$0[0:] -> $0") == "$0[$1:] -> $0"
    assert common("$0[1:] -> $0", "$0[1:] -> $0[0]") is None, "no side says which is after"
    assert common("$0 + 1 -> $0", "$0 - 1 -> $0") is None
    assert common("$0[0] -> $0[1]", "$0[1] -> $0[0]") is None, "that would be any element"


def test_more_general_patterns_count_where_more_changes_are_cases_of_them() -> None:
    one, two, three = (frozenset({number}) for number in (1, 2, 3))
    found = {"len($0) - 1 -> len($0)": one, "sum($0) - 1 -> sum($0)": two, "$0[0] -> $0": three}
    assert dict(generalised(found)) == {"$0($1) - 1 -> $0($1)": one | two}
    assert dict(generalised(dict.fromkeys(found, one))) == {}, "one change made both"
    known = {**found, "$0 - 1 -> $0": three}
    assert dict(generalised(known)) == {
        "$0($1) - 1 -> $0($1)": one | two,
        "$0 - 1 -> $0": one | two | three,
    }


_SECRETS = st.sampled_from(["tariff", "acme", "customer_id", "Ledger"])
_LEAVES = st.one_of(
    _SECRETS,
    st.sampled_from(["0", "1", "None", "''", "self.acme", "'acme'", "42", "tariff.Ledger"]),
)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    return st.one_of(
        two.map("({0[0]} - {0[1]})".format),
        two.map("({0[0]} or {0[1]})".format),
        two.map("{0[0]}[{0[1]}]".format),
        two.map("max({0[0]}, {0[1]})".format),
        two.map("acme({0[0]}, tariff={0[1]})".format),
        two.map("[{0[0]} for Ledger in {0[1]}]".format),
        inner.map("({}).strip()".format),
        inner.map("({}).acme".format),
        inner.map("({})[1:]".format),
        inner.map("len({})".format),
        inner.map("sorted({}, key=Ledger, reverse=True)".format),
        inner.map("(lambda acme: {})".format),
    )


_EXPRESSIONS = st.recursive(_LEAVES, _grown, max_leaves=6)


def check(old: str, new: str) -> None:
    """Assert that patterns of an edit hold nobody's words, and make that edit again."""
    wanted = ast.dump(ast.parse(new))
    for pattern in mined(old, new):
        assert not re.search("tariff|acme|customer|Ledger|42", pattern.text)
        read = read_pattern(pattern.text)
        assert read is not None
        assert read.text == pattern.text
        assert wanted in (ast.dump(ast.parse(each)) for each in made(old, pattern.text))


@given(before=_EXPRESSIONS, after=_EXPRESSIONS, around=_EXPRESSIONS)
def test_a_pattern_of_any_edit_makes_it_again_without_its_words(
    before: str, after: str, around: str
) -> None:
    check(*(f"tariff = acme([{each}], {around})" for each in (before, after)))


@given(value=_EXPRESSIONS, around=_EXPRESSIONS)
def test_what_a_pattern_made_has_patterns_that_make_it_again(value: str, around: str) -> None:
    old = f"tariff = acme([({value}).strip()], {around})"
    found = made(old, "$0.strip() -> ($0 or '').strip()")
    assert found
    for new in found:
        check(old, new)
