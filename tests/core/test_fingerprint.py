"""Events of one fault have one fingerprint, those of two have two."""

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honed.core.fingerprint import (
    Fault,
    Frame,
    culprit,
    files,
    fingerprint,
    log_fingerprint,
    log_shape,
    title,
)
from honed.core.privacy import Scrubber

REPRODUCIBLE = settings(derandomize=True, deadline=None)

RUNNER = Frame("/usr/lib/python3.11/asyncio/runners.py", "asyncio.runners", "run", 190, "return x")
HANDLER = Frame(
    "/srv/shop/api/orders.py", "api.orders", "create", 31, "price(order)", is_in_app=True
)
REPORT = Frame(
    "/srv/shop/reports/nightly.py", "reports.nightly", "run", 9, "price(order)", is_in_app=True
)
PRICE = Frame(
    "/srv/shop/pricing.py", "pricing", "price", 17, 'return rates[order["rate"]]', is_in_app=True
)
DRIVER = Frame(
    "/srv/venv/lib/python3.11/site-packages/psycopg/cursor.py",
    "psycopg.cursor",
    "execute",
    97,
    "raise ex.with_traceback(None)",
)

NO_RATE = Fault("KeyError", "'GBP'", (RUNNER, HANDLER, PRICE))
REFUSED = Fault("psycopg.OperationalError", 'host "db1", port 5432: refused', (HANDLER, DRIVER))

TEXTS = st.text(st.characters(exclude_categories=[]), max_size=80)
NAMES = st.sampled_from(["", "f", "<lambda>", "<genexpr>", "A.<locals>.f", "wrapper", "<module>"])
FRAMES = st.builds(Frame, TEXTS, TEXTS, NAMES | TEXTS, st.integers(0, 10**6), TEXTS, st.booleans())
FAULTS = st.recursive(
    st.builds(Fault, TEXTS, TEXTS, st.lists(FRAMES, max_size=6).map(tuple)),
    lambda faults: st.builds(
        Fault,
        TEXTS,
        TEXTS,
        st.lists(FRAMES, max_size=4).map(tuple),
        faults,
        st.booleans(),
        st.lists(faults, max_size=3).map(tuple),
    ),
    max_leaves=8,
)


def test_ten_thousand_events_of_one_fault_are_one_group() -> None:
    draw = random.Random(1)  # noqa: S311 - values, no secrets
    groups = set()
    for _ in range(10_000):
        shift = draw.randrange(500)
        frames = tuple(replace(frame, line=frame.line + shift) for frame in NO_RATE.frames)
        order, amount = uuid.UUID(int=draw.getrandbits(128)), draw.random() * 1000
        message = f"order {order} of '{draw.randbytes(4).hex()}' costs {amount:.2f} at {shift} s"
        groups.add(fingerprint(Fault("ValueError", message, frames)))
    assert len(groups) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(NO_RATE, type="IndexError"),
        replace(NO_RATE, frames=(RUNNER, HANDLER, replace(PRICE, function="discount"))),
        replace(NO_RATE, frames=(RUNNER, HANDLER, replace(PRICE, module="shipping"))),
        replace(NO_RATE, frames=(RUNNER, HANDLER, replace(PRICE, code="return rates[None]"))),
        replace(NO_RATE, cause=Fault("ValueError", "'x'", (REPORT,))),
    ],
    ids=["type", "function", "module", "code", "cause"],
)
def test_what_differs_in_more_than_its_values_is_another_fault(other: Fault) -> None:
    assert fingerprint(other) != fingerprint(NO_RATE)


def test_two_errors_of_one_type_at_one_place_are_two() -> None:
    refused, full, rejected = (
        replace(REFUSED, message=f'host "db{number}", port 5432: {reason}')
        for number, reason in enumerate(["refused", "too many clients", "password is wrong"])
    )
    assert len({fingerprint(fault) for fault in (refused, full, rejected, REFUSED)}) == 3


@pytest.mark.parametrize(
    "same",
    [
        replace(NO_RATE, type="builtins.KeyError"),
        replace(NO_RATE, message="42"),
        replace(NO_RATE, frames=(REPORT, PRICE)),
        replace(NO_RATE, frames=(RUNNER, PRICE, PRICE, PRICE)),
        replace(NO_RATE, frames=(HANDLER, replace(PRICE, line=1700), RUNNER)),
        replace(
            NO_RATE, frames=(HANDLER, replace(PRICE, code="return  rates[order['rate']]  # GBP?"))
        ),
        replace(NO_RATE, cause=Fault("OSError", "", (RUNNER,))),
    ],
    ids=["built in", "value", "caller", "recursion", "line", "spacing", "cause in a library"],
)
def test_what_differs_in_values_and_callers_is_one_fault(same: Fault) -> None:
    assert fingerprint(same) == fingerprint(NO_RATE)


def test_a_comprehension_is_the_function_that_it_stands_in() -> None:
    inner = replace(PRICE, function="<genexpr>")
    assert fingerprint(replace(NO_RATE, frames=(HANDLER, PRICE, inner))) == fingerprint(NO_RATE)
    assert culprit(replace(NO_RATE, frames=(HANDLER, PRICE, inner))) == "pricing.price"


