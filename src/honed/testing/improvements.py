"""Pytest fixtures with improvements in every state, on a real store.

Load them with ``pytest_plugins = ["honed.testing.postgres", "honed.testing.improvements"]``.
"""

import itertools
import json
from dataclasses import asdict, dataclass, field, replace

import pytest

from honed.approval.digest import Content, approval_digest
from honed.approval.place import Place
from honed.approval.policy import current_policy, write_policy
from honed.config import Autonomy, Settings
from honed.core.canonical import Json
from honed.core.hypothesis import Hypothesis
from honed.core.risk import Danger
from honed.core.step import Step, inverses
from honed.core.trial import TrialDesign, Unit
from honed.core.verdict import State, Verdict
from honed.improvement.record import Improvement, Proposal
from honed.improvement.transition import Changes, Move, bind, propose, transition
from honed.ledger.keys import Signer
from honed.storage.db import Connection, Database

#: What every improvement of these fixtures would do.
STEP = Step(
    "make an index",
    do=("CREATE INDEX CONCURRENTLY honed_part ON part (size)",),
    undo=("DROP INDEX CONCURRENTLY IF EXISTS honed_part",),
    in_transaction=False,
)
#: What an approval of them covers beside the row.
CONTENT = Content(undo=inverses([STEP]), target_fingerprint="as it was")

#: How each of them was tried.
DESIGN = TrialDesign(units=(Unit("q1"),), metric="backend_cpu_s")

#: Where it would be done; nobody connects there.
PLACE = Place("postgresql:///shop", "postgresql:///shop?user=honed_act_shop", {})

#: How an improvement comes into a state.
_WAYS: dict[State, tuple[State, ...]] = {
    State.PROPOSED: (),
    State.ON_TRIAL: (State.ON_TRIAL,),
    State.PROVEN: (State.ON_TRIAL, State.PROVEN),
    State.REFUTED: (State.ON_TRIAL, State.REFUTED),
    State.INCONCLUSIVE: (State.ON_TRIAL, State.INCONCLUSIVE),
    State.FAILED: (State.ON_TRIAL, State.FAILED),
    State.DRY_RUN: (State.ON_TRIAL, State.PROVEN, State.DRY_RUN),
}
_TO_APPROVAL = (State.ON_TRIAL, State.PROVEN, State.AWAITING_APPROVAL)
_TO_WATCHING = (*_TO_APPROVAL, State.APPROVED, State.APPLYING, State.WATCHING)
_WAYS |= {
    State.AWAITING_APPROVAL: _TO_APPROVAL,
    State.REJECTED: (*_TO_APPROVAL, State.REJECTED),
    State.EXPIRED: (*_TO_APPROVAL, State.EXPIRED),
    State.APPROVED: (*_TO_APPROVAL, State.APPROVED),
    State.APPLYING: (*_TO_APPROVAL, State.APPROVED, State.APPLYING),
    State.WATCHING: _TO_WATCHING,
    State.KEPT: (*_TO_WATCHING, State.KEPT),
    State.ROLLED_BACK: (*_TO_WATCHING, State.ROLLED_BACK),
}


@dataclass(frozen=True, slots=True)
class Cycle:
    """The options of a cycle; the defaults allow what can be allowed."""

    dry_run: bool = False
    max_changes: int = 1
    require_approval: bool = False
    target_area: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """What an improvement of these fixtures claims; the defaults are harmless and worthwhile."""

    priority: int = 3
    risk: int = 2
    danger: Danger = Danger.NONE
    area: str = "performance"
    #: The ticket that asks for it; None: none does.
    ticket_id: int | None = None


