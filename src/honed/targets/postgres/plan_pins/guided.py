"""Guided: what the mechanisms have in common that tell the planner of one statement in words."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from honed.errors import EvaluatorFailed
from honed.targets.postgres.lab import lacking
from honed.targets.postgres.plan_pins.bench import Bench
from honed.targets.postgres.plan_pins.case import Case
from honed.targets.postgres.plan_pins.guidance import Guidance, choices
from honed.targets.postgres.plan_pins.guided_trial import obey
from honed.targets.postgres.plan_pins.manner import ADVICE, MANNERS
from honed.targets.postgres.plan_pins.pin import Remedy
from honed.targets.postgres.plan_pins.provider import Server


class Guided(ABC):
    """Words for one statement, whoever runs it, and for no other; implements ``Provider``.

    They are made of the good plan, the fewest that bring it back. Where the lab's server cannot
    load the extension nothing is proposed: what was not tried is a guess. A statement that has been
    given words already keeps them.
    """

    #: Stored with every pin; never renamed.
    name: str
    extension: str

    @abstractmethod
    def guidance_of(self, plan: Mapping[str, Any]) -> list[Guidance]:
        """Return what makes ``plan``, in the words of the extension; of each example of it."""

    def why_not(self, server: Server) -> str:
        """Return why it cannot be used; see ``Provider``."""
        keeper = server.keepers.get(self.name)
        if keeper is None:
            return f"{self.extension} is not installed in the database"
        if self.extension not in server.in_lab:
            return lacking(self.extension)
        return keeper.obstacle

    def remedies(self, case: Case, bench: Bench) -> Iterator[Remedy]:
        """Yield words: of scans, of joins, of their order, and of all."""
        manner = MANNERS[self.name]
        if self.name not in bench.keepers or bench.obstacle(case, self.name):
            return
        try:
            obey(bench.clone, manner)
        except EvaluatorFailed:
            return
        keeper = bench.keepers[self.name].of(case.roles)
        plans = bench.bad_plans(case, with_advice=manner is ADVICE)
        bad = [each for plan in plans for each in self.guidance_of(plan)]
        for good in self.guidance_of(case.good.plan):
            for words in choices(good, bad):
                yield Remedy(
                    mechanism=self.name,
                    label=f"the {manner.singular} {words} for statement {case.statement_id}",
                    scope=f"statement {case.statement_id} in {keeper.reach}",
                    steps=(keeper.step(case.statement_id, words),),
                    guidance=words,
                )
