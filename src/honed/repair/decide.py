"""Which patch is first, and whether it may be published or a person has to be asked."""

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from honed.repair.behaviour import Compared, dearness, departure, separating
from honed.repair.invariants import remainder, strangeness
from honed.repair.suite import Question

#: The share that the first cluster must have of what all clusters weigh together.
LEAST_SHARE: Final = 0.8
#: A natural logarithm of naturalness is worth so much of one of likelihood.
_SHARPNESS: Final = 1.0
#: Changing more of what the code does costs so much.
_OF_DEPARTURE: Final = 1.0
#: So many times the lines of another patch that does the same is another order of cost.
MOST_TIMES: Final = 3.0
_OF_DEARNESS: Final = 1.5
#: Where a call raised, to return a sort of thing that no other call returns, or to raise again.
_OF_STRANGENESS: Final = 3.0
_OF_REMAINDER: Final = 3.0


@dataclass(frozen=True, slots=True)
class Decision:
    """The order of candidates, and what stands against publishing the first."""

    #: Numbers of candidates, best first.
    order: tuple[int, ...]
    scores: tuple[float, ...]
    abstained: str
    question: Question | None


def decide(
    natural: Sequence[float],
    compared: Compared,
    raised: Collection[str] = (),
    templates: Sequence[str] = (),
    *,
    is_refused: bool = False,
) -> Decision:
    """Return the candidates in order, and why the first should not be published, if so.

    Patches that behave the same support each other: a cluster weighs the sum of its patches'
    likelihoods, and the first patch is the most natural one of the heaviest cluster. A template has
    one opinion: of its patches in a cluster the likeliest counts, however many there are.

    Args:
        natural: by candidate the logarithm of how natural it is.

        compared: what candidates do beyond the tests.

        raised: names of the types of exceptions that failing tests end with.

        templates: by candidate what made it; empty: each something else.

        is_refused: whether the code raises that by statements of its own, on purpose. To go on
            raising it is right then, and to raise it never again is in doubt.
    """
    scores = [
        score
        - _OF_DEPARTURE * departure(own, compared.base)
        - _OF_DEARNESS * max(0.0, math.log(dearness(own, compared.answers) / MOST_TIMES))
        - _OF_STRANGENESS * strangeness(own, compared)
        - _OF_REMAINDER * remainder(own, compared.base, () if is_refused else raised)
        for score, own in zip(natural, compared.answers, strict=True)
    ]
    weights = _weights(scores, compared.clusters, templates or range(len(scores)))
    order = sorted(
        range(len(scores)), key=lambda n: (-weights[compared.clusters[n]], -scores[n], n)
    )
    abstained, question = _doubt(order, weights, compared)
    first = compared.answers[order[0]]
    if is_refused and not abstained and not remainder(first, compared.base, raised):
        abstained = "it lets pass whatever the code refuses on purpose"
    return Decision(tuple(order), tuple(scores), abstained, question)


def _weights(
    scores: Sequence[float], clusters: Sequence[int], templates: Sequence[object]
) -> dict[int, float]:
    """Return what each cluster weighs: the likelihoods of the best patch of each template."""
    opinions: dict[tuple[int, object], float] = defaultdict(lambda: -math.inf)
    for score, cluster, template in zip(scores, clusters, templates, strict=True):
        opinions[cluster, template] = max(opinions[cluster, template], score)
    weights: dict[int, float] = defaultdict(float)
    best = max(scores)
    for (cluster, _), score in opinions.items():
        weights[cluster] += math.exp((score - best) * _SHARPNESS)
    return weights


def _doubt(
    order: Sequence[int], weights: dict[int, float], compared: Compared
) -> tuple[str, Question | None]:
    first = compared.clusters[order[0]]
    others = sorted((cluster for cluster in weights if cluster != first), key=lambda c: -weights[c])
    if not any(compared.answers[order[0]]):
        return "its behaviour beyond the tests could not be looked at", None
    if len(compared.answers) > 1 and not any(
        departure(own, compared.base) for own in compared.answers
    ):
        # Not even what failed is among the inputs: that all agree on these says nothing.
        return "several patches pass all tests, and no input was found that runs them", None
    share = weights[first] / sum(weights.values())
    if dearness(compared.answers[order[0]], [compared.base, *compared.answers]) > MOST_TIMES:
        return "it runs many times the lines of another patch or of the code as it was", None
    if share >= LEAST_SHARE or not others:
        return "", None
    found = separating(compared, first, others[0])
    if found is None:
        return "", None
    probe, arguments, outputs = found
    reason = f"{len(weights)} patches pass all tests and do not behave the same"
    return reason, Question(probe.name, arguments, outputs)
