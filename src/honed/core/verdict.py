"""What a trial says, what production says, and the states in between."""

from enum import StrEnum


class Verdict(StrEnum):
    """The answer of a trial."""

    #: The interval lies on the better side of the smallest effect worth having.
    IMPROVED = "improved"
    #: The interval lies on the worse side, or one unit is slower than the guardrail allows.
    WORSE = "worse"
    #: The interval lies inside the region of practical equivalence.
    EQUIVALENT = "equivalent"
    #: The budget ended before an answer.
    INCONCLUSIVE = "inconclusive"
    #: The evaluator failed. Never counted as WORSE.
    ERROR = "error"


class Outcome(StrEnum):
    """What an applied change did in production (seed 001, phase 4)."""

    HIGH_SUCCESS = "high_success"
    SUCCESS = "success"
    REGRESSED = "regressed"
    FAILED = "failed"


class State(StrEnum):
    """Where an improvement is."""

    PROPOSED = "proposed"
    ON_TRIAL = "on_trial"
    PROVEN = "proven"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    DRY_RUN = "dry_run"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    APPLYING = "applying"
    WATCHING = "watching"
    KEPT = "kept"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


#: From which state to which an improvement may go; every state may also go to FAILED.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.PROPOSED: frozenset({State.ON_TRIAL}),
    State.ON_TRIAL: frozenset({State.PROVEN, State.REFUTED, State.INCONCLUSIVE}),
    State.PROVEN: frozenset({State.DRY_RUN, State.AWAITING_APPROVAL, State.APPROVED}),
    State.AWAITING_APPROVAL: frozenset({State.APPROVED, State.REJECTED, State.EXPIRED}),
    State.APPROVED: frozenset({State.APPLYING, State.EXPIRED, State.REJECTED}),
    # It expires only before its first step: the approval may have ended while it waited for that.
    State.APPLYING: frozenset({State.WATCHING, State.ROLLED_BACK, State.EXPIRED}),
    State.WATCHING: frozenset({State.KEPT, State.ROLLED_BACK}),
    State.KEPT: frozenset({State.ROLLED_BACK}),
    # What a failed improvement left on the target can still be taken back.
    State.FAILED: frozenset({State.ROLLED_BACK}),
}

#: States in which nothing more happens without a person.
RESTING = frozenset(
    {
        State.REFUTED,
        State.INCONCLUSIVE,
        State.DRY_RUN,
        State.AWAITING_APPROVAL,
        State.REJECTED,
        State.EXPIRED,
        State.KEPT,
        State.ROLLED_BACK,
        State.FAILED,
    }
)


def may_follow(before: State, after: State) -> bool:
    """Return whether an improvement in state ``before`` may go to ``after``."""
    if after is State.FAILED:
        return before not in {State.KEPT, State.ROLLED_BACK, State.FAILED}
    return after in TRANSITIONS.get(before, frozenset())
