import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from honed.core.fault import Fault, Frame
from honed.core.finding import EXCEPTION
from honed.kinds.fix_exception import FixException, is_refusal
from honed.sandbox.box import Limits
from honed.storage.db import Database
from honed.targets.repository.judging.judge import Checkout, Court
from honed.testing.contract import KindContract, wanted
from honed.testing.repository_worlds import (
    RAISED_ELSEWHERE,
    UNKNOWN_NAME,
    make_repository_world,
    require_sandbox,
)


@pytest.mark.slow
class TestFixException(KindContract):
    kind = FixException()
    ill = UNKNOWN_NAME
    well = RAISED_ELSEWHERE


@pytest.mark.slow
def test_what_cannot_be_reproduced_is_searched_once_a_commit(
    store: Database, tmp_path: Path
) -> None:
    require_sandbox()
    world = make_repository_world(RAISED_ELSEWHERE, store, tmp_path)
    kind, target = FixException(), world.target
    (finding,) = (each for each in wanted(kind, world) if each.type == EXCEPTION)
    assert finding.evidence["count"] == 1
    assert list(kind.propose([finding], target)) == []
    commit = target.shape().commit
    (search,) = target.searches.on(commit)
    assert finding.subject in search.cause
    assert search.reason.startswith("it cannot be reproduced")
    assert target.searches.was_made(kind.name, search.cause, commit)
    assert not target.searches.was_made(kind.name, search.cause, "0" * 40)
    target.searches.forget(finding.subject)
    assert not target.searches.was_made(kind.name, search.cause, commit)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (Frame("/srv/app/shop/cart.py", line=2, is_in_app=True), True),
        (Frame("shop/cart.py", line=3, is_in_app=True), True),
        (Frame("shop/cart.py", line=4, is_in_app=True), False),
        (Frame("x", code="raise ValueError(x)", is_in_app=True), True),
        (Frame("shop/cart.py", line=2, code="total(x)", is_in_app=True), False),
        (Frame("shop/cart.py", line=2), False),
    ],
)
def test_what_the_application_raises_on_purpose_is_known(
    tmp_path: Path, *, frame: Frame, expected: bool
) -> None:
    text = "def total(x):\n    raise ValueError(\n        x)\n    return 1\n"
    side = Checkout(tmp_path, {"shop/cart.py": text}, Court(Path(sys.executable), Limits()))
    assert is_refusal(Fault("ValueError", frames=(frame,)), side) is expected


def test_no_file_beside_the_repository_is_looked_into(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    secret = tmp_path / "secret.py"
    secret.write_text("raise ValueError\n")
    side = Checkout(folder, {}, Court(Path(sys.executable), Limits()))
    for file in (str(secret), "../secret.py"):
        frame = Frame(file, line=1, is_in_app=True)
        assert not is_refusal(Fault("ValueError", frames=(frame,)), side)


@pytest.mark.slow
def test_what_came_longer_ago_is_no_finding(store: Database, tmp_path: Path) -> None:
    require_sandbox()
    world = make_repository_world(UNKNOWN_NAME, store, tmp_path)
    found = world.target.observe(timedelta(hours=1)).findings
    assert [each.type for each in found] == [EXCEPTION]
    assert world.target.observe(timedelta(microseconds=1)).findings == ()


@pytest.mark.slow
def test_a_finding_names_the_function_and_its_cause_does_not(
    store: Database, tmp_path: Path
) -> None:
    require_sandbox()
    world = make_repository_world(RAISED_ELSEWHERE, store, tmp_path)
    (finding,) = world.target.observe(timedelta(hours=1)).findings
    assert finding.title == "TimeoutError in socket.create_connection: no answer: 1 time"
    # The cause is the key of searches and of what people closed: it is as it ever was.
    assert finding.evidence["title"] == "TimeoutError: no answer"


@pytest.mark.slow
def test_a_test_of_the_repository_that_fails_with_the_same_fault_is_used(
    store: Database, tmp_path: Path
) -> None:
    require_sandbox()
    text = (
        "from shop.cart import total\n\n\n"
        "def test_pen():\n    assert total({'tea': 3}, ['tea', 'pen', 'tea']) == 6\n"
    )
    plan = replace(UNKNOWN_NAME, files={**UNKNOWN_NAME.files, "tests/test_pen.py": text})
    world = make_repository_world(plan, store, tmp_path)
    kind = FixException()
    findings = [each for each in wanted(kind, world) if each.type == EXCEPTION]
    (claim,) = kind.propose(findings, world.target)
    change: Any = claim.parameters["change"]
    assert change["repairs"] == ["tests/test_pen.py::test_pen"]
    assert [each["path"] for each in change["files"]] == ["shop/cart.py"]
    assert claim.parameters["call"] == "", "nobody is asked about it: the test tells"
