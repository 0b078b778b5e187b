"""Changes of a commit that keep what code does: found once, and remembered."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from honed.core.canonical import Json
from honed.core.change import CodeChange, Purpose
from honed.core.gate import Gate
from honed.errors import ChangeRefused, EvaluatorFailed
from honed.repair.refactor.refactor import Refactor
from honed.targets.repository.evidence.remembered import remembered
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.git.worktree import Worktree
from honed.targets.repository.judging.judge import Checkout, CodeJudge
from honed.targets.repository.judging.mend import judged
from honed.targets.repository.publishing.packing import pack, unpack
from honed.targets.repository.target import RepositoryTarget

_DIGEST: Final = 8


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One change that keeps what code does, and what it is about."""

    #: The same on every commit that has it: its rule, its file and what it removes.
    subject: str
    rule: str
    reason: str
    proof: str
    change: CodeChange
    #: What was measured of it.
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON, without what its commit has already."""
        return {
            "subject": self.subject,
            "rule": self.rule,
            "reason": self.reason,
            "proof": self.proof,
            "change": pack(self.change),
            "figures": dict(self.figures),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], clone: Clone) -> Self:
        """Return the rewrite that ``to_json`` wrote.

        Raises:
            ChangeRefused: the clone does not have what it was made for.
        """
        return cls(**{**value, "change": unpack(value["change"], clone)})


@dataclass(frozen=True, slots=True)
class Maker:
    """Who makes changes of refactors, and what their commits say."""

    kind: str
    purpose: Purpose
    #: By rule what the commit does, in one line.
    titles: Mapping[str, str]

    def rewrite(self, refactor: Refactor, commit: str) -> Rewrite:
        """Return a refactor as a change of a commit."""
        change = CodeChange(
            base_commit=commit,
            files=refactor.files,
            message=(
                f"{self.titles[refactor.rule]} in {refactor.files[0].path}\n\n"
                f"{refactor.reason}.\nIt does the same as before."
            ),
            purpose=self.purpose,
            made_by=f"{self.kind}: {refactor.rule}",
        )
        return Rewrite(
            _subject(refactor), refactor.rule, refactor.reason, refactor.proof.value, change
        )

    def sound(
        self,
        refactors: Iterable[Refactor],
        tree: Worktree,
        gates: Iterable[Gate],
        target: RepositoryTarget,
    ) -> list[Rewrite]:
        """Return refactors of a commit that the gates let pass, each subject once."""
        asked = list(gates)
        found: dict[str, Rewrite] = {}
        for each in refactors:
            rewrite = self.rewrite(each, tree.commit)
            judge = CodeJudge.of(tree.root, rewrite.change, target.court)
            results = judged(rewrite.change, judge, asked, target.settings)
            if rewrite.subject not in found and all(result.passed for result in results):
                found[rewrite.subject] = rewrite
        return list(found.values())


def rewrites(
    target: RepositoryTarget, kind: str, about: str, find: Callable[[], list[Rewrite]]
) -> list[Rewrite]:
    """Return what was found of a commit; it is looked for once.

    Args:
        target: the repository.

        kind: who looks.

        about: the commit, and what else the answer depends on.

        find: looks, where nothing is remembered about that, these tests and this Python.
    """
    place = target.settings.home / "remembered" / f"{kind}-{target.target_id}.json"
    about = f"{about} {_command(target)}"
    found: Any = remembered(place, about, lambda: [each.to_json() for each in find()])
    clone = target.clone()
    known = []
    for each in found:
        try:
            known.append(Rewrite.from_json(each, clone))
        except ChangeRefused:
            continue
    return known


def tested_lines(target: RepositoryTarget, tree: Worktree) -> dict[str, frozenset[int]]:
    """Return the lines that tests run, by path; they are run once for each commit.

    Raises:
        EvaluatorFailed: the run did not come to its end.
        SandboxMissing: there is no sandbox, so nothing is run.
    """

    def run() -> Json:
        ended = Checkout(tree.root, {}, target.court).run_tests(lines=True)
        if ended.error:
            raise EvaluatorFailed(ended.error)
        return {path: sorted(lines) for path, lines in ended.lines.items()}

    place = target.settings.home / "remembered" / f"lines-{target.target_id}.json"
    found: Any = remembered(place, f"{tree.commit} {_command(target)}", run)
    return {path: frozenset(lines) for path, lines in found.items()}


def _command(target: RepositoryTarget) -> str:
    court = target.court
    return hashlib.sha256("\0".join([str(court.python), *court.tests]).encode()).hexdigest()


def _subject(refactor: Refactor) -> str:
    changed = [
        line
        for file in refactor.files
        for line in file.diff.splitlines()
        if line[:1] in "+-" and not line.startswith(("+++", "---"))
    ]
    digest = hashlib.sha256("\n".join(changed).encode()).hexdigest()[:_DIGEST]
    return f"{refactor.rule} in {refactor.files[0].path} ({digest})"
