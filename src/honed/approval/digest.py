"""What is approved: the bytes of steps, undo, evidence, target, place and policy, no intention."""

from collections.abc import Sequence
from dataclasses import dataclass

from honed.approval.place import Place
from honed.core.canonical import digest
from honed.core.step import Step
from honed.improvement.record import Improvement


@dataclass(frozen=True, slots=True)
class Content:
    """What an approval covers beside the improvement's own row, as it is at this moment."""

    #: What would take the steps back, in order.
    undo: Sequence[Step]
    #: Of everything on the target that a step could change.
    target_fingerprint: str


def approval_digest(
    improvement: Improvement, content: Content, *, place: Place, policy_version: int
) -> str:
    """Return the SHA-256 that an approval names: 64 hexadecimal digits (design, section 5).

    Give the improvement as it was read from the store: a number may look otherwise there than
    before it was stored.

    Args:
        improvement: whose steps, evidence and target are approved.

        content: what else is approved.

        place: where it would be done. The fingerprint says how a target looks, and a copy of it
            elsewhere looks the same.

        policy_version: the rules under which it is approved.
    """
    return digest(
        {
            "improvement_id": improvement.improvement_id,
            "steps": [step.to_json() for step in improvement.steps],
            "undo": [step.to_json() for step in content.undo],
            "evidence": improvement.evidence,
            "target_id": improvement.target_id,
            "place": place.to_json(),
            "target_fingerprint": content.target_fingerprint,
            "policy_version": policy_version,
        }
    )
