from pathlib import Path

import pytest

from honed.core.finding import FAILING_TEST
from honed.kinds.fix_failing_test import FixFailingTest
from honed.storage.db import Database
from honed.testing.contract import KindContract, wanted
from honed.testing.repository_worlds import (
    NO_REPAIR,
    WRONG_SLICE,
    RepositoryPlan,
    make_repository_world,
    require_sandbox,
)


@pytest.mark.slow
class TestFixFailingTest(KindContract):
    kind = FixFailingTest()
    ill = WRONG_SLICE
    well = NO_REPAIR


#: The longest is asked for, and the shortest answered; one of the two tests lets the last pass.
_SHORTEST = RepositoryPlan(
    {
        "hire/__init__.py": "",
        "hire/trips.py": 'def longest(trips):\n    return min(each["minutes"] for each in trips)\n',
        "tests/test_trips.py": (
            "from hire.trips import longest\n\n\n"
            "def test_last():\n"
            '    assert longest([{"minutes": 3}, {"minutes": 5}]) == 5\n\n\n'
            "def test_first():\n"
            '    assert longest([{"minutes": 5}, {"minutes": 3}]) == 5\n'
        ),
    }
)


@pytest.mark.slow
def test_what_one_test_leaves_in_doubt_another_that_fails_settles(
    store: Database, tmp_path: Path
) -> None:
    require_sandbox()
    world = make_repository_world(_SHORTEST, store, tmp_path)
    kind = FixFailingTest()
    findings = [each for each in wanted(kind, world) if each.type == FAILING_TEST]
    (claim,) = kind.propose(findings, world.target)
    change = claim.parameters["change"]
    assert isinstance(change, dict)
    assert change["doubt"] == ""
    both = ["tests/test_trips.py::test_first", "tests/test_trips.py::test_last"]
    assert change["repairs"] == both
    search = claim.parameters["search"]
    assert isinstance(search, dict)
    assert search["failing"] == both
