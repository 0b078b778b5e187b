"""What a person would not write ranks below what it means."""

import ast

import pytest

from honed.repair.candidates import Candidate
from honed.repair.rank import naturalness, ranked
from honed.repair.simplify import simplified, size
from honed.repair.source import Source
from honed.repair.suite import Edit

PATH = "/code/module.py"


@pytest.mark.parametrize(
    ("detour", "plain"),
    [
        ("x[0:]", "x"),
        ("x[:]", "x"),
        ("x[0::1]", "x"),
        ("x[:len(x)]", "x"),
        ("x[0:n]", "x[:n]"),
        ("x[n:len(x)]", "x[n:]"),
        ("n + 0", "n"),
        ("0 + n", "n"),
        ("n - 0", "n"),
        ("n * 1", "n"),
        ("n // 1", "n"),
        ("n ** 1", "n"),
        ("n + 1 - 1", "n"),
        ("n + 1 + 2", "n + 3"),
        ("x + []", "x"),
        ("s + ''", "s"),
        ("a or False", "a"),
        ("True and a", "a"),
        ("a and a", "a"),
        ("a and (b and c)", "a and b and c"),
        ("not not a", "a"),
        ("not a == b", "a != b"),
        ("not a in b", "a not in b"),
        ("-(-n)", "n"),
        ("a if b else a", "a"),
        ("sorted(sorted(x))", "sorted(x)"),
        ("max(n, n)", "n"),
        ("range(0, n, 1)", "range(n)"),
        ("f((n + 0) * 1)", "f(n)"),
    ],
)
def test_a_detour_is_what_it_means(detour: str, plain: str) -> None:
    long, short = ast.parse(detour), ast.parse(plain)
    assert size(long) > size(short)
    assert ast.dump(simplified(long)) == ast.dump(short)


@pytest.mark.parametrize(
    "text",
    ["x[1:]", "x[:-1]", "x[::-1]", "n - 1", "0 - n", "n * 0", "1 // n", "a or True", "a and False",
     "n + True", "x or []", "not a", "-n", "max(n, m)", "range(1, n)", "x[0]", "not a < b"],
)  # fmt: skip
def test_what_means_something_stays(text: str) -> None:
    assert ast.dump(simplified(ast.parse(text))) == ast.dump(ast.parse(text))


def of(source: Source, old: str, new: str, promise: float) -> Candidate:
    start = source.text.decode().index(old)
    return Candidate(PATH, (Edit(start, start + len(old), new),), "t", promise)


@pytest.mark.parametrize("detour", ["prices[0:]", "prices[:]", "prices[:len(prices)]"])
def test_a_slice_that_takes_everything_ranks_below_the_whole(detour: str) -> None:
    source = Source(PATH, b"def total(prices):\n    return sum(prices[1:])\n")
    long = of(source, "prices[1:]", detour, 3.0)
    short = of(source, "prices[1:]", "prices", -3.0)
    order = [each for _, each in ranked({PATH: source}, [long, short], {})]
    assert order == [short, long]
    assert order == [each for _, each in ranked({PATH: source}, [short, long], {})]


@pytest.mark.parametrize(
    ("silly", "plain"), [("x[0:n]", "x[:n]"), ("n + 0", "n"), ("n * 1", "n"), ("x or False", "x")]
)
def test_a_detour_costs_also_where_nobody_proposes_the_plain_one(silly: str, plain: str) -> None:
    source = Source(PATH, b"def f(x, n):\n    return g(x, n)\n")
    long, short = (of(source, "g(x, n)", f"g({each})", -1.0) for each in (silly, plain))
    assert naturalness(source, long, {}) < naturalness(source, short, {}) - 1.0


def test_a_copy_is_no_detour_where_the_whole_is_what_was_there() -> None:
    source = Source(PATH, b"def f(x):\n    for each in x:\n        x.remove(each)\n")
    copied = of(source, "in x", "in x[:]", -1.0)
    ((score, _),) = ranked({PATH: source}, [copied], {})
    assert score == naturalness(source, copied, {})


SHORT = Source(PATH, b"def f(a, b):\n    return a\n")


def test_a_condition_is_before_those_that_ask_for_more() -> None:
    more = of(SHORT, "return a", "return a if b and a else 0", 0.0)
    needed = of(SHORT, "return a", "return a if b else 0", -2.0)
    assert [each for _, each in ranked({PATH: SHORT}, [more, needed], {})] == [needed, more]


def test_an_element_that_stands_nowhere_is_odd() -> None:
    odd, usual = (of(SHORT, "return a", f"return b[{index}]", 0.0) for index in ("-1", "a"))
    scored = {each: score for score, each in ranked({PATH: SHORT}, [odd, usual], {})}
    assert scored[usual] - scored[odd] > 0.9


def test_a_loop_that_ends_no_function_goes_on() -> None:
    text = b"def f(x):\n    n = 0\n    for each in x:\n        n += g[each]\n    return n\n"
    source = Source(PATH, text)
    guarded = "        if each not in g:\n            {}\n        n += g[each]\n"
    ends, goes_on = (
        of(source, "        n += g[each]\n", guarded.format(way), 0.0)
        for way in ("return n", "continue")
    )
    assert [each for _, each in ranked({PATH: source}, [ends, goes_on], {})] == [goes_on, ends]


def test_a_part_that_stood_there_is_not_needless() -> None:
    source = Source(PATH, b"def f(a, b):\n    return a is None or a > b\n")
    changed = of(source, "a is None or", "a is not None and", 0.0)
    dropped = of(source, "a is None or a > b", "a is not None", 0.0)
    scored = {each: score for score, each in ranked({PATH: source}, [changed, dropped], {})}
    assert scored[changed] == naturalness(source, changed, {})
