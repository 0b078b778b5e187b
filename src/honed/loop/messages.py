"""What the phases of the loop tell each other: the contracts of the four queues.

Every message names its target, so that whoever looks at a queue sees whom a message concerns.
The options of a cycle are in its row, written before the first message is sent: a message that is
delivered twice cannot mean two different things.
"""

from typing import ClassVar, LiteralString

from pydantic import Field

from honed.jobs.messages import Message


class Analyze(Message):
    """Look at a target: the first phase of a cycle."""

    queue: ClassVar[LiteralString] = "analyze"
    task: ClassVar[LiteralString] = "analyze"

    target_id: int = Field(ge=1)
    cycle_id: int = Field(ge=1)

    def queueing_lock(self) -> str:
        """Return the key by which a target has one cycle that waits to begin."""
        return f"analyze:{self.target_id}"


class Hypothesize(Message):
    """Say what could be better, from what the cycle's analysis found."""

    queue: ClassVar[LiteralString] = "hypothesize"
    task: ClassVar[LiteralString] = "hypothesize"

    target_id: int = Field(ge=1)
    cycle_id: int = Field(ge=1)


class Act(Message):
    """Bring one improvement on by one state; the state is in its row.

    It has no queueing lock: a message that waits could be taken before the transaction that would
    send the second one commits, and would then not see what that transaction wrote.
    """

    queue: ClassVar[LiteralString] = "act"
    task: ClassVar[LiteralString] = "act"

    target_id: int = Field(ge=1)
    improvement_id: int = Field(ge=1)
    #: Take the applied change back, instead of going on.
    roll_back: bool = False
    #: Why, in one sentence for a person; only of a rollback.
    reason: str = Field("", max_length=1000)

    def lock(self) -> str:
        """Return the key by which a target has one writer."""
        return f"target:{self.target_id}"


class Learn(Message):
    """Compare production before and after a change, or end a cycle whose improvements rest."""

    queue: ClassVar[LiteralString] = "learn"
    task: ClassVar[LiteralString] = "learn"

    target_id: int = Field(ge=1)
    #: 0: the cycle is gone.
    cycle_id: int = Field(ge=0)
    #: The change to watch; None: end the cycle if nothing is left to do in it.
    improvement_id: int | None = Field(None, ge=1)

    def queueing_lock(self) -> str | None:
        """Return the key by which a change has one watch; the end of a cycle has none."""
        return f"learn:{self.improvement_id}" if self.improvement_id else None