def test_a_decorator_that_passes_a_call_on_is_not_to_blame() -> None:
    wrapper = replace(
        PRICE, function="timed.<locals>.wrapper", code="return function(*args, **kwargs)"
    )
    refused = replace(REFUSED, frames=(HANDLER, wrapper, DRIVER))
    assert culprit(refused) == "api.orders.create"
    assert fingerprint(refused) == fingerprint(REFUSED)
    raising = replace(wrapper, code="raise GaveUp")
    assert culprit(replace(REFUSED, frames=(HANDLER, raising))) == "pricing.timed.wrapper"


def test_endless_recursion_is_the_cycle_wherever_it_ends() -> None:
    render, each = replace(PRICE, function="render"), replace(PRICE, function="each")
    one = Fault(
        "RecursionError", "maximum recursion depth exceeded", (HANDLER, *(render, each) * 40)
    )
    other = Fault(
        "RecursionError",
        "maximum recursion depth exceeded while calling a Python object",
        (RUNNER, REPORT, *(each, render) * 30, each),
    )
    assert fingerprint(one) == fingerprint(other)
    straight = replace(one, frames=(HANDLER, *(replace(PRICE, function="total"),) * 40))
    assert fingerprint(straight) != fingerprint(one)


def test_without_frames_in_the_app_the_packages_that_were_passed_count() -> None:
    def installed(module: str, function: str, line: int = 1) -> Frame:
        return Frame(f"/venv/site-packages/{module}.py", module, function, line)

    serve, route, answer = (
        installed("uvicorn.protocols", "run_asgi"),
        installed("fastapi.routing", "app"),
        installed("fastapi.routing", "serialize"),
    )
    fault = Fault("fastapi.exceptions.ResponseValidationError", "1 error", (RUNNER, serve, answer))
    other_way = replace(fault, frames=(serve, route, replace(answer, line=7)))
    assert fingerprint(other_way) == fingerprint(fault)
    assert fingerprint(replace(fault, frames=(serve, route))) != fingerprint(fault)
    assert culprit(fault) == "fastapi.routing.serialize"
    assert culprit(Fault("KeyError")) == ""


def translated(cause: Fault) -> Fault:
    raising = Frame(
        "/srv/shop/api/orders.py", "api.orders", "create", 35, "raise Failed(order)", is_in_app=True
    )
    return Fault("shop.Failed", "order 17 failed", (RUNNER, raising), cause)


def test_a_chain_is_told_by_its_first_cause() -> None:
    no_rate = replace(NO_RATE, frames=NO_RATE.frames[1:])
    chain = translated(no_rate)
    assert culprit(chain) == "pricing.price"
    assert title(chain) == "Failed: order 17 failed"
    assert files(chain) == ("/srv/shop/pricing.py", "/srv/shop/api/orders.py")
    assert fingerprint(chain) == fingerprint(translated(replace(no_rate, message="'USD'")))
    assert fingerprint(chain) != fingerprint(translated(replace(no_rate, type="ValueError")))
    assert fingerprint(chain) != fingerprint(no_rate)
    # Without `from`, but raised by the function that caught: translated as well.
    assert fingerprint(replace(chain, is_cause_context=True)) == fingerprint(chain)


def test_a_bug_in_a_handler_is_one_whatever_was_being_handled() -> None:
    bug = replace(HANDLER, code="log.wirte(error)")
    faults = [
        Fault(
            "AttributeError",
            "'Log' object has no attribute 'wirte'",
            (bug,),
            handled,
            is_cause_context=True,
        )
        for handled in (NO_RATE, replace(NO_RATE, type="ValueError"), REFUSED)
    ]
    assert len({fingerprint(fault) for fault in faults}) == 1
    assert culprit(faults[0]) == "api.orders.create"


def test_an_exception_group_is_its_member_whatever_the_order() -> None:
    def group(*members: Fault) -> Fault:
        message = f"unhandled errors in a TaskGroup ({len(members)} sub-exceptions)"
        return Fault("ExceptionGroup", message, (RUNNER, HANDLER), members=members)

    assert fingerprint(group(NO_RATE)) == fingerprint(NO_RATE)
    assert fingerprint(group(NO_RATE, NO_RATE, NO_RATE)) == fingerprint(NO_RATE)
    assert fingerprint(group(group(REFUSED, NO_RATE))) == fingerprint(group(NO_RATE, REFUSED))
    assert title(group(NO_RATE)) == "KeyError: 'GBP'"


@pytest.mark.parametrize(
    ("error", "messages"),
    [
        (
            "json.decoder.JSONDecodeError",
            ["Expecting value: line 1", "Extra data: line 3 (char 9)"],
        ),
        ("xml.etree.ElementTree.ParseError", ["no element found", "mismatched tag: line 1"]),
        ("ZeroDivisionError", ["division by zero", "float division by zero"]),
        (
            "sklearn.exceptions.NotFittedError",
            ["This Ridge is not fitted", "This Lasso is not fitted"],
        ),
    ],
)
def test_the_message_of_a_type_that_says_all_does_not_count(
    error: str, messages: list[str]
) -> None:
    one, other = (replace(NO_RATE, type=error, message=message) for message in messages)
    assert fingerprint(one) == fingerprint(other)
    # Nothing else tells them apart where no place in the app is known.
    assert fingerprint(replace(one, frames=())) != fingerprint(replace(other, frames=()))


