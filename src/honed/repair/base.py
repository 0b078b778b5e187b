"""How the tests end on the code as it is, and what they run."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from honed.errors import RepairFailed
from honed.repair.localise import Spectrum, read_spectrum
from honed.repair.suite import Suite
from honed.repair.workers import Workers

#: A test may take so many times what it took on the base, and never less than this.
_TIMES: Final = 20.0
_LEAST_S: Final = 0.1
#: Most tests have ended after this CPU time.
_SOON_S: Final = 0.5
#: Passing tests beyond these are not traced: the cheapest ones tell most of a second.
_MOST_TRACED: Final = 60
_MOST_FAILING_TRACED: Final = 12
#: Tracing makes a test many times slower, and what it runs is seen early.
_TRACED_S: Final = 1.0
#: A test that never ends is traced for so long, and so few of them.
_ENDLESS_S: Final = 0.5
_MOST_ENDLESS_TRACED: Final = 3


@dataclass
class Base:
    """The tests as they end before any change."""

    #: What has to pass, the cheapest first: assertions of a test, then the whole of it.
    failing: list[str]
    #: What passes and has to go on passing, the cheapest first.
    passing: list[str]
    #: CPU time that each test may use.
    limits: dict[str, float]
    #: CPU time that each took, or would take as far as is known.
    took: dict[str, float]
    #: Where each failing test failed and with what.
    errors: dict[str, tuple[str, int]]
    spectrum: Spectrum
    #: When the repair began, by ``time.monotonic``.
    started: float
    #: Whether it is endless loops that make tests fail.
    is_endless: bool = False


def look(workers: Workers, suite: Suite) -> Base:
    """Return how the tests end and what they run.

    Raises:
        RepairFailed: no test fails, or one that should be repaired does not fail.
    """
    started = time.monotonic()
    whole = _alone(workers, workers.tests, min(suite.timeout_s, _SOON_S))
    _await(workers, whole, suite)
    wanted = [key for key, each in whole.items() if _is_wanted(each, suite)]
    missing = set(suite.failing) - set(wanted)
    if unknown := missing - whole.keys():
        msg = f"these are not among the tests that are run: {', '.join(sorted(unknown))}"
        raise RepairFailed(msg)
    if missing or not wanted:
        said = f"these do not fail: {', '.join(sorted(missing))}" if missing else "no test fails"
        raise RepairFailed(said)
    parts = _parts(workers, wanted, suite)
    failing = sorted(
        [each for each in parts if _fails(each)] + [whole[key] for key in wanted],
        key=lambda each: (each["outcome"] == "timeout", "of" not in each, each["cpu_s"]),
    )
    passing = sorted(
        [each for each in (*whole.values(), *parts) if each["outcome"] == "passed"],
        key=lambda each: each["cpu_s"],
    )
    usual_s = max((each["cpu_s"] for each in passing), default=0.0)
    took = {each["key"]: _took_s(each, usual_s) for each in (*failing, *passing)}
    limits = {
        key: min(suite.timeout_s, max(_LEAST_S, took_s * _TIMES)) for key, took_s in took.items()
    }
    errors = _errors(failing)
    base = Base(_keys(failing), _keys(passing), limits, took, errors, Spectrum(), started)
    base.is_endless = failing[0]["outcome"] == "timeout"
    base.spectrum = _trace(workers, base, failing, suite)
    base.spectrum.raised = frozenset(error.partition(":")[0] for error, _ in errors.values())
    return base


def _alone(workers: Workers, keys: Sequence[str], limit_s: float) -> dict[str, dict[str, Any]]:
    """Return how tests end that are run each alone, in the order of the keys."""
    size = -(-len(keys) // len(workers))
    requests = [
        {"do": "base", "tests": keys[start : start + size], "timeout_s": limit_s}
        for start in range(0, len(keys), size or 1)
    ]
    answers = workers.ask_all(requests)
    return {each["key"]: each for answer in answers for each in answer["tests"]}


def _await(workers: Workers, whole: dict[str, dict[str, Any]], suite: Suite) -> None:
    """Give tests that were soon out of time as much as there is patience for, until one never ends.

    Where one never ends, so will the others: they are not waited for.
    """
    late = [key for key, each in whole.items() if each["outcome"] == "timeout"]
    limit_s = min(suite.timeout_s, workers.patience_s)
    if limit_s <= _SOON_S:
        return
    for start in range(0, len(late), len(workers)):
        again = _alone(workers, late[start : start + len(workers)], limit_s)
        whole |= again
        if any(each["outcome"] == "timeout" for each in again.values()):
            return


def _parts(workers: Workers, wanted: list[str], suite: Suite) -> list[dict[str, Any]]:
    """Return how each assertion of the wanted tests ends when it stands alone."""
    request = {"do": "split", "tests": wanted}
    answers = [workers.submit(number, request) for number in range(len(workers))]
    # The same in all of them, but only the first would not do: each has to know them.
    (keys, *_) = [each.result()["tests"] for each in answers]
    ended = _alone(workers, keys, min(suite.timeout_s, _SOON_S))
    return [{**each, "of": each["key"].rpartition("@")[0]} for each in ended.values()]


def _is_wanted(each: dict[str, Any], suite: Suite) -> bool:
    return _fails(each) and (not suite.failing or each["key"] in suite.failing)


def _fails(each: dict[str, Any]) -> bool:
    return each["outcome"] in ("failed", "timeout", "died")


def _keys(tests: list[dict[str, Any]]) -> list[str]:
    return [each["key"] for each in tests]


def _took_s(each: dict[str, Any], usual_s: float) -> float:
    took_s = float(each["cpu_s"])
    if each["outcome"] == "passed":
        return took_s
    # What it would take if it passed is not known: as long as others, or as it took to fail.
    return max(usual_s, took_s if each["outcome"] == "failed" else 0.0)


def _errors(failing: list[dict[str, Any]]) -> dict[str, tuple[str, int]]:
    return {
        each["key"]: (each.get("error", each["outcome"]), (each.get("stack") or [["", 0]])[-1][1])
        for each in failing
    }


def _trace(workers: Workers, base: Base, failing: list[dict[str, Any]], suite: Suite) -> Spectrum:
    endless = {each["key"] for each in failing if each["outcome"] == "timeout"}
    ending = [key for key in base.failing if key not in endless][:_MOST_FAILING_TRACED]
    wanted = ending or base.failing[:_MOST_ENDLESS_TRACED]
    keys = [*base.passing[:_MOST_TRACED], *wanted]
    size = -(-len(keys) // len(workers))
    requests = [
        {
            "do": "trace",
            "tests": keys[start : start + size],
            "failing": wanted,
            "timeout_s": min(suite.timeout_s, _TRACED_S) if ending else _ENDLESS_S,
        }
        for start in range(0, len(keys), size)
    ]
    traced: dict[str, Any] = {}
    for answer in workers.ask_all(requests):
        traced |= answer["tests"]
    return read_spectrum(traced, {each["key"]: each.get("stack") for each in failing})
