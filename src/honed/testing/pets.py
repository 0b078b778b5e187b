"""A small production database and a loop around it, for tests of the loop and of kinds in it.

The store, the target, the steps and what production then costs are real. What the one kind claims
and what its trials find are given by the test, so a turn of the loop takes a second or two.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest

from honed.approval.policy import write_policy
from honed.config import Autonomy, Settings
from honed.core.finding import SLOW_STATEMENT, Finding, FindingType
from honed.core.hypothesis import Hypothesis
from honed.core.kind import Kind
from honed.core.risk import Risk
from honed.core.step import Step
from honed.core.trial import Trial, TrialDesign, Unit
from honed.improvement.record import Improvement, improvements
from honed.jobs.worker import Worker
from honed.ledger.keys import Signer
from honed.loop.cycle import ENDED, Cycle, Options, get_cycle, request
from honed.loop.events import Event, OnEvent
from honed.loop.handlers import handlers, on_burial
from honed.loop.parts import Parts
from honed.storage.db import Connection, Database
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import TargetRecord, add_target, connection_url, get_target
from honed.testing.postgres import Databases
from honed.testing.simulated import Noise, SimulatedTrial

#: The target's name.
SHOP = "pets"

_SCHEMA = (
    "CREATE EXTENSION pg_stat_statements",
    "CREATE TABLE pet (pet_id int PRIMARY KEY, owner int NOT NULL, name text NOT NULL)",
    "INSERT INTO pet SELECT n, n % 1000, 'pet ' || n FROM generate_series(1, 20000) n",
    # Else the rows would be counted as changed after VACUUM ANALYZE.
    "SELECT pg_stat_force_next_flush()",
    "CREATE INDEX pet_name ON pet (name)",
    "VACUUM ANALYZE pet",
)
#: What production asks: the first without a useful index, the second with one.
_BY_OWNER = "SELECT count(*) FROM pet WHERE owner = %(owner)s"
_BY_NAME = "SELECT pet_id FROM pet WHERE name = %(name)s"
_CALLS = 5
#: Settings under which the policy approves what is proven, and a watch is short.
FREELY: Mapping[str, object] = {
    "autonomy": Autonomy.FULL,
    "require_human_approval": False,
    # A watch is looked at twice as often; a worker must become idle in between.
    "sample_interval_s": 0.4,
    "watch_intervals": 8,
    "heartbeat_s": 0.25,
    "stalled_after_s": 1.0,
}
#: No turn of the loop takes so long.
_DEADLINE_S = 60.0

_INSPECT_INDEX = """
SELECT CASE WHEN count(*) = 0 THEN 'absent' WHEN bool_and(indisvalid) THEN 'done'
            ELSE 'partial' END
  FROM pg_index WHERE indexrelid = to_regclass('public.honed_pet_owner')
"""
_INSPECT_STATISTICS = """
SELECT CASE WHEN count(*) = 0 THEN 'absent' ELSE 'done' END
  FROM pg_statistic_ext WHERE stxname = 'honed_pet'
"""
_INSPECT_DROP = """
SELECT CASE WHEN to_regclass('public.pet_name') IS NULL THEN 'done' ELSE 'absent' END
"""

#: Cannot run in a transaction, and can be left half done.
INDEX_OWNER = Step(
    description="index the owner",
    do=("CREATE INDEX CONCURRENTLY honed_pet_owner ON public.pet (owner)",),
    undo=("DROP INDEX CONCURRENTLY IF EXISTS public.honed_pet_owner",),
    inspect=_INSPECT_INDEX,
    in_transaction=False,
)
#: Happens whole or not at all.
STATISTICS = Step(
    description="see that owner and name go together",
    do=("CREATE STATISTICS public.honed_pet (dependencies) ON owner, name FROM public.pet",),
    undo=("DROP STATISTICS IF EXISTS public.honed_pet",),
    inspect=_INSPECT_STATISTICS,
)
#: Makes production slower.
DROP_NAME = Step(
    description="drop the index on the name",
    do=("DROP INDEX CONCURRENTLY IF EXISTS public.pet_name",),
    undo=("CREATE INDEX CONCURRENTLY IF NOT EXISTS pet_name ON public.pet (name)",),
    inspect=_INSPECT_DROP,
    in_transaction=False,
)
#: Fails whenever it is run.
IMPOSSIBLE = Step(description="divide by zero", do=("SELECT 1 / 0",))


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that the kind claims in every cycle."""

    subject: str
    steps: tuple[Step, ...]
    #: What its trial finds: natural logarithm of cost after / before.
    effect: float = -0.7
    #: Added to that for the second of its two units.
    harm: float = 0.0
    priority: int = 3
    risk: int = 2


