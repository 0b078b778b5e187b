"""What raised before returns what its function returns, and the whole of a fault is repaired."""

import pytest

from honed.repair.behaviour import Answer, Compared, Probe
from honed.repair.decide import decide
from honed.repair.invariants import is_refusal, remainder, sort_of, strangeness
from honed.repair.localise import Spectrum
from honed.repair.source import Source

PROBE = Probe("m.py", "f", (("1",), ("2",), ("3",), ("4",)), 2)
RAISED: Answer = ("raised", "KeyError", 3)
BASE: list[Answer] = [("returned", "7", 3), ("returned", "-9.5", 3), RAISED, RAISED]


def answered(*last: Answer) -> list[Answer]:
    """Return what a candidate answers that does as before where the base returned."""
    return [*BASE[:2], *last]


def test_nothing_where_numbers_come_is_strange() -> None:
    none, zero = ("returned", "None[1]", 3), ("returned", "0", 3)
    compared = Compared([PROBE], [answered(none, none), answered(zero, none)], BASE, [0, 1])
    assert strangeness(compared.answers[0], compared) == 1.0
    assert strangeness(compared.answers[1], compared) == 0.5
    assert strangeness(answered(RAISED, RAISED), compared) == 0.0


def test_where_functions_return_several_sorts_nothing_is_strange() -> None:
    base: list[Answer] = [("returned", "7", 3), ("returned", "None", 3), RAISED, RAISED]
    text = ("returned", "'a'", 3)
    compared = Compared([PROBE], [[*base[:2], text, text]], base, [0])
    assert strangeness(compared.answers[0], compared) == 0.0


def test_what_still_raises_is_left() -> None:
    zero, other = ("returned", "0", 3), ("raised", "TypeError", 3)
    assert remainder(answered(zero, RAISED), BASE, {"KeyError"}) == 0.5
    assert remainder(answered(zero, zero), BASE, {"KeyError"}) == 0.0
    assert remainder(answered(zero, other), BASE, {"KeyError"}) == 0.0
    assert remainder(answered(RAISED, RAISED), BASE, {"AssertionError"}) == 0.0


def test_a_patch_for_the_captured_call_alone_is_behind_one_for_all() -> None:
    zero = ("returned", "0", 3)
    answers = [answered(zero, RAISED), answered(zero, zero)]
    compared = Compared([PROBE], answers, BASE, [0, 1])
    decision = decide([-1.0, -1.4], compared, raised={"KeyError"})
    assert decision.order == (1, 0)


def test_what_refuses_nothing_any_more_is_in_doubt_where_it_was_on_purpose() -> None:
    zero = ("returned", "0", 3)
    never, later = answered(zero, zero), answered(zero, RAISED)
    for answers, doubted in ((never, True), (later, False)):
        compared = Compared([PROBE], [answers], BASE, [0])
        decision = decide([-1.0], compared, raised={"KeyError"}, is_refused=True)
        assert bool(decision.abstained) is doubted
        assert not decide([-1.0], compared, raised={"KeyError"}).abstained
    both = Compared([PROBE], [never, later], BASE, [0, 1])
    assert decide([-1.2, -1.0], both, raised={"KeyError"}, is_refused=True).order == (1, 0)


def test_a_refusal_is_raised_by_a_statement_of_the_code() -> None:
    text = (
        b"def f(n):\n    if n < 0:\n        raise ValueError(\n            n)\n    return [][n]\n"
    )
    sources = {"m.py": Source("m.py", text)}
    for line, refuses in ((3, True), (4, True), (5, False)):
        assert (
            is_refusal(sources, Spectrum(stacks={"red": [("t.py", 9), ("m.py", line)]})) is refuses
        )
    assert not is_refusal(sources, Spectrum(stacks={"red": [("m.py", 3), ("lib.py", 3)]}))


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("-3", "number"),
        ("inf", "number"),
        ("1e+20", "number"),
        ("True", "bool"),
        ("None[1]", "None"),
        ("'a'", "text"),
        ("b'a'", "bytes"),
        ("[1]", "list"),
        ("(1,)", "tuple"),
        ("{1}", "set or dict"),
        ("Cart", "Cart"),
    ],
)
def test_sorts(text: str, sort: str) -> None:
    assert sort_of(text) == sort
