"""An approval names bytes: whatever changes about a change, its digest changes too."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from honed.approval.digest import Content, approval_digest
from honed.core.verdict import State
from honed.improvement.record import Improvement, get
from honed.testing.improvements import CONTENT, STEP, Improvements

CHANGES: dict[str, Callable[[Improvement], tuple[Improvement, Content, int]]] = {
    "do": lambda i: (replace(i, steps=(replace(STEP, do=("DROP TABLE part",)),)), CONTENT, 1),
    "inspect": lambda i: (replace(i, steps=(replace(STEP, inspect="SELECT 1"),)), CONTENT, 1),
    "one step more": lambda i: (replace(i, steps=(STEP, STEP)), CONTENT, 1),
    "undo": lambda i: (i, replace(CONTENT, undo=()), 1),
    "evidence": lambda i: (replace(i, evidence={**i.evidence, "pairs": 9}), CONTENT, 1),
    "target": lambda i: (i, replace(CONTENT, target_fingerprint="changed"), 1),
    "policy": lambda i: (i, CONTENT, 2),
    "improvement": lambda i: (replace(i, improvement_id=i.improvement_id + 1), CONTENT, 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_part_of_a_change_is_in_its_digest(improvements: Improvements, change: str) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    assert approval_digest(improvement, CONTENT, policy_version=1) == improvement.digest
    changed, content, version = CHANGES[change](improvement)
    assert approval_digest(changed, content, policy_version=version) != improvement.digest


def test_what_does_not_concern_the_change_is_not_in_its_digest(improvements: Improvements) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    later = replace(improvement, state=State.APPROVED, cost_s=7.0)
    assert approval_digest(later, CONTENT, policy_version=1) == improvement.digest


def test_a_digest_is_the_same_whenever_it_is_made(improvements: Improvements) -> None:
    improvement = improvements.create(State.AWAITING_APPROVAL)
    with improvements.store.transaction() as conn:
        again = get(conn, improvement.improvement_id)
    assert approval_digest(again, CONTENT, policy_version=1) == improvement.digest
