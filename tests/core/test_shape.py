"""Values are folded out of messages, words that say what went wrong are not."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from honed.core.shape import folded, raised

REPRODUCIBLE = settings(derandomize=True, deadline=None)

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=400)
LIKE_A_MESSAGE = st.lists(
    st.sampled_from(
        [*"'\"`()[]{}<>*=:,/\\@. as", "%s", "{x}", "17", "0x7f", "--all", "items", "None", ". A"]
    ),
    max_size=40,
).map("".join)


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        ("invalid literal for int() with base 10: 'x17'", "invalid literal for int() with base *"),
        ("can't open \"a b\" of 'c d'", "can't open * of *"),
        ("'it's' is bad", "* is bad"),
        ("cookie <email:3fa9c1d2> expired", "cookie * expired"),
        ("no route to fe80::1%eth0 at 2026-11-21T10:11:12.5+01:00", "no route to * at *"),
        ("order 7b3c9f12-77aa-4f0e-9a55-aabbccddeeff: 12.50 EUR", "order * EUR"),
        ("No such file: '/srv/a b/c.txt'", "No such file: *"),
        ("cannot read C:\\shop\\x.bin or ~/y or https://shop.test/z?q=1", "cannot read *"),
        ("mail to jan@example.org bounced", "mail to * bounced"),
        ("No such option: --color=red", "No such option: *"),
        ("user=jan role=admin denied", "user=* role=* denied"),
        ("<ast.Name object at 0x7f01> is no literal", "* is no literal"),
        ("<function f.<locals>.g at 0x7f01> failed", "* failed"),
        ("command '['git', 'log']' failed", "command * failed"),
        ("got {'a': [1, None, ('b', 2.5)], 'c': {}}", "got *"),
        ("shapes (3,) (4,5) differ", "shapes * differ"),
        ("takes 1 positional argument, got 2", "takes * positional argument, got *"),
        ("takes 2 positional arguments, got 3", "takes * positional argument, got *"),
        ("1 validation error for Order\nprice", "* validation error for Order"),
        ("2 validation errors for Order\nname", "* validation error for Order"),
        ("must be str, not NoneType", "must be *, not *"),
        ("unknown dialect 'mysqll'. Did you mean mysql?", "unknown dialect *"),
        ("token deadbeefcafe rejected", "token * rejected"),
        ("key 'a long value that was cut", "key *"),
        ("the pool of 3 is full. Wait for 2 s or add 1", "the pool of * is full"),
        ("read 17. Then it stopped", "read *. Then it stopped"),
        ("Failed. Connection refused", "Failed. Connection refused"),
        ("UNIQUE constraint failed: customer.email", "UNIQUE constraint failed: customer.email"),
        ("Event loop is closed", "Event loop is closed"),
        ("a < b and b > a", "a < b and b > a"),
        ("", ""),
    ],
)  # fmt: skip
def test_values_are_folded_and_words_are_kept(message: str, shape: str) -> None:
    assert folded(message) == shape


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("user %s failed after %d s", "user jan@x.org failed after 17 s"),
        ("user %(name)r has %5.2f EUR", "user 'Jan' has 17.50 EUR"),
        ("user {name!r} has {amount:.2f} EUR", "user 'Jan' has 17.50 EUR"),
    ],
)
def test_a_template_folds_as_what_is_made_of_it(template: str, message: str) -> None:
    assert folded(template) == folded(message)


@pytest.mark.parametrize(
    ("message", "code", "shape"),
    [
        ("no user Jan Jansen in Ely", 'raise X(f"no user {name} in {place}")', "no user * in *"),
        ("a lamp has no shelf", "assert shelf, f'{sku} has no shelf'", "* has no shelf"),
        ("Object of type set is", "raise TypeError(f'Object of type {x} '", "Object of type *"),
        ("garden table", "raise OutOfStock(sku)", "garden table"),
        ("no user called 17", 'raise X(texts["no user"])', "no user called *"),
        ("no user called 17", 'users["no user"].name', "no user called *"),
        ("shop closed", 'raise X("opens at nine")', "shop closed"),
    ],
)
def test_code_that_raises_tells_words_from_values(message: str, code: str, shape: str) -> None:
    assert raised(message, code, in_app=False) == shape


@pytest.mark.parametrize(
    ("message", "code", "shape"),
    [
        ("no warehouse in New York at all", "raise LookupError(msg)", "no warehouse in"),
        ("only 3 of 4 are left", "raise LookupError(msg)", "only * of"),
        ("garden table", "raise OutOfStock(sku)", ""),
        ("garden table", "raise shop.OutOfStock(sku) from error", ""),
        ("garden table", "raise OutOfStock(error)", "garden table"),
        ("garden table", "raise error.with_traceback(None)", "garden table"),
        ("garden table is gone", "tables[name]", "garden table is gone"),
    ],
)
def test_where_the_application_raises_less_is_needed(message: str, code: str, shape: str) -> None:
    assert raised(message, code, in_app=True) == shape


@REPRODUCIBLE
@given(ANY_TEXT | LIKE_A_MESSAGE)
@example("[" * 300 + "1" + "]" * 300)
def test_folding_twice_changes_nothing(message: str) -> None:
    shape = folded(message)
    assert folded(shape) == shape
    assert "\n" not in shape


@REPRODUCIBLE
@given(ANY_TEXT | LIKE_A_MESSAGE, ANY_TEXT | LIKE_A_MESSAGE, st.booleans())
def test_any_message_and_code_have_a_shape(message: str, code: str, in_app: object) -> None:
    shape = raised(message, f"raise {code}", in_app=bool(in_app))
    assert folded(shape) == shape


@REPRODUCIBLE
@given(
    st.lists(
        st.sampled_from(["'", '"', "<", "(", "=", "*", "a", "1", "/", "::", "-", " ", "s", "'["]),
        min_size=1,
        max_size=6,
    ).map("".join)
)
def test_a_long_message_costs_no_more_than_its_beginning(unit: str) -> None:
    start = time.process_time()
    folded(unit * (1_000_000 // len(unit)))
    assert time.process_time() - start < 0.05
