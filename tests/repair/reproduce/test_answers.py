"""What a person says is right becomes an assertion, and nothing of it is run to find that out."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import pytest

from honed.core.answer import Answer
from honed.core.fault import Fault, Frame
from honed.core.gate import TestRun
from honed.core.testrun import Outcome
from honed.repair.reproduce.answers import (
    asked_call,
    by_call,
    exception,
    literal,
    raisable,
    spelled,
    told,
)
from honed.repair.reproduce.calls import call_of
from honed.repair.reproduce.classes import Classes
from honed.repair.reproduce.refusal import NotRebuilt
from honed.repair.reproduce.reproduce import Reproduction, reproduce
from honed.repair.reproduce.writing import test_text
from honed.testing.faulty.written import Written

test_text.__test__ = False  # type: ignore[attr-defined]  # it writes tests, and is none

FILES = {
    "shop/__init__.py": "",
    "shop/bands.py": """import contextlib
import dataclasses


def band(percent, names=("low", "full")):
    return names[percent // 50]


async def later(percent):
    return band(percent)


def bands(percents):
    for each in percents:
        yield band(each)


@contextlib.contextmanager
def held(percent):
    yield band(percent)


@dataclasses.dataclass
class Cell:
    size: int


def late(booking):
    return booking.number


class Pack:
    def __init__(self, cells):
        self.cells = cells

    def weakest(self):
        return band(min(self.cells))

    @staticmethod
    def band(percent):
        return band(percent)

    @classmethod
    def of(cls, percent, *, size):
        return cls([percent] * size).weakest()
""",
    "shop/other.py": "def twice(x):\n    return 2 * x\n",
    "shop/more.py": "def twice(x):\n    return x + x\n",
}
CLASSES = Classes(Written(FILES))


def frame(function: str, **variables: str) -> Frame:
    return Frame("shop/bands.py", "shop.bands", function, 5, is_in_app=True, variables=variables)


BAND = frame("band", percent="100", names="('low', 'full')")
FULL = "shop.bands.band(percent=100, names=('low', 'full'))"
FAULT = Fault("IndexError", "tuple index out of range", (BAND,))


def written(returns: str = "", raises: str = "", at: Frame = BAND) -> str:
    call = call_of(at, CLASSES)
    known = by_call([Answer(call.text, returns, raises)], CLASSES)
    text = test_text(call, FAULT, told(call, known, CLASSES))
    ast.parse(text)
    return text


def test_a_call_is_found_by_what_a_person_writes_of_it() -> None:
    assert call_of(BAND, CLASSES).text == FULL
    for said in (
        "band(100, ('low', 'full'))",
        "bands.band(names=('low', 'full'), percent=100)",
        " shop.bands.band( 100, names = ('low',  'full') ) ",
        FULL,
    ):
        assert asked_call(said, CLASSES).text == FULL
    # What has a default need not be said.
    assert asked_call("band(7)", CLASSES).text == "shop.bands.band(percent=7)"
    static = asked_call("Pack.band(7)", CLASSES)
    assert (static.text, static.lines) == (
        "shop.bands.Pack.band(percent=7)",
        ("Pack.band(percent=7)",),
    )
    of_class = "shop.bands.Pack.of(percent=7, size=2)"
    assert asked_call("Pack.of(7, size=2)", CLASSES).text == of_class
    assert asked_call("shop.more.twice(2)", CLASSES).text == "shop.more.twice(x=2)"


def test_objects_are_given_as_they_tell_of_themselves() -> None:
    call = asked_call("band(datetime.timedelta(days=1), [shop.bands.Cell(size=2)])", CLASSES)
    assert call.lines == ("band(percent=timedelta(days=1), names=[Cell(size=2)])",)
    assert call.imports.lines() == [
        "from datetime import timedelta",
        "from shop.bands import Cell, band",
    ]
    # It is found again by how it is kept.
    kept = spelled("band(datetime.timedelta(days=1), [shop.bands.Cell(size=2)])", CLASSES)
    assert kept == (
        "shop.bands.band(percent=datetime.timedelta(days=1), names=[shop.bands.Cell(size=2)])"
    )
    assert spelled(kept, CLASSES) == kept
    known = told(call_of(BAND, CLASSES), by_call([Answer(kept, "1")], CLASSES), CLASSES)
    assert known.others[0].call.text == call.text


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("band", "no call of a function by its name"),
        ("band(", "not Python's"),
        ("band(x for x in y)", "its text is no value"),
        ("band(open('x'))", "open is no class of the repository"),
        ("band(*[1])", "not Python's"),
        ("band(**{})", "takes percent, names"),
        ("band(__import__('os'))", "__import__ is no class of the repository"),
        ("band(later(1))", "later is no class of the repository"),
        ("band(1, 2, 3)", "takes percent, names"),
        ("band(1, size=2)", "takes percent, names"),
        ("band()", "percent was not told"),
        ("[band][0](1)", "no call of a function by its name"),
        ("nowhere(1)", "no function nowhere"),
        ("twice(1)", "more than one function twice: shop.more.twice, shop.other.twice"),
        ("Pack.weakest()", "is a method"),
        ("__import__('os').system('id')", "no call of a function by its name"),
    ],
)
def test_a_call_that_cannot_be_asserted_is_refused(said: str, why: str) -> None:
    with pytest.raises(NotRebuilt) as refused:
        asked_call(said, CLASSES)
    assert why in str(refused.value)


def test_literals_alone_are_taken() -> None:
    for said in ("'full'", "1.5", "-2", "None", "[1, {'a': (2,)}]", "{1, 2}", "set()", "b'x'"):
        assert ast.literal_eval(literal(said)) == ast.literal_eval(said)
    for said in ("full", "f()", "1 +", "", "[x]", "f'{x}'", "__import__('os')"):
        with pytest.raises(NotRebuilt):
            literal(said)


def test_exceptions_are_pythons_own_or_have_a_module() -> None:
    for name in ("KeyError", "shop.errors.NotSold", "BaseException"):
        assert exception(name) == name
    for name in ("NotSold", "int", "a b", "shop.errors.", "shop.class.E", "KeyError()"):
        with pytest.raises(NotRebuilt):
            exception(name)


def test_an_exception_of_the_repository_is_one_that_it_has() -> None:
    for name in ("KeyError", "shop.bands.Cell", "requests.HTTPError"):
        assert raisable(name, CLASSES) == name
    for name, why in (
        ("shop.bands.NotSold", "shop/bands.py has no NotSold"),
        ("shop.errors.NotSold", "the repository has no module shop.errors"),
    ):
        with pytest.raises(NotRebuilt) as refused:
            raisable(name, CLASSES)
        assert why in str(refused.value)


@pytest.mark.parametrize(
    ("returns", "asserted"),
    [
        ("'full'", "assert band(percent=100, names=('low', 'full')) == 'full'"),
        ("None", "assert band(percent=100, names=('low', 'full')) is None"),
        ("False", "assert band(percent=100, names=('low', 'full')) is False"),
        # False is no answer of 0.
        ("0", "assert 0 == band(percent=100, names=('low', 'full')) is not False"),
        ("1", "assert 1 == band(percent=100, names=('low', 'full')) is not True"),
        ("2", "assert band(percent=100, names=('low', 'full')) == 2"),
        ("0.3", "== pytest.approx(0.3)"),
        ("-0.3", "== pytest.approx(-0.3)"),
        ("[1, 0.5]", "== [1, pytest.approx(0.5)]"),
        ("(0.5,)", "== (pytest.approx(0.5),)"),
        ("{'a': (0.5, 1), 0.5: 2}", "== {'a': (pytest.approx(0.5), 1), 0.5: 2}"),
        ("{0.5, 1}", "== {0.5, 1}"),
        ("{'\\u2028'}", "== {'\\u2028'}"),
        # What was scrubbed of the variables, too, is the same harmless value here.
        ("'to <email:0000000a>'", "== 'to git@u0000000a.example'"),
    ],
)
def test_what_is_returned_is_asserted(returns: str, asserted: str) -> None:
    text = written(returns)
    assert asserted in text
    assert ("import pytest" in text) is ("approx" in text)
    assert "def test_band_is_right():\n" in text
    assert text.startswith('"""A call as it was captured when it failed; what is right, a person')


def test_what_is_raised_is_asserted() -> None:
    assert "    with pytest.raises(LookupError):\n        band(percent=100, " in written(
        raises="LookupError"
    )
    text = written(raises="shop.errors.NotSold")
    assert "from shop.errors import NotSold\n" in text
    assert "    with pytest.raises(NotSold):\n" in text


def test_every_sort_of_function_is_asserted_as_it_is_called() -> None:
    later, bands = frame("later", percent="100"), frame("bands", percents="[100]")
    assert "    assert asyncio.run(later(percent=100)) == 'full'\n" in written("'full'", at=later)
    assert "    assert list(bands(percents=[100])) == ['full']\n" in written("['full']", at=bands)
    wide = frame("bands", percents=str([*range(40)]))
    assert "    assert list(bands(\n        percents=[0," in written("[]", at=wide)


def test_what_no_test_can_say_is_left_with_the_reason() -> None:
    held = call_of(frame("held", percent="1"), CLASSES)
    answers = [
        Answer(held.text, "1"),
        Answer("shop.bands.gone(x=1)", "1"),
        Answer("shop.bands.late(booking=Booking(number=1))", "1"),
        Answer("band(7)", "open"),
    ]
    known = told(held, by_call(answers, CLASSES), CLASSES)
    assert known.own is None
    assert known.others == ()
    assert [each.rpartition(": ")[2] for each in known.left] == [
        "what it returns cannot be compared",
        "the repository has no function shop.bands.gone",
        "Booking is no class of the repository",
        "open is no literal",
    ]


def test_of_one_call_the_newest_answer_counts_however_it_is_written() -> None:
    answers = [Answer(FULL, "'half'"), Answer("band(100, ('low', 'full'))", "'full'")]
    assert by_call(answers, CLASSES) == {FULL: answers[1]}


@dataclass(frozen=True)
class Scripted(Written):
    """A side whose tests come to what was written down, run by run; it runs nothing."""

    script: Iterator[str] = field(default_factory=lambda: iter(()))

    def with_files(self, files: Mapping[str, str]) -> Self:
        return type(self)({**self.files, **files}, self.script)

    def run_tests(self, tests: Sequence[str] = (), *, lines: bool = False) -> TestRun:
        letters = next(self.script)
        assert len(letters) == len(tests)
        words = {"P": "passed", "F": "failed", "E": "error"}
        ended = (Outcome(words[each]) for each in letters)
        return TestRun(dict(zip(tests, ended, strict=True)), 0.1)


def made(script: str, *answers: Answer, fault: Fault = FAULT) -> Reproduction:
    return reproduce(fault, Scripted(FILES, iter(script.split())), 2, answers=answers)


def test_the_captured_call_has_to_be_red_and_others_may_be_green() -> None:
    others = [Answer("band(150)", "'full'"), Answer("band(0)", "'low'"), Answer("twice(1)", "2")]
    found = made("P FFP P FFP", Answer(FULL, "'full'"), *others)
    assert found.test is not None
    assert found.test_id.endswith("::test_band_is_right")
    assert [each.rpartition("::")[2] for each in found.also_red] == ["test_band_is_right_2"]
    assert found.is_answered
    assert found.tells
    assert found.call == FULL
    (left,) = found.left
    assert left.startswith("what is right of twice(1) is left out: the repository has more than")
    text = found.test.after or ""
    assert "\n\n\ndef test_band_is_right_3():\n    assert band(percent=0) == 'low'\n" in text
    assert text.count("from shop.bands import band") == 1


def test_without_an_answer_it_is_asked_for_any_return() -> None:
    found = made("P F P F")
    assert found.test_id.endswith("::test_band_raises_no_index_error")
    assert not found.is_answered
    assert not found.tells
    assert not made("P FP P FP", Answer("band(0)", "'low'")).tells, "it is green, and only guards"
    assert made("P FF P FF", Answer("band(0)", "'no'")).tells


def test_where_a_call_is_right_as_it_fails_who_called_it_is_tried() -> None:
    around = frame("later", percent="100")
    fault = Fault("IndexError", "tuple index out of range", (around, BAND))
    found = made("P P P FP P FP", Answer(FULL, raises="IndexError"), fault=fault)
    assert found.test_id.endswith("::test_later_raises_no_index_error")
    assert not found.tells, "what the caller has to answer nobody has said"
    text = found.test.after or "" if found.test else ""
    assert "with pytest.raises(IndexError):\n        band(percent=100, " in text
    alone = made("P P", Answer(FULL, raises="IndexError"))
    assert not alone.test_id
    assert alone.why_not == (
        "shop.bands.band: it is not red: the call does what a person says is right"
    )


@pytest.mark.parametrize("script", ["P FF P FP", "P FE"])
def test_an_answer_whose_test_is_unsure_makes_nothing(script: str) -> None:
    found = made(f"{script} {'P FE ' * 5}", Answer("band(0)", "'low'"))
    assert not found.test_id
    assert "the test of an answer says nothing" in found.why_not
