"""What is seen of a merged change, and what that says of it; pure functions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from honed.core.aftermath import Aftermath, Standing
from honed.core.canonical import Json
from honed.stats.rates import chance_of_fewer, chance_of_more

#: A watch is looked at in so many steps: what grows from look to look is tested once in each.
STEPS = 4
#: What may be found worse by chance, each at its share of ``alpha``: how often errors come, and how
#: long operations take (Bonferroni 1936).
RATES_AND_SPEEDS: Final = 2
#: A fault that came as often as before would have been seen so many times: then its absence, or its
#: return, says something (the rule of three: none of 3 expected has a probability of 0.05).
ENOUGH = 3.0
#: Errors have to come more often by this factor: days differ by that much, whatever is changed.
MORE = 1.5
#: Operations have to take this many times as long.
SLOWER = 1.2

#: What the score is made of: it was let in and stays; what it claims is seen; fewer errors come.
_OF_STAYING = 0.4
_OF_CLAIM = 0.4
_OF_ERRORS = 0.2
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Counts:
    """Events before and after, and the hours in which they were counted."""

    before: int
    after: int
    before_h: float
    after_h: float

    @property
    def expected(self) -> float:
        """How many there would be after, came they as often as before."""
        return self.before * self.after_h / self.before_h if self.before_h else 0.0

    @property
    def share_left(self) -> float:
        """How often they come, of how often they came; 0: never again; 1: as often, or oftener."""
        if not self.after:
            return 0.0
        return min(1.0, self.after / self.expected) if self.expected else 1.0

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        return {
            "before": self.before,
            "after": self.after,
            "before_hours": self.before_h,
            "after_hours": self.after_h,
        }


@dataclass(frozen=True, slots=True)
class Endings:
    """The tests of the merged commit beside those of the one before it."""

    #: Ids of those that fail since.
    lost: tuple[str, ...] = ()
    #: Whether those pass that the change was made for; None: it was made for none.
    are_repaired: bool | None = None
    #: Why they were not run; empty: they were.
    error: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        return {"lost": list(self.lost), "repaired": self.are_repaired, "error": self.error}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what ``to_json`` wrote."""
        return cls(tuple(value["lost"]), value["repaired"], value["error"])


