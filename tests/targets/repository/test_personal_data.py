"""What tests and errors say of people goes into no finding, claim, request, commit or entry."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from honed.core.change import CodeChange, FileChange
from honed.core.finding import FAILING_TEST, Finding, FindingType
from honed.core.gate import GateResult
from honed.core.hypothesis import Hypothesis
from honed.core.risk import Risk
from honed.errors import EvaluatorFailed
from honed.storage.db import Database
from honed.targets.repository import code_kind
from honed.targets.repository.code_kind import Claimed, CodeKind, Gates
from honed.targets.repository.target import RepositoryTarget
from honed.testing.repository_worlds import RepositoryPlan, make_repository_world, require_sandbox

ADDRESS = "ada.lovelace@analytical-engines.co.uk"
BASE = "3fa9c1d2" * 5
SOURCE = "def owner():\n    return 'nobody'\n"
#: Its message tells of a person what its code does not.
PLAN = RepositoryPlan(
    {
        "shop/__init__.py": "",
        "shop/owner.py": SOURCE,
        "tests/test_owner.py": (
            "from shop.owner import owner\n\n\n"
            "def test_owner():\n"
            f"    found = {ADDRESS[:12]!r} + {ADDRESS[12:]!r}\n"
            "    assert owner() == found\n"
        ),
    }
)


class Told(CodeKind):
    """A kind that says all that it heard."""

    name: ClassVar[str] = "told"
    risk: ClassVar[Risk] = Risk(level=4)
    wants: ClassVar[frozenset[FindingType]] = frozenset({FAILING_TEST})

    def propose(
        self, findings: Sequence[Finding], target: RepositoryTarget
    ) -> Iterator[Hypothesis]:
        """Yield one claim."""
        file = FileChange("shop/owner.py", SOURCE, SOURCE.replace("nobody", "somebody"))
        test = f"tests/test_owner.py::test_owner[{ADDRESS}]"
        change = CodeChange(
            target.shape().commit,
            (file,),
            (test,),
            message=f"Answer {ADDRESS}\n\nIt was not {ADDRESS}.",
            doubt=f"is it {ADDRESS}?",
            question={"call": f"owner({ADDRESS!r})"},
        )
        said = Claimed(f"cause {ADDRESS}", change, f"{ADDRESS} is right", 3, -0.5)
        errors = replace(said, error=f"KeyError: {ADDRESS}"), replace(said, trouble=ADDRESS)
        for each in errors:
            claim = self.claim(each, target)
            assert claim is not None
            yield claim


@pytest.mark.slow
def test_what_a_failing_test_said_is_scrubbed(store: Database, tmp_path: Path) -> None:
    require_sandbox()
    world = make_repository_world(PLAN, store, tmp_path)
    (finding,) = world.findings()
    assert "<email:" in str(finding.evidence["message"])
    assert ADDRESS not in finding.title + str(finding.evidence)
    with store.transaction() as conn:
        kept = conn.execute("SELECT failing::text FROM honed.suite_run").fetchall()
    assert kept
    assert ADDRESS not in str(kept)


def test_a_claim_and_its_step_are_scrubbed(store: Database, tmp_path: Path) -> None:
    world = make_repository_world(PLAN, store, tmp_path)
    kind = Told()
    for claim in kind.propose((), world.target):
        told = {name: claim.parameters[name] for name in ("error", "trouble")}
        assert ADDRESS not in f"{claim.subject}{claim.claim}{told}"
        (step,) = kind.apply(claim, world.target)
        # Tests are called by their names, which are in the repository: they alone stay.
        words = step.do[0].replace(f"[{ADDRESS}]", "")
        assert ADDRESS not in step.description + words
        assert "<email:" in words
        made = json.loads(step.do[0])["commit"]
        assert ADDRESS not in world.target.clone().git.text("show", "-s", "--format=%B", made)
    # A cause is the same cause before and after it was scrubbed.
    assert world.target.withheld(f"cause {ADDRESS}") == ""


def test_what_gates_say_is_scrubbed(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_repository_world(PLAN, store, tmp_path)
    claim = next(Told().propose((), world.target))
    (step,) = Told().apply(claim, world.target)

    def said(*_: object) -> Iterator[GateResult]:
        reason = f"test_owner[{ADDRESS}] is green"
        yield GateResult(
            "red_green",
            passed=True,
            reason=reason,
            evidence={"tests": [ADDRESS], "runs": 3, "commit": BASE},
        )
        msg = f"{ADDRESS} is in its last words"
        raise EvaluatorFailed(msg, hint="look there")

    monkeypatch.setattr(code_kind, "judged", said)
    results = Gates(world.target).examine([step])
    told = next(results)
    assert ADDRESS not in f"{told.reason}{told.evidence}"
    assert (told.evidence["runs"], told.evidence["commit"]) == (3, BASE)
    with pytest.raises(EvaluatorFailed) as caught:
        next(results)
    assert ADDRESS not in str(caught.value)
    assert caught.value.hint == "look there"
