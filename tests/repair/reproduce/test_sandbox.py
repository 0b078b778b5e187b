"""Real faults of the planted service, reproduced in the real sandbox."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from honed.core.fault import Fault, Frame
from honed.core.testrun import Outcome
from honed.repair.reproduce.reproduce import Reproduction, reproduce
from honed.targets.repository.judging.judge import Checkout
from honed.testing.faulty import CLIENTS, FAULTS

MakeBase = Callable[..., Checkout]
Faults = Mapping[str, Mapping[str, Fault]]
RED = (Outcome.FAILED,) * 3

#: Of these no client tells enough, or the call alone does not fail.
OUT_OF_REACH = {"state", "chance", "iterator", "connection"}
#: What one client does not tell: attributes of objects; keys that are tuples, tuples with names,
#: what lies deep.
UNTOLD = {
    "sentry": {"object from elsewhere"},
    "honed": {"tuples as keys", "named tuple", "record of records"},
}

#: Every fifth, and those that no call can show; benchmarks/reproduce.py takes all of them.
SOME = sorted({*list(FAULTS)[::5], *OUT_OF_REACH})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("client", "name", "test"),
    [
        ("sentry", "record of records", "test_dearest_raises_no_type_error"),
        ("honed", "object with attributes", "test_share_raises_no_zero_division_error"),
    ],
)
def test_a_fault_becomes_a_test_that_is_red_each_time(
    client: str, name: str, test: str, faults: Faults, make_base: MakeBase
) -> None:
    found = reproduce(faults[client][name], make_base())
    assert not found.why_not
    assert found.test_id.endswith(f"::{test}")
    assert found.outcomes == RED


@pytest.mark.slow
def test_the_test_turns_green_when_the_fault_is_repaired(
    faults: Faults, make_base: MakeBase
) -> None:
    found = reproduce(faults["sentry"]["empty list"], make_base(), runs=1)
    assert found.test is not None
    base = make_base()
    rates = base.read("src/shop/rates.py") or ""
    repaired = rates.replace("/ len(prices)", "/ max(1, len(prices))")
    side = base.with_files({"src/shop/rates.py": repaired, found.test.path: found.test.after or ""})
    assert side.run_tests([found.test_id]).outcomes == {found.test_id: Outcome.PASSED}


@pytest.mark.slow
def test_a_fixture_of_the_repository_stands_for_what_cannot_be_made_again(
    faults: Faults, make_base: MakeBase
) -> None:
    fixture = "import pytest, socket\n\n\n@pytest.fixture\ndef connection():\n"
    opened = fixture + "    with socket.socket() as made:\n        yield made\n"
    fault = faults["sentry"]["connection"]
    found = reproduce(fault, make_base().with_files({"tests/conftest.py": opened}))
    assert found.outcomes == RED
    skipped = make_base().with_files({"tests/conftest.py": fixture + "    pytest.skip()\n"})
    found = reproduce(fault, skipped)
    assert found.test is None
    assert "skips it" in found.why_not


@pytest.mark.slow
def test_another_exception_and_another_place_do_not_count(
    faults: Faults, make_base: MakeBase
) -> None:
    fault = faults["sentry"]["missing key"]
    other = reproduce(replace(fault, type="LookupError"), make_base())
    elsewhere = make_base().with_files(
        {"src/shop/rates.py": "def rate(table, currency):\n    return _of(table, currency)\n\n\n"
         "def _of(table, currency):\n    return table[currency]\n"}
    )  # fmt: skip
    for found in (other, reproduce(fault, elsewhere)):
        assert found.test is None
        assert "with another exception or elsewhere" in found.why_not


@pytest.mark.slow
def test_code_that_runs_on_import_can_do_no_harm(make_base: MakeBase, faults: Faults) -> None:
    base = make_base().with_files(
        {"src/shop/rates.py": "import os\nos.system('rm -rf /code')\nos._exit(0)\n\n\n"
         "def rate(table, currency): ...\n"}
    )  # fmt: skip
    found = reproduce(faults["sentry"]["missing key"], base, runs=1)
    assert found.test is None
    assert found.why_not


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("name", SOME)
def test_a_planted_fault_is_reproduced_where_enough_is_told(
    client: str, name: str, faults: Faults, make_base: MakeBase
) -> None:
    found: Reproduction = reproduce(faults[client][name], make_base())
    is_out_of_reach = name in OUT_OF_REACH | UNTOLD[client]
    assert (found.test is None) == is_out_of_reach, found.why_not
    assert bool(found.why_not) == is_out_of_reach


def test_a_function_that_only_fails_by_chance_is_refused(make_base: MakeBase) -> None:
    text = "import os\n\n\ndef f(a):\n    if os.urandom(1)[0] % 2:\n        raise KeyError(a)\n"
    fault = Fault("KeyError", "1", (Frame("luck.py", "luck", "f", 6, "", True, {"a": "1"}),))  # noqa: FBT003 - it is in the app
    found = reproduce(fault, make_base({"luck.py": text}), runs=8)
    assert found.test is None
    assert "flaky" in found.why_not or "not red" in found.why_not