@dataclass(frozen=True, slots=True)
class Speed:
    """How long an operation takes: natural logarithm of after / before, with its interval."""

    operation: str
    effect: float
    low: float
    high: float

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        names = ("effect", "low", "high")
        return {"operation": self.operation, **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of a merged change so far; counts are of whole steps of its watch."""

    #: Steps of the watch that are over, 0 to ``STEPS``.
    steps: int
    tests: Endings = field(default_factory=Endings)
    #: Of the fault that it repairs; None: none is named, or nobody tells of faults.
    fault: Counts | None = None
    #: Of all errors; None: nobody tells of them.
    errors: Counts | None = None
    #: Titles of faults that are new since, in files that it changed.
    new: tuple[str, ...] = ()
    #: Of operations, once the watch is over.
    speeds: tuple[Speed, ...] = ()
    #: The operation that it makes faster; empty: that is not what it claims.
    operation: str = ""
    #: When and why it counts as deployed, and what else the record shall hold.
    about: Mapping[str, Json] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether its time under watch is over, or nobody would tell of it."""
        return self.steps >= STEPS or (self.errors is None and self.fault is None)

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        return {
            **self.about,
            "steps": self.steps,
            "tests": self.tests.to_json(),
            "fault": self.fault.to_json() if self.fault else None,
            "errors": self.errors.to_json() if self.errors else None,
            "new_faults": list(self.new),
            "speeds": [each.to_json() for each in self.speeds],
        }


def judge(seen: Seen, alpha: float) -> Aftermath:
    """Return what is to become of a merged change.

    It harms if tests fail that passed on the commit before it; if a fault is new in a file that it
    changed; if errors come ``MORE`` times as often as before; if the fault that it was to repair is
    not seen to come less often; or if, at the end, an operation takes ``SLOWER`` times as long.

    Rates are compared by the exact conditional test of two Poisson rates (``stats.rates``). Errors
    and speeds have half of ``alpha`` each; that of errors is shared by the ``STEPS`` looks, that of
    speeds by the operations (Bonferroni 1936): 4 x alpha / 8 + alpha / 2 = alpha. That rests on
    errors that come by themselves: what else changed in the same days is not told apart. The
    repaired fault is asked the other way round: one that comes as often as ever is taken for rarer
    with at most ``alpha``, by ``alpha / STEPS`` in each look. What a flaky test costs beside that,
    ``suites.lost`` says.

    Args:
        seen: what is seen.

        alpha: bound on the probability that one that changes neither rates nor speeds is taken back
            for either.
    """
    if reason := harm(seen, alpha):
        return Aftermath(Standing.HARMED, reason, facts=seen.to_json())
    if not seen.is_over:
        reason = f"it is merged, and its watch is {seen.steps} of {STEPS} steps long"
        return Aftermath(Standing.WAITING, reason, facts=seen.to_json())
    return Aftermath(Standing.WELL, _praise(seen), score(seen), seen.to_json())


def harm(seen: Seen, alpha: float) -> str:
    """Return what shows that a change harms; empty: nothing does."""
    if seen.tests.lost:
        return f"tests fail that passed before it was merged: {_names(seen.tests.lost)}"
    if seen.new:
        return f"faults are new in files that it changed: {_names(seen.new)}"
    if seen.fault is not None and _is_back(seen.fault, alpha, is_over=seen.is_over):
        return f"the fault is not seen to come less often: {_rates(seen.fault)}"
    if seen.errors is not None and _is_more(seen.errors, alpha):
        return f"errors come more often: {_rates(seen.errors)}"
    slower = [each for each in seen.speeds if each.low > math.log(SLOWER)]
    if slower:
        times = (f"{each.operation} ({math.expm1(each.effect):+.0%})" for each in slower)
        return f"operations take longer: {_names(tuple(times))}"
    return ""


def score(seen: Seen) -> float:
    """Return how well a change went, 0 to 1; a formula of honed's own.

    0.4, as it was let in and stays
    + 0.4 x what is seen of its claim: of a fault (1 - its rate now / its rate before) x (1 - e^-n),
    where n of its events were to be expected in the watch, so that the second factor is the
    probability that it would have been seen; of an operation 1 if it is shown to be faster, else 0;
    without either 1 if the tests pass that it was made for, else 0
    + 0.2 x (1 - rate of all errors now / before, within 0 and 1), or 0.2 if none came at all.
    """
    total = _OF_STAYING + _OF_CLAIM * _claim_seen(seen)
    if seen.errors is not None and seen.errors.after_h:
        total += _OF_ERRORS * (1.0 - seen.errors.share_left)
    return min(1.0, total)


def _claim_seen(seen: Seen) -> float:
    if seen.fault is not None:
        return (1.0 - seen.fault.share_left) * -math.expm1(-seen.fault.expected)
    if seen.operation and seen.errors is not None:
        return float(any(each.high < 0 for each in seen.speeds if each.operation == seen.operation))
    return 1.0 if seen.tests.are_repaired else 0.0


def _is_back(fault: Counts, alpha: float, *, is_over: bool) -> bool:
    if not fault.after or not (is_over or fault.expected >= ENOUGH):
        return False
    chance = chance_of_fewer(fault.before, fault.after, fault.before_h, fault.after_h)
    return chance > alpha / STEPS


def _is_more(errors: Counts, alpha: float) -> bool:
    if not errors.after_h:
        return False
    # As many hours as there would have to be before for so many more errors.
    chance = chance_of_more(errors.before, errors.after, errors.before_h, MORE * errors.after_h)
    return chance <= alpha / (RATES_AND_SPEEDS * STEPS)


def _praise(seen: Seen) -> str:
    said = []
    if seen.fault is not None:
        left = _rates(seen.fault)
        said.append(f"the fault is rarer: {left}" if seen.fault.after else f"it is gone: {left}")
    elif seen.tests.are_repaired:
        said.append("the tests that it was made for pass where it was merged")
    if seen.errors is not None:
        said.append(f"errors do not come more often: {_rates(seen.errors)}")
    return "; ".join(said) or "it was merged, and nobody tells of harm"


def _rates(counts: Counts) -> str:
    since = _rate(counts.after, counts.after_h)
    return f"{since} since, {_rate(counts.before, counts.before_h)} before"


def _rate(count: int, hours: float) -> str:
    rate = f"{count / hours:.3g} an hour" if hours else "unknown"
    return f"{rate} ({count} in {hours:.1f} h)"


def _names(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
