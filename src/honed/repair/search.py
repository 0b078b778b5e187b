"""Try candidates until time is up: one edit each, then two where one made progress."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from honed.repair.base import Base
from honed.repair.candidates import Candidate, joined
from honed.repair.suite import Budget
from honed.repair.workers import Workers

_BATCH: Final = 24
#: Candidates that run out of time once are tried again at the end, with more of it.
_FIRST_SCALE: Final = 0.3
#: A test has so many times what it took, however little may be used at first.
_LEAST_TIMES: Final = 2.0
#: Enough patches to choose from.
MOST_PLAUSIBLE: Final = 120
_MOST_PARTIAL: Final = 30
_MOST_SECONDS: Final = 400


@dataclass
class Search:
    """The state of a search, and what it found."""

    workers: Workers
    base: Base
    budget: Budget
    #: By ``time.monotonic``.
    started: float
    plausible: list[Candidate] = field(default_factory=list)
    #: What let some failing tests pass, with how many.
    partial: list[tuple[int, Candidate]] = field(default_factory=list)
    #: What ran out of time, with how many failing tests it had let pass until then.
    late: list[tuple[int, Candidate]] = field(default_factory=list)
    tried: int = 0
    first_s: float | None = None
    #: Whether everything was tried that was to be.
    is_exhausted: bool = True

    def run(
        self,
        candidates: Iterable[Candidate],
        until: float,
        scale: float = 1.0,
        *,
        is_apart: bool = False,
    ) -> None:
        """Try candidates in order until the time ``until``, by ``time.monotonic``.

        Where they are to be kept apart, each has a process of its own.
        """
        ask = self._batches(iter(candidates), until)
        open_batches: deque[tuple[list[Candidate], Future[dict[str, Any]]]] = deque()
        worker = 0
        for batch in ask:
            request = self._request(batch, scale) | {"apart": is_apart}
            open_batches.append((batch, self.workers.submit(worker, request)))
            worker = (worker + 1) % len(self.workers)
            # One batch waits behind the one that runs, so that no worker is idle.
            if len(open_batches) >= 2 * len(self.workers):
                self._take(*open_batches.popleft(), scale)
        while open_batches:
            self._take(*open_batches.popleft(), scale)

    def _batches(self, candidates: Iterator[Candidate], until: float) -> Iterator[list[Candidate]]:
        while batch := list(islice(candidates, _BATCH)):
            is_over = self.tried >= self.budget.most_candidates or time.monotonic() > until
            if is_over or len(self.plausible) >= MOST_PLAUSIBLE:
                self.is_exhausted = False
                return
            yield batch

    def _request(self, batch: list[Candidate], scale: float) -> dict[str, Any]:
        limits, took = self.base.limits, self.base.took
        return {
            "do": "try",
            "candidates": [each.asked() for each in batch],
            "failing": self.base.failing,
            "passing": self.base.passing,
            "limits": limits,
            "soon": {
                key: max(limit_s * scale, min(limit_s, took[key] * _LEAST_TIMES))
                for key, limit_s in limits.items()
            },
        }

    def _take(self, batch: list[Candidate], future: Future[dict[str, Any]], scale: float) -> None:
        for candidate, result in zip(batch, future.result()["results"], strict=True):
            self.tried += 1
            if result["ended"] == "invalid":
                continue
            if result["is_plausible"]:
                self.plausible.append(candidate)
                self.first_s = self.first_s or time.monotonic() - self.started
            elif result["ended"] == "timeout" and scale < 1.0:
                self.late.append((len(result["flipped"]), candidate))
            elif progress := self._progress(result):
                self.partial.append((progress, candidate))

    def _progress(self, result: dict[str, Any]) -> int:
        """Return how far a candidate came: tests that pass now, then errors that changed."""
        if result["broken"] is not None or len(result["flipped"]) == len(self.base.failing):
            return 0
        moved = sum(
            self.base.errors.get(key, (error, line)) != (error, line)
            for key, error, line in result["where"]
        )
        return 100 * len(result["flipped"]) + moved

    def pairs(self, candidates: list[Candidate]) -> Iterator[Candidate]:
        """Yield two edits at once: what made progress, and what is promising beside it."""
        ranked = sorted(self.partial, key=lambda each: (-each[0], -each[1].promise, each[1].edits))
        firsts = [each for _, each in ranked[:_MOST_PARTIAL]]
        seconds = [*firsts, *candidates[:_MOST_SECONDS]]
        waiting = [
            (-(one.promise + other.promise), n, m)
            for n, one in enumerate(firsts)
            for m, other in enumerate(seconds)
            if m > n
        ]
        for _, n, m in sorted(waiting):
            pair = joined(firsts[n], seconds[m])
            if pair:
                yield pair


#: Until which share of the time that is left each part may go on.
_ONE_EDIT: Final = 0.5
_CONDITIONS: Final = 0.6
_LATE: Final = 0.68
_APART: Final = 0.76
_TWO_EDITS: Final = 0.9


def search(
    workers: Workers,
    base: Base,
    candidates: Iterable[Candidate],
    conditions: Callable[[float], Iterable[Candidate]],
    budget: Budget,
) -> Search:
    """Return what was found within the budget, of which a part is left for comparing.

    Args:
        workers: who runs candidates.

        base: the tests as they are.

        candidates: single edits, the most promising first.

        conditions: makes more of them, of conditions that it looks for until a time, by
            ``time.monotonic``.

        budget: what it may cost.
    """
    begun = time.monotonic()
    left_s = base.started + budget.seconds - begun
    found = Search(workers, base, budget, base.started)
    kept: list[Candidate] = []

    def until(share: float) -> float:
        return begun + left_s * share

    found.run(_kept(candidates, kept), until(_ONE_EDIT), _FIRST_SCALE)
    found.run(conditions(until(_CONDITIONS)), until(_CONDITIONS + 0.02))
    late = sorted(found.late, key=lambda each: (-each[0], -each[1].promise, each[1].edits))
    found.run((each for _, each in late), until(_LATE))
    if not found.plausible:
        # One of them may have failed by what another left behind in the process that they shared.
        found.run(kept, until(_APART), _FIRST_SCALE, is_apart=True)
    # Two edits are a guess that many pairs pass by chance: only where no single one does.
    if not found.plausible:
        found.run(found.pairs(kept), until(_TWO_EDITS), _FIRST_SCALE)
    return found


def _kept(candidates: Iterable[Candidate], kept: list[Candidate]) -> Iterator[Candidate]:
    for each in candidates:
        kept.append(each)
        yield each
