"""A draft: what a source says of one trouble, before it is a ticket."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from honed.backlog.ticket import Category, TicketSource
from honed.core.canonical import Json
from honed.core.risk import Danger


@dataclass(frozen=True, slots=True)
class Facts:
    """What category, priority, risk and effort follow from; a default says that it is not known."""

    #: The sort of change that settles it; None: as the source has it.
    category: Category | None = None
    #: How often a day it happens.
    times_per_day: float = 0.0
    #: Persons whom it met.
    users: int = 0
    #: Share of what it is measured in, 0 to 1: of the time, the cost, the runs of a test.
    share: float = 0.0
    #: What was measured / what it should be at most, or was before.
    excess: float = 1.0
    #: Days until it crosses its limit; None: it is not foretold.
    due_days: float | None = None
    #: It ended a request or a program.
    is_unhandled: bool = False
    #: It was well before.
    is_regression: bool = False
    #: Lines of code that it concerns.
    lines: int = 0
    #: McCabe's number of what is to be changed.
    complexity: int = 0
    #: Whether a test reaches what is to be changed; None: unknown.
    is_tested: bool | None = None
    #: What makes a change of it dangerous.
    danger: Danger = Danger.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a source says of one trouble; scrubbed, because nobody scrubs it again.

    Two drafts of the same source, place and subject are the same trouble seen twice.
    """

    source: TicketSource
    #: Stable from scan to scan.
    subject: str
    #: One sentence for a person.
    title: str
    first_seen_at: datetime
    last_seen_at: datetime
    facts: Facts = field(default_factory=Facts)
    #: Where it is: a target, or a project of the intake or a repository by its name.
    target_id: int | None = None
    project: str = ""
    description: str = ""
    evidence: Mapping[str, Json] = field(default_factory=dict)
    proposed_solution: str = ""
    test_plan: str = ""
    files_to_modify: tuple[str, ...] = ()
    metadata: Mapping[str, Json] = field(default_factory=dict)
    #: The source's counter of sightings, which only grows; one that is lower than it was has begun
    #: again. None: the source keeps none, and each scan that finds the trouble counts one.
    count: int | None = None

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What makes it the same trouble."""
        return (self.source.value, self.target_id or 0, self.project, self.subject)