def test_what_the_code_names_is_no_value() -> None:
    code = 'return item.supplier.contact + item["price"] + item["weight"]'
    frames = (HANDLER, replace(PRICE, code=code))

    def fault(kind: str, message: str) -> str:
        return fingerprint(Fault(kind, message, frames))

    assert fault("KeyError", "'price'") != fault("KeyError", "'weight'")
    assert fault("KeyError", "'a17'") == fault("KeyError", "'b4'")
    no_contact = fault("AttributeError", "'NoneType' object has no attribute 'contact'")
    assert no_contact == fault("AttributeError", "'str' object has no attribute 'contact'")
    assert no_contact != fault("AttributeError", "'NoneType' object has no attribute 'supplier'")


def test_operands_that_do_not_fit_are_one_error_whichever_is_asked_first() -> None:
    messages = [
        "unsupported operand type(s) for *: 'int' and 'str'",
        "can't multiply sequence by x",
    ]
    one, other = (replace(NO_RATE, type="TypeError", message=message) for message in messages)
    assert fingerprint(one) == fingerprint(other)


def test_the_code_that_raises_says_what_is_a_value() -> None:
    def unknown(name: str, code: str) -> str:
        frame = replace(PRICE, code=code)
        return fingerprint(Fault("LookupError", f"no customer called {name} is known", (frame,)))

    template = 'raise LookupError(f"no customer called {name} is known")'
    assert unknown("jan", template) == unknown("anna maria", template)
    assert unknown("Jan", "raise LookupError(msg)") == unknown(
        "Piet de Vries", "raise LookupError(msg)"
    )


def test_a_title_is_one_line() -> None:
    assert title(Fault("shop.errors.Closed", "  until\nMonday")) == "Closed: until"
    assert title(Fault("shop.errors.Closed")) == "Closed"


def test_a_title_is_not_cut_before_it_is_scrubbed() -> None:
    address = "bob" + "@example.com"
    for before in (100, 140, 150, 155, 300):
        said = title(Fault("shop.errors.Closed", "m" * (before - 1) + f" {address} is away"))
        assert address in said
        assert address.partition("@")[0] not in Scrubber(b"key of a test").text(said)[:160]


def test_log_records_are_grouped_by_logger_and_shape() -> None:
    assert log_shape("user %s failed after %.1f s") == log_shape("user 42 failed after 0.5 s")
    record = log_fingerprint("shop.mail", "user 42 failed")
    assert record == log_fingerprint("shop.mail", "user 43 failed")
    assert record != log_fingerprint("shop.print", "user 42 failed")
    assert record != log_fingerprint("shop.mail", "user 42 succeeded")


@REPRODUCIBLE
@given(FAULTS)
def test_every_fault_has_a_fingerprint_and_a_title(fault: Fault) -> None:
    assert len(bytes.fromhex(fingerprint(fault))) == 16
    assert "\n" not in title(fault)
    assert isinstance(culprit(fault), str)
    assert all(isinstance(file, str) for file in files(fault))


@REPRODUCIBLE
@given(
    st.integers(0, 10**9),
    st.uuids(),
    st.text("abcdefghij 0123456789", max_size=30),
    st.ip_addresses(),
    st.lists(st.integers(1, 10**5), min_size=3, max_size=3),
)
def test_numbers_identifiers_values_and_lines_do_not_count(
    number: int, identifier: uuid.UUID, value: str, address: object, lines: list[int]
) -> None:
    def fault(*values: object) -> Fault:
        message = "job {} of {} at {} got '{}', not {}".format(*values)
        return Fault("ValueError", message, (RUNNER, HANDLER, PRICE))

    frames = zip(fault(1, 2, 3, 4, 5).frames, lines, strict=True)
    moved = tuple(replace(frame, line=line) for frame, line in frames)
    changed = replace(fault(number, identifier, address, value, hex(number)), frames=moved)
    assert fingerprint(changed) == fingerprint(fault(7, "3fa9c1d2", "10.0.0.1", "x", 0.5))


@pytest.mark.parametrize(
    "message",
    [
        "'" * 1_000_000,
        "'a" * 500_000,
        "1" * 1_000_000,
        "/a" * 500_000,
        "([{<" * 250_000,
        "=*" * 500_000,
        "a" * 1_000_000,
    ],
    ids=["quotes", "open quotes", "digits", "path", "brackets", "keys", "word"],
)
def test_a_hostile_message_costs_no_more_than_its_beginning(message: str) -> None:
    fault, cut = replace(NO_RATE, message=message), replace(NO_RATE, message=message[:2000])
    assert fingerprint(fault) == fingerprint(cut)
    assert _seconds(lambda: fingerprint(fault)) < 0.05


def _seconds(act: Callable[[], object]) -> float:
    start = time.process_time()
    act()
    return time.process_time() - start