@dataclass(frozen=True, slots=True)
class Improvements:
    """Makes improvements, each with a subject of its own."""

    store: Database
    signer: Signer
    target_id: int
    #: Evidence of the trial of what is proven: the natural logarithm of its e-value.
    log_e: float = 30.0
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def cycle(self, options: Cycle | None = None) -> int:
        """Return the id of a new cycle."""
        wanted = options or Cycle()
        with self.store.transaction() as conn:
            (row,) = conn.execute(
                """
                INSERT INTO honed.cycle
                  (target_id, dry_run, max_changes, require_approval, target_area)
                VALUES (%s, %s, %s, %s, %s) RETURNING cycle_id
                """,
                (
                    self.target_id,
                    wanted.dry_run,
                    wanted.max_changes,
                    wanted.require_approval,
                    wanted.target_area,
                ),
            )
        cycle_id: int = row["cycle_id"]
        return cycle_id

    def create(
        self, state: State, *, claim: Claim | None = None, cycle_id: int | None = None
    ) -> Improvement:
        """Return a new improvement in ``state``, on the way that leads there."""
        with self.store.transaction() as conn:
            improvement = self._propose(conn, claim or Claim(), cycle_id or self.cycle())
            for to in _WAYS[state]:
                improvement = self.move(conn, improvement, to)
            return improvement

    def move(self, conn: Connection, improvement: Improvement, to: State) -> Improvement:
        """Bring an improvement into the next state."""
        changes = Changes()
        if improvement.state is State.ON_TRIAL:
            verdict = Verdict.IMPROVED if to is State.PROVEN else Verdict.INCONCLUSIVE
            changes = Changes(
                steps=(STEP,), verdict=verdict, measured_log_ratio=-0.5, cost_s=1.5,
                evidence={"pairs": 8, "effect": -0.5},
            )  # fmt: skip
        moved = transition(
            conn, self.signer, improvement.improvement_id, Move(to, changes), fence=None
        )
        if to is not State.PROVEN:
            return moved
        self._record_trial(conn, moved)
        version = current_policy(conn).policy_version
        return bind(
            conn,
            moved,
            digest=approval_digest(moved, CONTENT, place=PLACE, policy_version=version),
            target_fingerprint=CONTENT.target_fingerprint,
            policy=version,
        )

    def _record_trial(self, conn: Connection, improvement: Improvement) -> None:
        conn.execute(
            """
            INSERT INTO honed.trial
              (improvement_id, design, seed, ended_at, ending, verdict, judgement, elapsed_s, log_e)
            VALUES (%s, %s, 1, honed.now(), 'decided', 'improved', '{}', 1.5, %s)
            """,
            (improvement.improvement_id, json.dumps(asdict(DESIGN)), self.log_e),
        )

    def _propose(self, conn: Connection, claim: Claim, cycle_id: int) -> Improvement:
        hypothesis = Hypothesis(
            kind="index_optimization",
            subject=f"part.{next(self._numbers)}",
            claim="an index on size makes it faster",
            priority=claim.priority,
            risk=claim.risk,
            predicted_log_ratio=-0.4,
            parameters={"budget_mb": 100, "share": 0.25, **_ticket(claim)},
        )
        proposal = Proposal(
            cycle_id, self.target_id, hypothesis, danger=claim.danger, area=claim.area
        )
        improvement = propose(conn, self.signer, proposal, fence=None)
        if improvement is None:
            msg = f"{hypothesis.subject} is open already"
            raise AssertionError(msg)
        return improvement


def _ticket(claim: Claim) -> dict[str, Json]:
    return {} if claim.ticket_id is None else {"ticket_id": claim.ticket_id}


@pytest.fixture
def signer() -> Signer:
    """Return a key of this test alone."""
    return Signer.generate()


@pytest.fixture
def daemon(store: Database) -> Database:
    """Return the store in the daemon's role."""
    return replace(store, role="honed_daemon")


@pytest.fixture
def target_id(store: Database) -> int:
    """Return the id of a target called ``shop``, which nobody connects to."""
    with store.transaction() as conn:
        (row,) = conn.execute(
            """
            INSERT INTO honed.target (name, sort, observe_url, act_url)
            VALUES ('shop', 'postgres', %s, %s) RETURNING target_id
            """,
            (PLACE.observe_url, PLACE.act_url),
        )
    found: int = row["target_id"]
    return found


@pytest.fixture
def improvements(store: Database, signer: Signer, target_id: int) -> Improvements:
    """Return a maker of improvements, under a policy of full autonomy."""
    settings = Settings(autonomy=Autonomy.FULL, require_human_approval=False)
    with store.transaction() as conn:
        write_policy(conn, settings)
    return Improvements(store, signer, target_id)
