"""Which tests fail: all that do, or those that somebody named by file, class or id."""

import difflib
import posixpath
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from honed.core.gate import Side, TestRun
from honed.errors import RepairFailed
from honed.targets.repository.judging.judge import Checkout
from honed.targets.repository.judging.proposer import Bench, Trouble

_NEEDS: Final = "name the test that fails (--test), or the Python that has what it needs (--python)"
_FORM: Final = "name a file, or an id as pytest prints it: tests/test_cart.py::test_total"


def with_failing(trouble: Trouble, bench: Bench, named: Sequence[str] = ()) -> Trouble:
    """Return the trouble with the ids of the tests that fail, and what they say.

    A trouble that names its failing tests already stays as it is.

    Args:
        trouble: what fails.

        bench: what its tests are run with.

        named: files, folders, classes or ids of tests; each stands for those of its tests that
            fail. None: all tests of the trouble.

    Raises:
        RepairFailed: no test fails, what is named is not there or does not fail, or the tests
            cannot be collected.
    """
    if trouble.failing:
        return trouble
    side = Checkout(trouble.folder, trouble.added, bench.court)
    named = [_plain(each) for each in named]
    run = _run_of(named, side, bench) if named else _whole(trouble, side, bench)
    if run.error:
        raise RepairFailed(run.error, hint=_NEEDS)
    if not run.outcomes:
        msg = "there are no tests: pytest collects none"
        raise RepairFailed(msg, hint="write one that fails, commit it, and say this again")
    if passing := [each for each in named if not _below(each, run.broken)]:
        msg = f"these do not fail: {', '.join(passing)}"
        raise RepairFailed(msg, hint="what is not committed is not seen")
    if not run.broken:
        msg = "no test fails"
        raise RepairFailed(msg, hint="name a test that does")
    return replace(trouble, failing=tuple(sorted(run.broken)), messages=run.messages)


def _whole(trouble: Trouble, side: Side, bench: Bench) -> TestRun:
    _tell(bench, "the tests are")
    return side.run_tests((*trouble.tests, *trouble.added))


def _run_of(named: Sequence[str], side: Side, bench: Bench) -> TestRun:
    """Return what the named tests come to.

    Raises:
        RepairFailed: one of them is not there.
    """
    files = {each: each.partition("::")[0] for each in named}
    paths = side.paths()
    _refuse([each for each in named if not _below(files[each], paths)], paths)
    _tell(bench, "what was named is")
    run = side.run_tests(named)
    if run.error:
        # pytest runs nothing where one id of many is not there: their files tell which.
        known = side.run_tests(sorted(set(files.values()))).outcomes
        _refuse([each for each in named if known and not _below(each, known)], known)
    return run


def _tell(bench: Bench, which: str) -> None:
    bench.tell(f"{which} run to see what fails, for at most {bench.court.limits.wall_s:.0f} s")


def _refuse(missing: Sequence[str], known: Collection[str]) -> None:
    if not missing:
        return
    near = difflib.get_close_matches(missing[0], known, 1)
    msg = f"no such test: {', '.join(missing)}"
    raise RepairFailed(msg, hint=f"is it {near[0]}? {_FORM}" if near else _FORM)


def _plain(name: str) -> str:
    """Return a name with its path as pytest writes it: without ``./`` and a last slash."""
    path, colons, rest = name.partition("::")
    return f"{posixpath.normpath(path)}{colons}{rest}"


def _below(name: str, known: Collection[str]) -> list[str]:
    """Return what a name stands for: itself, or what is in that folder, file or class."""
    inside = (f"{name}/", f"{name}::", f"{name}[")
    return [each for each in known if each == name or each.startswith(inside)]
