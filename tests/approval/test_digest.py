"""An approval names bytes: whatever changes about a change, its digest changes too."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import pytest

from honed.approval.digest import Content, approval_digest
from honed.approval.place import Place
from honed.core.verdict import State
from honed.improvement.record import Improvement, get
from honed.testing.improvements import CONTENT, PLACE, STEP, Improvements

DROP = replace(STEP, do=("DROP TABLE part",))
LOOK = replace(STEP, inspect="SELECT 1")

#: What a digest is made of: improvement, content, place, policy.
Parts: TypeAlias = tuple[Improvement, Content, Place, int]

CHANGES: dict[str, Callable[[Improvement], Parts]] = {
    "do": lambda i: (replace(i, steps=(DROP,)), CONTENT, PLACE, 1),
    "inspect": lambda i: (replace(i, steps=(LOOK,)), CONTENT, PLACE, 1),
    "one step more": lambda i: (replace(i, steps=(STEP, STEP)), CONTENT, PLACE, 1),
    "undo": lambda i: (i, replace(CONTENT, undo=()), PLACE, 1),
    "evidence": lambda i: (replace(i, evidence={**i.evidence, "pairs": 9}), CONTENT, PLACE, 1),
    "target": lambda i: (i, replace(CONTENT, target_fingerprint="changed"), PLACE, 1),
    "other target": lambda i: (replace(i, target_id=i.target_id + 1), CONTENT, PLACE, 1),
    "read elsewhere": lambda i: (i, CONTENT, replace(PLACE, observe_url="postgresql:///b"), 1),
    "changed elsewhere": lambda i: (i, CONTENT, replace(PLACE, act_url="postgresql:///b"), 1),
    "other options": lambda i: (i, CONTENT, replace(PLACE, options={"search_path": "b"}), 1),
    "policy": lambda i: (i, CONTENT, PLACE, 2),
    "improvement": lambda i: (replace(i, improvement_id=i.improvement_id + 1), CONTENT, PLACE, 1),
}


def digest(improvement: Improvement, content: Content, place: Place, version: int) -> str:
    return approval_digest(improvement, content, place=place, policy_version=version)


@pytest.mark.parametrize("change", CHANGES)
def test_every_part_of_a_change_is_in_its_digest(improvements: Improvements, change: str) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    assert digest(improvement, CONTENT, PLACE, 1) == improvement.digest
    assert digest(*CHANGES[change](improvement)) != improvement.digest


def test_what_does_not_concern_the_change_is_not_in_its_digest(improvements: Improvements) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    later = replace(improvement, state=State.APPROVED, cost_s=7.0)
    assert digest(later, CONTENT, PLACE, 1) == improvement.digest


def test_a_digest_is_the_same_whenever_it_is_made(improvements: Improvements) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    with improvements.store.transaction() as conn:
        again = get(conn, improvement.improvement_id)
    assert digest(again, CONTENT, PLACE, 1) == improvement.digest
