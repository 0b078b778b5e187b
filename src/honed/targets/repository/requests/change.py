"""A change of code that is proposed, as the store keeps it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from honed.core.canonical import Json
from honed.core.forge import ChangeRequest, ChangeState, Check, CheckState, Proposal, Tally

#: Who has asked for a merge where no person has, as ``honed.merge_by_policy`` writes it.
POLICY: Final = "the policy"


class Lane(StrEnum):
    """Who lets a change in."""

    #: A person.
    REVIEW = "review"
    #: A policy, once its checks have passed.
    AUTOMERGE = "automerge"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many changes of one repository may be open, and how long it is left alone.

    Args:
        review: those that wait for a person.

        automerge: those that a policy lets in.

        cooldown: after a person closed one.
    """

    review: int = 3
    automerge: int = 3
    cooldown: timedelta = timedelta(hours=24)

    def of(self, lane: Lane) -> int:
        """Return how many of a lane may be open."""
        return self.review if lane is Lane.REVIEW else self.automerge


@dataclass(frozen=True, slots=True)
class NewChange:
    """A change that is to be opened; its branch is pushed already.

    Args:
        root_cause: the fingerprint of what is wrong, the same for every try to settle it.

        patch_digest: SHA-256 of the diff, 64 hexadecimal digits.

        forge: where it is reviewed: ``local``, ``github``, ``gitlab`` or ``gitea``.
    """

    target_id: int
    proposal: Proposal
    root_cause: str
    patch_digest: str
    base_commit: str
    head_commit: str
    forge: str = "local"
    lane: Lane = Lane.REVIEW
    ticket_id: int | None = None
    improvement_id: int | None = None
    ledger_index: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change as it is stored."""

    change_id: int
    target: str
    title: str
    body: str
    state: ChangeState
    lane: Lane
    branch: str
    base_branch: str
    #: What was proven on, and what was; whatever somebody else pushes to the branch.
    base_commit: str
    head_commit: str
    forge: str
    #: What its checks say together.
    checks_state: CheckState
    checks: tuple[Check, ...]
    opened_at: datetime
    updated_at: datetime
    ticket_id: int | None = None
    #: The ticket's title.
    ticket: str | None = None
    improvement_id: int | None = None
    #: By which the forge calls it; None: it is not there yet.
    number: int | None = None
    #: What the forge shows as its head.
    forge_head: str = ""
    url: str = ""
    closed_by_person: bool = False
    end_reason: str = ""
    merge_commit: str = ""
    ledger_index: int | None = None
    merge_asked_at: datetime | None = None
    merge_asked_by: str = ""
    ended_at: datetime | None = None

    @property
    def is_asked_by_person(self) -> bool:
        """Whether a person has asked for its merge: that holds until it changes."""
        return self.merge_asked_at is not None and self.merge_asked_by != POLICY

    @property
    def is_asked_by_policy(self) -> bool:
        """Whether the policy has asked for its merge, on the very commit that it was proven on."""
        return self.merge_asked_at is not None and self.merge_asked_by == POLICY

    def to_request(self) -> ChangeRequest:
        """Return it as a forge would tell it; in honed itself its id is its number."""
        return ChangeRequest(
            number=self.number or self.change_id,
            title=self.title,
            body=self.body,
            state=self.state,
            branch=self.branch,
            base=self.base_branch,
            head_commit=self.head_commit,
            base_commit=self.base_commit,
            url=self.url,
            merge_commit=self.merge_commit,
            updated_at=self.updated_at,
        )


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """What became of a change once."""

    event: str
    detail: Mapping[str, Json]
    reason: str
    done_by: str
    acting_for: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes are meant; what is empty does not narrow them."""

    target: str = ""
    states: Sequence[ChangeState] = field(default=(ChangeState.OPEN,))
    branch: str = ""
    head_commit: str = ""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What was proven again of a change: on a newer base, or with another patch."""

    base_commit: str
    head_commit: str
    patch_digest: str
    body: str
    ledger_index: int | None = None


def read_changes(rows: Iterator[dict[str, Any]]) -> Iterator[Change]:
    """Yield the changes in rows of honed.change_requests."""
    for row in rows:
        row["state"] = ChangeState(row["state"])
        row["lane"] = Lane(row["lane"])
        row["checks_state"] = CheckState(row["checks_state"])
        row["checks"] = tuple(check_from_json(each) for each in row["checks"])
        yield Change(**row)


def check_to_json(check: Check) -> dict[str, Json]:
    """Return a check as plain JSON."""
    tests = check.tests
    counts = {each: getattr(tests, each) for each in Tally.__slots__} if tests else None
    return {
        "name": check.name,
        "state": check.state.value,
        "url": check.url,
        "is_required": check.is_required,
        "tests": counts,
    }


def check_from_json(value: Mapping[str, Any]) -> Check:
    """Return the check that ``check_to_json`` wrote."""
    tests = value["tests"] and Tally(**value["tests"])
    return Check(**{**value, "state": CheckState(value["state"]), "tests": tests})
