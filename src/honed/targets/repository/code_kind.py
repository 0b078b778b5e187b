"""What all kinds have in common whose claim is a change of code."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, cast

from honed.core.aftermath import Aftermath
from honed.core.canonical import Json, digest
from honed.core.change import CodeChange, Purpose
from honed.core.finding import Finding
from honed.core.gate import Examination, GateResult
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.privacy import Scrubber
from honed.core.risk import MAX_ATTEMPTED_RISK
from honed.core.step import Step
from honed.errors import ChangeRefused, EvaluatorFailed
from honed.forge.description import Evidence, body
from honed.targets.repository.judging.judge import CodeJudge, judge_digest
from honed.targets.repository.judging.mend import installed_gates, judged
from honed.targets.repository.publishing.acts import Publication, branch_of, change_of, publish_step
from honed.targets.repository.publishing.packing import pack, patch_digest, unpack
from honed.targets.repository.publishing.papers.papers import with_papers
from honed.targets.repository.target import RepositoryTarget
from honed.targets.repository.watching.aftermath import aftermath

#: Tests that a claim names; more say nothing more, and a claim is signed as a whole.
_MOST_REPAIRS: Final = 50
_NAMED: Final = 3
#: Other attempts that a claim tells of, and characters of each.
_MOST_TRIED: Final = 10
_WORDS: Final = 300
#: Nobody knows who has talked a model into what it wrote: honed.change_lane leaves it to people,
#: and its risk is the highest that is attempted at all.
_MODEL: Final = "language_model"
#: What may still be wrong with a change of each purpose that every gate lets pass.
_RISKS: Final = {
    Purpose.REPAIR: "It passes every test and may still be wrong where none looks.",
    Purpose.REFACTOR: "It does the same wherever tests look, and may not where none does.",
    Purpose.OPTIMIZE: "It does the same wherever tests look, and may not where none does.",
    Purpose.TEST: "It says what the code does today, whether that is right or not.",
    Purpose.UPGRADE: "What no test of this repository uses may behave otherwise.",
}


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a kind says of one change; ``CodeKind.claim`` makes the hypothesis of it."""

    #: What is wrong: the same for every try to settle it, on every commit.
    cause: str
    change: CodeChange
    #: The claim in one sentence for a person.
    claim: str
    priority: int
    #: Predicted natural logarithm of after / before of what the kind betters; negative.
    predicted_log_ratio: float
    #: What it answers.
    findings: Sequence[Finding] = ()
    #: The words of the error, as they came; empty: there is none.
    error: str = ""
    #: What was wrong, in a sentence.
    trouble: str = ""
    #: What the aftermath looks for: ``fingerprint``, ``ticket_id`` ...
    more: Mapping[str, Json] | None = None