#: True in production, too.
BETTER = Claim("better", (INDEX_OWNER, STATISTICS))
#: Its trial is wrong about production.
WORSE = Claim("worse", (DROP_NAME,))
#: Refuted by its trial.
FALSE = Claim("false", (STATISTICS,), effect=0.5)


@dataclass
class PetKind(Kind[PostgresTarget]):
    """A kind whose claims, and what their trials find, are given."""

    name: ClassVar[str] = "pets"
    sort: ClassVar[str] = "postgres"
    risk: ClassVar[Risk] = Risk(level=2)
    wants: ClassVar[frozenset[FindingType]] = frozenset({SLOW_STATEMENT})

    claims: Sequence[Claim] = (BETTER,)
    #: What it claims instead of anything that harms.
    instead: Claim | None = None
    #: What it finds by itself; None: it raises.
    facts: Sequence[Finding] | None = ()

    def look(self, target: PostgresTarget) -> Sequence[Finding]:
        """Return every fact."""
        del target
        if self.facts is None:
            msg = "it cannot see"
            raise ValueError(msg)
        return self.facts

    def propose(self, findings: Sequence[Finding], target: PostgresTarget) -> Iterator[Hypothesis]:
        """Yield every claim."""
        ids = tuple(finding.finding_id for finding in findings)
        for claim in self.claims:
            yield self._said(claim, target, ids)

    def revise(
        self, hypothesis: Hypothesis, harmed: Collection[str], target: PostgresTarget
    ) -> Hypothesis | None:
        """Return what is claimed instead, if only the unit that claims harm was harmed."""
        assert set(harmed) == {"by name"}
        if self.instead is None:
            return None
        return self._said(self.instead, target, hypothesis.finding_ids)

    def _said(self, claim: Claim, target: PostgresTarget, ids: tuple[int, ...]) -> Hypothesis:
        statements = [
            each.statement_id for each in target.workload().statements if "FROM pet" in each.text
        ]
        return Hypothesis(
            kind=self.name,
            subject=claim.subject,
            claim=f"{claim.subject}: {claim.steps[0].description}",
            priority=claim.priority,
            risk=claim.risk,
            predicted_log_ratio=claim.effect,
            parameters={"statements": statements},
            finding_ids=ids,
        )

    def apply(self, hypothesis: Hypothesis, target: PostgresTarget) -> list[Step]:
        """Return the claim's steps."""
        return list(self._claim(hypothesis).steps)

    def trial(self, hypothesis: Hypothesis, target: PostgresTarget) -> Trial:
        """Return a trial that finds the claim's effect."""
        claim = self._claim(hypothesis)
        units = (Unit("by owner"), Unit("by name"))
        design = TrialDesign(units=units, metric="made_up", max_pairs=20, washout=0)
        return SimulatedTrial(
            design,
            effects={"by owner": claim.effect, "by name": claim.effect + claim.harm},
            noise=Noise(environment=0.02, spikes=0.0),
            seed=1,
        )

    def measure(self, hypothesis: Hypothesis, target: PostgresTarget) -> Mapping[str, float]:
        """Return what production's statements really cost, in milliseconds per call."""
        costs = target.statement_costs()
        statements = hypothesis.parameters["statements"]
        assert isinstance(statements, Sequence)
        return {str(s): costs[str(s)].exec_ms_per_call for s in statements if str(s) in costs}

    def _claim(self, hypothesis: Hypothesis) -> Claim:
        known = (*self.claims, *([self.instead] if self.instead else []))
        return next(claim for claim in known if claim.subject == hypothesis.subject)


@dataclass(frozen=True, slots=True)
class Production:
    """The production database, and one client of it."""

    url: str
    client: Connection

    def serve(self) -> None:
        """Answer what the application asks, some times."""
        for number in range(1, _CALLS + 1):
            self.count_pets(number)
            self.client.execute(_BY_NAME, {"name": f"pet {number}"})

    def count_pets(self, owner: int) -> None:
        """Answer the one question for which an index is missing."""
        self.client.execute(_BY_OWNER, {"owner": owner})

    def objects(self) -> set[str]:
        """Return the valid indexes of the table, and the extended statistics."""
        rows = self.client.execute(
            "SELECT indexrelid::regclass::text AS name FROM pg_index"
            " WHERE indrelid = 'pet'::regclass AND indisvalid"
            " UNION ALL SELECT stxname FROM pg_statistic_ext"
        )
        return {row["name"] for row in rows}

    def invalid_indexes(self) -> int:
        """Return how many half-built indexes there are."""
        (row,) = self.client.execute("SELECT count(*) AS n FROM pg_index WHERE NOT indisvalid")
        count: int = row["n"]
        return count


