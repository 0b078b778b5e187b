"""Searches for a change once more, with what its record says that the search depended on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from honed.core.canonical import Json
from honed.core.change import CodeChange
from honed.errors import ChangeRefused
from honed.repair.suite import Budget
from honed.targets.repository.evidence.searches import engine_digest
from honed.targets.repository.judging.mend import installed_proposers
from honed.targets.repository.judging.proposer import Bench, Trouble
from honed.targets.repository.publishing.packing import unpack
from honed.targets.repository.publishing.papers.papers import with_papers
from honed.targets.repository.source import Source

#: What it answers depends on more than is recorded, and what it answered is recorded.
_NEVER_SAME: Final = frozenset({"language_model"})


@dataclass(frozen=True, slots=True)
class SearchedAgain:
    """What came of searching once more."""

    #: Whether one of the changes that were found is the recorded one, to the byte.
    is_same: bool
    #: Digests of everything that searches: as it was recorded, and as it is now.
    engine: str
    engine_now: str
    #: The best of what was found, as a unified diff; empty: nothing was.
    patch: str
    #: Why nothing was found; empty: something was.
    why_none: str
    seconds: float

    @property
    def is_judged(self) -> bool:
        """Whether finding another change would be a fault: what searches is as it was."""
        return self.engine == self.engine_now

    @property
    def words(self) -> str:
        """What came of it, in a sentence."""
        said = "it finds the same patch"
        if not self.is_same:
            said = "it finds another patch" if self.patch else f"it finds none: {self.why_none}"
        if self.is_judged:
            return f"{said}, with the engine of then ({self.engine})"
        return f"{said}; the engine is another one since ({self.engine} then, {self.engine_now})"


def recipe(bench: Bench, failing: Sequence[str], tests: Sequence[str] = ()) -> dict[str, Json]:
    """Return what a search for a repair depends on beside its base commit, as plain JSON."""
    budget = bench.budget
    return {
        "engine": engine_digest(),
        "seed": budget.seed,
        "seconds": budget.seconds,
        "processes": budget.processes,
        "most_candidates": budget.most_candidates,
        "failing": list(failing),
        "tests": list(tests),
        "priors": dict(bench.priors),
        "patterns": list(bench.patterns),
    }


def search_again(parameters: Mapping[str, Any], source: Source) -> SearchedAgain:
    """Return what the search finds now by which a change was found.

    The same is found if what searches is as it was and the time sufficed both times: a budget of
    seconds ends sooner on a slower machine.

    Args:
        parameters: of the claim, as the ledger has them.

        source: the repository; its clone has the base commit.

    Raises:
        ChangeRefused: how it was searched is not recorded, or cannot be repeated.
        UnknownCommit: the repository no longer has the base commit.
        RepairFailed: no test fails there, or the tests cannot be collected.
        SandboxMissing: there is no sandbox; nothing was run.
    """
    said, clone = parameters.get("search"), source.clone()
    if not isinstance(said, Mapping):
        msg = "how this change was searched for is not recorded"
        raise ChangeRefused(msg, hint="only its commit can be made again: leave out --search")
    change = unpack(parameters["change"], clone)
    name = change.made_by.partition(": ")[0]
    proposer = installed_proposers().get(name)
    if proposer is None or name in _NEVER_SAME:
        msg = f"what {name} proposes cannot be searched for again"
        raise ChangeRefused(msg, hint="its commit can be made again: leave out --search")
    # Changes that were recorded before there were patterns name none.
    patterns = tuple(said.get("patterns", ()))
    bench = Bench(
        *(source.court, _budget(said), source.settings, clone),
        priors=_priors(said),
        patterns=patterns,
    )
    with source.files(change.base_commit) as tree:
        trouble = Trouble(
            folder=tree.root,
            commit=change.base_commit,
            failing=tuple(said["failing"]),
            tests=tuple(said["tests"]),
            added=_added(change),
        )
        found = proposer.propose(trouble, bench)
    patches = [each.diff for each in found.changes]
    told = [with_papers(each, clone).diff for each in found.changes]
    return SearchedAgain(
        is_same=change.diff in (*told, *patches),
        engine=str(said["engine"]),
        engine_now=engine_digest(),
        patch=told[0] if told else "",
        why_none=found.why_none,
        seconds=found.examined.get("seconds", 0.0),
    )


def _budget(said: Mapping[str, Any]) -> Budget:
    # The ledger writes floats as strings.
    return Budget(
        seconds=float(said["seconds"]),
        processes=said["processes"],
        seed=said["seed"],
        most_candidates=said["most_candidates"],
    )


def _priors(said: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(prior) for name, prior in said["priors"].items()}


def _added(change: CodeChange) -> dict[str, str]:
    """Return the tests that came with a change."""
    return {each.path: each.after or "" for each in change.files if each.before is None}