class CodeKind(Kind[RepositoryTarget]):
    """A kind that proposes changes of code; it says what to change, and why.

    Gates prove a claim, in a sandbox. Carried out, it is a branch with one commit and a request for
    review; the base branch is never written to. The undo closes the request, or proposes the revert
    of what was merged.
    """

    sort: ClassVar[str] = "repository"
    area: ClassVar[str] = "quality"
    costs_to_keep: ClassVar[bool] = False
    measures_time: ClassVar[bool] = False

    @abstractmethod
    def propose(
        self, findings: Sequence[Finding], target: RepositoryTarget
    ) -> Iterator[Hypothesis]:
        """Yield claims that answer ``findings``, best first; see ``Kind`` and ``claim``."""

    def claim(self, said: Claimed, target: RepositoryTarget) -> Hypothesis | None:
        """Return the hypothesis of a change; None: it cannot be carried out as it was found.

        The documents that are to tell of the change are part of it. One that waits for its review
        already is no new claim either. What is said in words is without personal data and secrets
        from here on: errors and tests may hold any.
        """
        said = _scrubbed(said, target.scrubber)
        found = replace(said.change, repairs=said.change.repairs[:_MOST_REPAIRS])
        # Before anything looks at it: what the gates judge is what is published.
        change = with_papers(found, target.clone())
        try:
            packed = pack(change)
            # What a claim says is what was found, to the byte.
            if unpack(packed, target.clone()) != replace(change, prompt=""):
                return None
        except ChangeRefused:
            return None
        if target.is_open(branch_of(change)):
            return None
        proposer, _, template = change.made_by.partition(": ")
        parameters = dict[str, Json](
            {
                "change": packed,
                "base_branch": target.branch(),
                "patch_digest": patch_digest(change),
                "error": said.error,
                "trouble": said.trouble,
                "proposer": proposer,
                "template": template,
                "tried": [each[:_WORDS] for each in change.tried[:_MOST_TRIED]],
                **(said.more or {}),
            }
        )
        return Hypothesis(
            kind=self.name,
            subject=said.cause,
            claim=said.claim,
            priority=said.priority,
            risk=MAX_ATTEMPTED_RISK if proposer == _MODEL else self.risk.level,
            predicted_log_ratio=said.predicted_log_ratio,
            parameters=parameters,
            finding_ids=tuple(each.finding_id for each in said.findings if each.finding_id),
        )

    def apply(self, hypothesis: Hypothesis, target: RepositoryTarget) -> list[Step]:
        """Return the step that proposes the change."""
        parameters: Mapping[str, Any] = hypothesis.parameters
        change = unpack(parameters["change"], target.clone())
        evidence = Evidence(
            title=change.message.partition("\n")[0],
            trouble=parameters.get("trouble") or _trouble(change),
            base_commit=change.base_commit,
            risk_level=hypothesis.risk,
            error=parameters["error"],
            risk=_RISKS[change.purpose],
            ticket_id=parameters.get("ticket_id"),
            made_by=change.made_by,
        )
        publication = Publication(
            change,
            base_branch=parameters["base_branch"],
            root_cause=hypothesis.subject,
            title=evidence.title,
            body=body(evidence),
            ticket_id=parameters.get("ticket_id"),
            claim=digest(hypothesis.to_json()),
        )
        return [publish_step(target.clone(), publication)]

    def trial(self, hypothesis: Hypothesis, target: RepositoryTarget) -> Examination:
        """Return the gates, on a copy of the commit that the change is made for."""
        return Gates(target)

    def measure(self, hypothesis: Hypothesis, target: RepositoryTarget) -> Mapping[str, float]:
        """Return nothing: no cost of production tells what a change of code is worth."""
        return {}

    def aftermath(
        self, hypothesis: Hypothesis, target: RepositoryTarget, since: datetime
    ) -> Aftermath:
        """Return what became of its request, and what services and tests tell since its merge."""
        del since
        return aftermath(hypothesis, target)


@dataclass
class Gates(Examination):
    """Asks every gate about the change that steps hold."""

    target: RepositoryTarget
    judge: str = ""
    #: Releases that are seen with the change alone; None: there are none.
    packages: Path | None = None

    def __post_init__(self) -> None:
        """Say what judges."""
        self.judge = judge_digest()

    def examine(self, steps: Sequence[Step]) -> Iterator[GateResult]:
        """Yield what each gate says, the cheap ones first, up to the first that fails."""
        change = change_of(steps[0], self.target.clone())
        with self.target.files(change.base_commit) as tree:
            judge = CodeJudge.of(tree.root, change, self.target.court, self.packages)
            results = judged(change, judge, installed_gates().values(), self.target.settings)
            yield from _without_personal_data(results, self.target.scrubber)


def _without_personal_data(
    results: Iterator[GateResult], scrubber: Scrubber
) -> Iterator[GateResult]:
    """Yield what gates say, or what kept one from it, without what tests may have told."""
    try:
        for each in results:
            evidence = cast("dict[str, Json]", scrubber.value(each.evidence))
            yield replace(each, reason=scrubber.text(each.reason), evidence=evidence)
    except EvaluatorFailed as error:
        raise EvaluatorFailed(scrubber.text(str(error)), hint=error.hint) from None


def _scrubbed(said: Claimed, scrubber: Scrubber) -> Claimed:
    change = replace(
        said.change,
        message=scrubber.text(said.change.message),
        doubt=scrubber.text(said.change.doubt),
        question=cast("dict[str, Json]", scrubber.value(said.change.question)),
        tried=tuple(scrubber.text(each) for each in said.change.tried),
    )
    return replace(
        said,
        cause=scrubber.text(said.cause),
        change=change,
        claim=scrubber.text(said.claim),
        error=scrubber.text(said.error),
        trouble=scrubber.text(said.trouble or _trouble(change)),
    )


def _trouble(change: CodeChange) -> str:
    if not change.repairs:
        return ""
    named = ", ".join(change.repairs[:_NAMED])
    return f"These tests fail without it: {named}" + " and more" * (len(change.repairs) > _NAMED)