def pet_parts(
    store: Database, settings: Settings, kind: PetKind, on_event: OnEvent = lambda _: None
) -> Parts:
    """Return what the loop works with, with one kind and no detectors."""
    daemon = replace(store, role="honed_daemon")

    def record(target_id: int) -> TargetRecord:
        return get_target(store, target_id)

    return Parts(
        store=daemon,
        signer=Signer.load_or_create(settings.key_file),
        settings=settings,
        kinds={kind.name: kind},
        detectors={},
        target=lambda target_id: PostgresTarget(record(target_id), daemon, settings),
        acting_url=lambda target_id: connection_url(record(target_id), acting=True),
        holder="honed pets",
        on_event=on_event,
    )


def pet_worker(parts: Parts) -> Worker:
    """Return a worker of this loop; what is parked is tried again soon."""
    return Worker(
        parts.store,
        handlers(parts, parked_s=0.1),
        parts.settings,
        on_burial=on_burial(parts),
    )


@dataclass
class PetShop:
    """A target, its store, and the loop around it."""

    production: Production
    store: Database
    settings: Settings
    kind: PetKind = field(default_factory=PetKind)
    events: list[Event] = field(default_factory=list)
    #: Called with every event as it is told, so that a test can act at that moment.
    react: OnEvent = lambda _: None
    #: The target's name.
    name: str = SHOP

    @property
    def parts(self) -> Parts:
        """What the loop works with now."""
        return pet_parts(self.store, self.settings, self.kind, self._tell)

    @property
    def target(self) -> PostgresTarget:
        """The target."""
        return PostgresTarget(get_target(self.store, self.name), self.parts.store, self.settings)

    def configure(self, **changes: object) -> None:
        """Change settings; they become the policy in force."""
        self.settings = self.settings.model_copy(update=changes)
        with self.store.transaction() as conn:
            write_policy(conn, self.settings)

    def read(self, times: int = 1) -> None:
        """Let production serve and read its counters, some times."""
        for _ in range(times):
            self.production.serve()
            self.target.sample()

    def ask(self, options: Options | None = None) -> int:
        """Ask for a cycle; return its id."""
        with self.store.transaction() as conn:
            return request(conn, self.name, options or Options(dry_run=False))

    def work(self) -> None:
        """Handle every message that is due."""
        pet_worker(self.parts).run(until_idle=True)

    def work_until(self, is_over: Callable[[], bool]) -> None:
        """Let production serve, read it and handle what is due, until something is so."""
        deadline = time.monotonic() + _DEADLINE_S
        while not is_over():
            assert time.monotonic() < deadline, f"it never comes to that: {self.improvements()}"
            self.read()
            self.work()

    def turn(self, options: Options | None = None) -> Cycle:
        """Take one whole turn of the loop, production serving all the while; return the cycle."""
        self.read(10)
        cycle_id = self.ask(options)
        self.work_until(lambda: self.cycle(cycle_id).phase in ENDED)
        return self.cycle(cycle_id)

    def cycle(self, cycle_id: int) -> Cycle:
        """Return a cycle as it is."""
        with self.store.transaction() as conn:
            return get_cycle(conn, cycle_id)

    def _tell(self, event: Event) -> None:
        self.events.append(event)
        self.react(event)

    def improvements(self) -> list[Improvement]:
        """Return every improvement, oldest first."""
        with self.store.transaction() as conn:
            return improvements(conn)[::-1]

    def improvement(self) -> Improvement:
        """Return the only improvement."""
        (found,) = self.improvements()
        return found


@contextmanager
def opened_production(url: str) -> Iterator[Production]:
    """Make an empty database a production database that lacks an index, and hand it out."""
    with Database(url, application_name="pets").connect(autocommit=True) as client:
        for statement in _SCHEMA:
            client.execute(statement)
        yield Production(url, client)


@pytest.fixture
def pet_production(databases: Databases) -> Iterator[Production]:
    """Return a production database that lacks an index."""
    with opened_production(databases.create()) as production:
        yield production


@pytest.fixture
def pet_shop(pet_production: Production, store: Database, honed_home: Path) -> PetShop:
    """Return a loop around ``pet_production`` in which the policy approves what is proven."""
    add_target(store, TargetRecord(SHOP, pet_production.url, pet_production.url))
    shop = PetShop(pet_production, store, Settings(home=honed_home))
    shop.configure(**FREELY)
    return shop


def when(event_type: type, **conditions: object) -> Callable[[Event], bool]:
    """Return what says whether an event is of a type, with these values."""

    def matches(event: Event) -> bool:
        return isinstance(event, event_type) and all(
            getattr(event, name) == value for name, value in conditions.items()
        )

    return matches


def once(matches: Callable[[Event], bool], act: Callable[[], None]) -> Callable[[Event], None]:
    """Return what acts at the first event that matches."""
    done: list[Event] = []

    def react(event: Event) -> None:
        if not done and matches(event):
            done.append(event)
            act()

    return react
