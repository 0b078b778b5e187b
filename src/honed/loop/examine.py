"""Proving a claim by gates: it is right or wrong, where a trial tells dearer or cheaper."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from honed.core.canonical import Json
from honed.core.gate import Examination, GateResult
from honed.core.step import Step
from honed.core.verdict import Verdict
from honed.loop.boundary import asking

#: What the history says where every gate let a change pass.
_ALL = "every gate lets it pass"


@dataclass(frozen=True, slots=True)
class Examined:
    """What the gates made of a claim."""

    verdict: Verdict
    #: One sentence for a person.
    reason: str
    #: What each gate said, and a digest of what judged.
    evidence: dict[str, Json]


def examine(
    kind: str,
    examination: Examination,
    steps: Sequence[Step],
    *,
    tell: Callable[[GateResult], None],
    should_stop: Callable[[], None],
) -> Examined:
    """Ask the gates one after the other, and return the verdict.

    IMPROVED: each let it pass, and there was one. WORSE: one shows that it is wrong. INCONCLUSIVE:
    one leaves it open.

    Args:
        kind: who claims it.

        examination: the gates.

        steps: what they look at.

        tell: is told what each says.

        should_stop: is called before each, and raises what shall end it.

    Raises:
        EvaluatorFailed: a gate could not find out what it looks for.
        KindFailed: the kind raised something else.
    """
    results: list[GateResult] = []
    with asking(kind):
        said = iter(examination.examine(steps))
    while True:
        should_stop()
        with asking(kind):
            result = next(said, None)
        if result is None:
            break
        results.append(result)
        tell(result)
        if not result.passed:
            break
    evidence: dict[str, Json] = {
        "gates": [each.to_json() for each in results],
        "judge": examination.judge,
    }
    failed = [each for each in results if not each.passed]
    if failed:
        verdict = Verdict.WORSE if failed[0].refutes else Verdict.INCONCLUSIVE
        return Examined(verdict, f"{failed[0].gate}: {failed[0].reason}", evidence)
    if not results:
        return Examined(Verdict.INCONCLUSIVE, "no gate has looked at it", evidence)
    return Examined(Verdict.IMPROVED, _ALL, evidence)
