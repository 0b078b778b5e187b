"""The search: which value of a setting serves a whole workload, measured on a clone."""

import json
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from statistics import fmean, median

from honed.errors import EvaluatorFailed, StatementCut
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.indexes.advise import choose_cut_s, queries_of
from honed.targets.postgres.indexes.query import Query
from honed.targets.postgres.metering import MeteredSession
from honed.targets.postgres.plans import plan_key
from honed.targets.postgres.session_settings.candidates import NAMES, Candidate, Memory, candidates
from honed.targets.postgres.session_settings.scope import QUERIES, Scope
from honed.targets.postgres.target import PostgresTarget

#: A statement that becomes slower by more than this factor speaks against a value ...
HARM = 1.05
#: ... if it is more than what the processor's caches do to a run, seconds.
_NOTICED_S = 50e-6
#: A workload is known well enough to judge a setting if this share of its time can be replayed.
COVERED = 0.8
#: Of values that are nearly as good as the best, the first is taken: it takes the least memory.
_NEARLY = math.log(1.03)
#: Pairs of runs that decide about one query; twice as many where they show a change, unless it
#: halves the cost.
_PAIRS, _CLEAR = 3, 0.5
#: Seconds after which no other value is tried for a scope.
_SEARCH_S = 120.0


@dataclass(frozen=True, slots=True)
class Choice:
    """The best value for one scope."""

    scope: Scope
    candidate: Candidate
    #: Mean over all statements of log(cost after / cost before).
    log_ratio: float
    #: Cost after / cost before of each statement.
    ratios: Mapping[str, float]
    #: CPU seconds of each statement before.
    base_s: Mapping[str, float]
    cut_s: float
    #: What could not be replayed, and why.
    left_out: Mapping[str, str]


def find_setting(target: PostgresTarget, scope: Scope) -> Choice | None:
    """Return the value that serves the workload of ``scope`` best.

    None where no value leaves every statement as fast as it is, or where too little of the workload
    can be replayed to tell.

    Nothing is changed in production: statements run on a clone, with the value as a setting of
    their session. The target's lab is refreshed.
    """
    workload = [each for each in target.workload().statements if scope.runs(each.statement_id)]
    replayable = [each for each in workload if each.is_select and each.examples]
    covered, total = sum(s.total_ms for s in replayable), sum(s.total_ms for s in workload)
    if not replayable or covered < COVERED * total:
        return None
    (place,) = target.query(QUERIES["read_workplace"])
    now = {row["name"]: row["setting"] for row in target.query(QUERIES["list_values"], _names())}
    memory = Memory(place["buffers_bytes"], place["hit_share"])
    cut_s = choose_cut_s(replayable)
    target.lab.refresh()
    with (
        target.lab.clone("settings") as clone,
        closing(MeteredSession(clone, cut_s=cut_s)) as session,
    ):
        search = _Search(clone, session, scope, queries_of(replayable))
        search.begin()
        return search.best(candidates({**now, **scope.overrides}, memory))


def _names() -> dict[str, list[str]]:
    return {"names": list(NAMES)}


@dataclass(slots=True)
class _Search:
    """One search on one clone."""

    clone: Clone
    session: MeteredSession
    scope: Scope
    queries: Sequence[Query]
    until: float = field(default_factory=lambda: time.monotonic() + _SEARCH_S)
    plans: dict[Query, str] = field(default_factory=dict)
    #: CPU seconds of each query as it is.
    base_s: dict[Query, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def begin(self) -> None:
        """Plan and run every query as it is; what fails is left out."""
        self._plan_with(self.scope.overrides)
        for query in self.queries:
            try:
                self.plans[query] = plan_key(self.clone.explain(query.sql))
                self.base_s[query] = min(self._run(query, {}) for _ in range(_PAIRS))
            except (EvaluatorFailed, StatementCut) as problem:
                if not self.session.is_alive:
                    raise
                self.left_out[query.statement_id] = str(problem)

    def best(self, tried: Iterable[Candidate]) -> Choice | None:
        """Return the best of those that harm no statement."""
        found: list[Choice] = []
        for candidate in tried:
            if time.monotonic() > self.until:
                self.left_out["settings"] = f"there was no time to try from {candidate.name} on"
                break
            ratios = self._ratios(candidate)
            if ratios:
                found.append(self._choice(candidate, ratios))
        best = min((each.log_ratio for each in found), default=0.0)
        return next((each for each in found if each.log_ratio <= best + _NEARLY), None)

    def _choice(self, candidate: Candidate, ratios: Mapping[str, float]) -> Choice:
        base_s: defaultdict[str, list[float]] = defaultdict(list)
        for query, seconds in self.base_s.items():
            base_s[query.statement_id].append(seconds)
        return Choice(
            scope=self.scope,
            candidate=candidate,
            log_ratio=fmean(math.log(ratio) for ratio in ratios.values()),
            ratios=ratios,
            base_s={name: fmean(seconds) for name, seconds in base_s.items()},
            cut_s=self.session.cut_s,
            left_out=self.left_out,
        )

    def _ratios(self, candidate: Candidate) -> dict[str, float]:
        """Return what the candidate does to each statement; nothing if it harms one."""
        given = {candidate.name: candidate.value}
        changed = self._changed(candidate, given)
        ratios: defaultdict[str, list[float]] = defaultdict(list)
        for query in self.base_s:
            ratio = self._ratio(query, given) if query in changed else 1.0
            if ratio > HARM:
                return {}
            ratios[query.statement_id].append(ratio)
        return {name: math.exp(fmean(map(math.log, each))) for name, each in ratios.items()}

    def _changed(self, candidate: Candidate, given: Mapping[str, str]) -> list[Query]:
        """Return the queries to which the candidate may do something."""
        if not candidate.acts_by_plan:
            return list(self.base_s)
        self._plan_with({**self.scope.overrides, **given})
        plans = self.plans
        return [q for q in self.base_s if plan_key(self.clone.explain(q.sql)) != plans[q]]

    def _ratio(self, query: Query, given: Mapping[str, str]) -> float:
        """Return cost after / cost before of one query; 1 where the difference is chance."""
        pairs = self._pairs(query, given)
        if _CLEAR < _times(pairs) != 1.0:
            pairs += self._pairs(query, given)
        return _times(pairs)

    def _pairs(self, query: Query, given: Mapping[str, str]) -> list[tuple[float, float]]:
        return [(self._run(query, {}), self._run(query, given)) for _ in range(_PAIRS)]

    def _run(self, query: Query, given: Mapping[str, str]) -> float:
        self.session.use({**self.scope.overrides, **given})
        return max(1e-6, self.session.run(query.sql).cost_s)

    def _plan_with(self, settings: Mapping[str, str]) -> None:
        """Let the clone plan with ``settings``, and otherwise as it began."""
        names = sorted({*NAMES, *settings})
        self.clone.query(
            QUERIES["plan_with"], {"settings": json.dumps(dict(settings)), "names": names}
        )


def _times(pairs: Sequence[tuple[float, float]]) -> float:
    """Return cost after / cost before, as far as the least runs and the typical pair agree.

    It is 1 where they do not, or where the difference is chance.
    """
    before_s, after_s = (min(pair[side] for pair in pairs) for side in (0, 1))
    least, typical = after_s / before_s, median(after / before for before, after in pairs)
    times = min(least, typical) if least > 1.0 else max(least, typical)
    is_agreed = (least > 1.0) == (times > 1.0)
    is_chance = 1 / HARM < times < HARM or abs(after_s - before_s) < _NOTICED_S
    return times if is_agreed and not is_chance else 1.0
