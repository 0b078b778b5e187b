"""A kind: one way to improve one sort of target. The plug-in that honed is made of."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from honed.core.aftermath import Aftermath
from honed.core.finding import Finding, FindingType
from honed.core.gate import Examination
from honed.core.hypothesis import Hypothesis
from honed.core.risk import Risk
from honed.core.step import Step, inverses
from honed.core.target import Target
from honed.core.trial import Trial

TargetT = TypeVar("TargetT", bound=Target)


class Kind(ABC, Generic[TargetT]):
    """One way to improve one sort of target.

    A kind only reads and says; it changes nothing and decides nothing. Its module's docstring has
    four headings (What it does, Why it helps, Risk and rollback, How it is measured), from which
    its reference page is made.
    """

    #: Stored in every record; never renamed.
    name: ClassVar[str]
    #: The sort of target that it improves.
    sort: ClassVar[str]
    risk: ClassVar[Risk]
    #: The types of finding that it acts on.
    wants: ClassVar[frozenset[FindingType]]
    #: The ``--target-area`` that it belongs to: performance, quality or features.
    area: ClassVar[str] = "performance"
    #: Whether a claim that was carried out is never made again, whatever became of it: its subject
    #: names the occasion, such as one start of a server.
    is_once: ClassVar[bool] = False

    #: Whether what it applies costs something as long as it stays, as an index does each writer:
    #: then it is kept only where production shows a gain. Anything else is kept unless production
    #: shows harm: it may pay only later, as a partition for next month does.
    costs_to_keep: ClassVar[bool] = True
    #: Whether ``measure`` tells times, which drift with everything else on the target: then the
    #: drift of what the change does not touch is taken out of them. Counts do not drift with it.
    measures_time: ClassVar[bool] = True
    #: Whether what production is compared with would become better without the change too: then
    #: harm still takes it back, but no gain, effect or outcome is recorded as its doing.
    improves_by_itself: ClassVar[bool] = False

    def look(self, target: TargetT) -> Iterable[Finding]:
        """Return the facts that only this kind reads of ``target``; by default none. Reads only.

        They are stored with what the target itself and the detectors find, once for each cycle,
        and handed to ``propose`` again if their types are among ``wants``.
        """
        del target
        return ()

    @abstractmethod
    def propose(self, findings: Sequence[Finding], target: TargetT) -> Iterable[Hypothesis]:
        """Yield claims that answer ``findings``, best first. Reads only."""

    @abstractmethod
    def apply(self, hypothesis: Hypothesis, target: TargetT) -> list[Step]:
        """Return what would be done. Runs nothing."""

    @abstractmethod
    def trial(self, hypothesis: Hypothesis, target: TargetT) -> Trial | Examination:
        """Return where and how to prove the claim: by measuring, or by gates."""

    @abstractmethod
    def measure(self, hypothesis: Hypothesis, target: TargetT) -> Mapping[str, float]:
        """Return one sample of production as ``{metric_unit: number}``; lower is better.

        A metric that was not exercised in the target's interval is left out.
        """

    def aftermath(
        self, hypothesis: Hypothesis, target: TargetT, since: datetime
    ) -> Aftermath | None:
        """Return what became of a change that people let in; None, the default: ``measure`` tells.

        For kinds whose changes wait for people: a request for review may be open for weeks. The
        watch of such a kind asks again and again until it is no longer waiting, and holds up
        nothing else on its target meanwhile. Reads only.

        Args:
            hypothesis: what was claimed.

            target: as for ``propose``.

            since: when the change was handed over.
        """
        del hypothesis, target, since
        return None

    @property
    def waits_for_people(self) -> bool:
        """Whether it tells what became of its changes by ``aftermath``."""
        return type(self).aftermath is not Kind.aftermath

    def revise(
        self, hypothesis: Hypothesis, harmed: Collection[str], target: TargetT
    ) -> Hypothesis | None:
        """Return a smaller claim that spares ``harmed``; None, the default: there is none.

        It is asked after the trial refuted ``hypothesis`` only because units became slower than the
        guardrail allows, and is tried like any other claim. Each revision must be smaller than what
        it revises, so that they come to an end. Reads only.

        Args:
            hypothesis: what was refuted.

            harmed: names of those units.

            target: as for ``propose``.
        """
        del hypothesis, harmed, target
        return None

    def compares_from(self, hypothesis: Hypothesis) -> datetime | None:
        """Return from when on production before a change is what the change is compared with.

        None, the default: as far back as its watch is long. For a claim that answers a moment at
        which production became worse: the time before it is no measure of what is to be bettered.
        """
        del hypothesis
        return None

    def rollback(self, steps: Sequence[Step]) -> list[Step]:
        """Return what takes ``steps`` back: their inverses, last first."""
        return inverses(steps)
