"""A kind of changes of code whose change is given, and a loop around one repository.

What is proposed needs no search, so that a turn of the loop on a real repository takes a second or
two; everything else is real.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from honed.config import Settings
from honed.core.canonical import Json
from honed.core.change import CodeChange, FileChange
from honed.core.finding import FAILING_TEST, Finding, FindingType
from honed.core.gate import GateResult
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Danger, Risk
from honed.core.step import Step
from honed.ledger.keys import Signer
from honed.loop.events import OnEvent
from honed.loop.parts import Parts
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, connection_url, get_target
from honed.targets.repository.code_kind import Claimed, CodeKind, Gates
from honed.targets.repository.evidence.suites import SuiteRun, keep_run
from honed.targets.repository.judging.judge import CodeJudge
from honed.targets.repository.judging.mend import installed_gates, judged
from honed.targets.repository.publishing.acts import change_of
from honed.targets.repository.source import Source
from honed.targets.repository.target import RepositoryTarget
from honed.testing.repository_worlds import RepositoryWorld

#: A test that fails in ``repository_worlds.WRONG_SLICE``, and the repair.
FAILING: str = "tests/test_prices.py::test_total[prices1-5]"
COUNT_THE_FIRST: Mapping[str, tuple[str, str]] = {"shop/prices.py": ("prices[1:]", "prices")}


@dataclass
class GivenChange(CodeKind):
    """Answers failing tests by edits that are given."""

    name: ClassVar[str] = "given_change"
    risk: ClassVar[Risk] = Risk(level=4, danger=Danger.EXTERNAL)
    wants: ClassVar[frozenset[FindingType]] = frozenset({FAILING_TEST})

    #: By path what is replaced, and by what.
    edits: Mapping[str, tuple[str, str]] = field(default_factory=lambda: COUNT_THE_FIRST)
    #: Whether every gate looks at it, or only those that run nothing.
    is_proven: bool = False
    #: Why it should not be published, and the input that tells.
    doubt: str = ""
    tried: tuple[str, ...] = ()
    question: Mapping[str, Json] = field(default_factory=dict)

    def propose(
        self, findings: Sequence[Finding], target: RepositoryTarget
    ) -> Iterator[Hypothesis]:
        """Yield the one claim, where there is something to replace."""
        commit, clone = target.shape().commit, target.clone()
        files = []
        for path, (old, new) in self.edits.items():
            before = (clone.read(commit, path) or b"").decode()
            if old in before:
                files.append(FileChange(path, before, before.replace(old, new)))
        if not files or not findings:
            return
        tests = tuple(sorted(each.subject for each in findings))
        change = CodeChange(
            base_commit=commit,
            files=tuple(files),
            repairs=tests,
            message="Do as the tests say",
            doubt=self.doubt,
            tried=self.tried,
            question=self.question,
            made_by="given: it",
        )
        said = Claimed("given", change, "as the tests say", 3, -0.7, findings)
        claim = self.claim(said, target)
        if claim is not None:
            yield claim

    def trial(self, hypothesis: Hypothesis, target: RepositoryTarget) -> Gates:
        """Return the gates that are to look at it."""
        return Gates(target) if self.is_proven else _ReadingGates(target)


class _ReadingGates(Gates):
    def examine(self, steps: Sequence[Step]) -> Iterator[GateResult]:
        """Yield what each gate says that runs nothing."""
        change = change_of(steps[0], self.target.clone())
        with self.target.files(change.base_commit) as tree:
            judge = CodeJudge.of(tree.root, change, self.target.court)
            gates = installed_gates(reading=True)
            yield from judged(change, judge, gates.values(), self.target.settings)


def know_what_fails(world: RepositoryWorld, *tests: str) -> None:
    """Remember of the newest commit that ``tests`` fail there, so that nobody runs them."""
    source = Source(world.target.record, world.target.settings)
    said = dict.fromkeys(tests, "E   AssertionError")
    keep_run(source, world.store, world.target.shape().commit, SuiteRun(said, (), 1, 0.1))


def repository_parts(
    store: Database,
    settings: Settings,
    kind: Kind[RepositoryTarget],
    on_event: OnEvent = lambda _: None,
) -> Parts:
    """Return what the loop works with: repositories, one kind and no detectors.

    Args:
        store: as its owner.

        settings: of this process.

        kind: the kind.

        on_event: is told what happens.
    """
    daemon = replace(store, role="honed_daemon")

    def record(target_id: int) -> TargetRecord:
        return get_target(store, target_id)

    return Parts(
        store=daemon,
        signer=Signer.load_or_create(settings.key_file),
        settings=settings,
        kinds={kind.name: kind},
        detectors={},
        target=lambda target_id: RepositoryTarget(record(target_id), daemon, settings),
        acting_url=lambda target_id: connection_url(record(target_id), acting=True),
        holder="honed shop",
        on_event=on_event,
    )
