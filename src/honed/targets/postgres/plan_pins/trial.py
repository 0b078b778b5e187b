"""Trials of pins: with the pin against without, and without it against with."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from honed.core.step import Step
from honed.core.trial import Arm, Arms, Trial, TrialDesign
from honed.targets.postgres.plan_pins.guided_trial import GuidedTrial
from honed.targets.postgres.plan_pins.manner import manner_of
from honed.targets.postgres.session_settings.trial import SettingsTrial
from honed.targets.postgres.statement_trial import statement_trial
from honed.targets.postgres.target import PostgresTarget

#: A pin has to be worth this: without it a statement may cost so much more, as a share.
TOLERATED = 0.10
#: How near to that each single statement may come, as a share of it.
_MARGIN = 0.02
#: What one number of a trial without a pin is.
METRIC = "backend_cpu_s; without the pin divided by 1.1"


def pin_trial(
    target: PostgresTarget,
    steps: Sequence[Step],
    parameters: Mapping[str, Any],
    *,
    notes: Mapping[str, Any],
) -> Trial:
    """Return the replay of the workload, or of a role's statements, with ``steps`` and without.

    Args:
        target: its lab is refreshed.

        steps: what is claimed.

        parameters: of the claim: ``base_s``, ``statements``, ``cut_s``; of a setting also
            ``session``, which a session then has, and ``overrides``, which it has now; of words
            to the planner ``hints`` or ``advice``, before and after, and ``overrides``.

        notes: recorded with the trial.
    """
    replay = statement_trial(
        target,
        base_s=parameters["base_s"],
        # A setting concerns every statement of its role, whether its plan changes or not.
        changed=parameters["base_s"] if parameters["session"] else parameters["statements"],
        cut_s=parameters["cut_s"],
        notes=notes,
    )
    manner = manner_of(parameters)
    if manner is not None:
        return GuidedTrial(
            replay=replay,
            manner=manner,
            steps=tuple(steps),
            before=parameters[manner.noun]["before"],
            after=parameters[manner.noun]["after"],
            overrides=parameters["overrides"],
        )
    if not parameters["session"]:
        return replay
    return SettingsTrial(
        replay=replay,
        steps=tuple(steps),
        given=parameters["session"],
        overrides=parameters["overrides"],
    )


@dataclass(frozen=True, slots=True)
class _Lenient:
    """One side whose costs are forgiven what a pin must be worth; implements ``Arm``."""

    arm: Arm

    def run(self, unit: str) -> float:
        """Return the cost of ``unit``, less what is tolerated."""
        return self.arm.run(unit) / (1 + TOLERATED)


@dataclass(frozen=True, slots=True)
class UnpinTrial:
    """Statements replayed without a pin and with it; implements ``Trial``.

    Equal costs are what is hoped for, and the judge calls nothing better that is equal. So without
    the pin each statement is allowed a tenth more, and the verdict IMPROVED means that it does not
    take it: that the planner does as well by itself.
    """

    #: The replay with the pin and without it.
    inner: Trial

    @property
    def design(self) -> TrialDesign:
        """That of the trial within, with another question."""
        return replace(
            self.inner.design,
            metric=METRIC,
            worthwhile=0.0,
            guardrail_margin=_MARGIN,
            tolerated=TOLERATED,
        )

    @contextmanager
    def open(self, steps: Sequence[Step]) -> Iterator[Arms]:
        """Open the worlds of the trial within."""
        with self.inner.open(steps) as arms:
            yield replace(
                arms,
                candidate=_Lenient(arms.candidate),
                facts={**arms.facts, "tolerated": TOLERATED},
            )
