"""Where a trap is played: a database with traffic, honed around it, and what came of a claim."""

import math
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from production import SERVER, Production, Statements, traffic

from honed.config import Autonomy, Settings, load_settings
from honed.core.verdict import State
from honed.improvement.record import Improvement, events
from honed.ledger.checkpoint import read_checkpoints
from honed.ledger.log import inclusion_proof, read_entry
from honed.ledger.merkle import leaf_hash, verify_inclusion
from honed.ledger.statement import unseal
from honed.loop.cycle import Options
from honed.loop.foreground import CycleReport
from honed.loop.parts import AnyKind
from honed.storage.server import Server
from honed.targets.registry import add_target
from honed.wiring import App, open_app

#: Readings before a cycle, and seconds that they may take.
_READINGS, _PATIENCE_S = 10, 300.0
_MAX_CHANGES = 5
#: States in which a claim that was tried is not on the target.
CAUGHT = frozenset({State.REFUTED, State.INCONCLUSIVE, State.ROLLED_BACK})


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one claim."""

    trap: str
    claim: str
    verdict: str
    worst: str
    state: str
    ledger: str
    #: False: the trap got through, or honed's own way did not.
    is_right: bool
    #: Other figures, for a line of their own.
    note: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """Honed with the kinds of one trap, and the production that it works on."""

    app: App
    production: Production
    statements: Statements
    names: Mapping[str, str]

    def turn(self, *, is_dry: bool = False) -> CycleReport:
        """Take one turn of the loop under traffic, after some readings; the policy approves."""
        target, until_s = self.app.target(self.production.name), time.monotonic() + _PATIENCE_S
        since = len(target.intervals())
        with self._traffic(), self.app.reading():
            while len(target.intervals()) < since + _READINGS or self._unseen():
                assert time.monotonic() < until_s, f"not seen in time: {self._unseen()}"
                time.sleep(0.5)
            options = Options(dry_run=is_dry, max_changes=_MAX_CHANGES, require_approval=False)
            return self.app.run_cycle(self.production.name, options)

    def approve(self, improvement: Improvement) -> Improvement:
        """Be the person who approves; return the improvement after its watch."""
        self.app.approve(improvement.improvement_id, improvement.digest)
        with self._traffic():
            self.app.finish(improvement.cycle_id)
        return self.app.improvement(improvement.improvement_id)

    def row(
        self, trap: str, improvement: Improvement, *, wanted: State | None = None, note: str = ""
    ) -> Row:
        """Return what came of an improvement.

        Args:
            trap: its name.

            improvement: after the cycle.

            wanted: the state that is right; None: whichever says that a trap was caught.

            note: other figures.
        """
        state = improvement.state
        return Row(
            trap=trap,
            claim=improvement.subject if improvement.kind == "claimed" else improvement.kind,
            verdict=improvement.verdict.value if improvement.verdict else "-",
            worst=self._worst(improvement),
            state=state.value,
            ledger=ledger_entries(self.app, improvement.improvement_id),
            is_right=state is wanted if wanted else state in CAUGHT,
            note=note or improvement.error,
        )

    def effects(self, improvement: Improvement) -> dict[str, float]:
        """Return cost after / cost before of each statement in the trial, by its name."""
        return {
            self.names.get(unit["unit"], unit["unit"]): math.exp(unit["effect"])
            for unit in _units(improvement)
            if unit["pairs"]
        }

    def pairs(self, improvement: Improvement) -> int:
        """Return how many pairs its trial measured."""
        return max((unit["pairs"] for unit in _units(improvement)), default=0)

    def _traffic(self) -> AbstractContextManager[None]:
        return traffic(self.production, self.statements)

    def _unseen(self) -> list[str]:
        """Return what of the traffic honed has not seen yet."""
        workload = self.app.target(self.production.name).workload()
        seen = {each.statement_id for each in workload.statements}
        return sorted(name for key, name in self.names.items() if key not in seen)

    def _worst(self, improvement: Improvement) -> str:
        ratios = self.effects(improvement)
        if not ratios:
            return "-"
        name = max(ratios, key=lambda each: ratios[each])
        return f"{name} x{ratios[name]:.2f}"


def _units(improvement: Improvement) -> Sequence[Mapping[str, Any]]:
    evidence: Mapping[str, Any] = improvement.evidence
    return evidence["judgement"]["units"] if "judgement" in evidence else ()


def ledger_entries(app: App, improvement_id: int) -> str:
    """Return the kinds of signed statements of one improvement, each proven to be in the ledger.

    Inclusion is proven under the newest signed checkpoint outside of the store, and the whole
    ledger is verified.
    """
    app.checkpoint()
    app.verify_ledger()
    key = app.parts.signer.public_key
    checkpoint = read_checkpoints(app.settings.checkpoints, key)[-1]
    said: list[str] = []
    with app.parts.store.transaction() as conn:
        for event in events(conn, improvement_id):
            envelope = read_entry(conn, event.ledger_index).envelope.encode()
            leaf = leaf_hash(envelope)
            path = inclusion_proof(conn, event.ledger_index, checkpoint.size)
            place = (event.ledger_index, checkpoint.size)
            assert leaf.hex() == event.leaf_hash
            assert verify_inclusion(leaf, *place, path, checkpoint.root)
            statement = unseal(envelope, key)
            assert statement.detail["improvement_id"] == improvement_id
            said.append(statement.event)
    counted = [f"{name} x{n}" if n > 1 else name for name, n in Counter(said).items()]
    return f"{len(said)}: {', '.join(counted)}"


@dataclass(frozen=True, slots=True)
class Theatre:
    """The folder of a run, and the settings of honed in it."""

    folder: Path
    seed: int
    say: Callable[[str], None]

    @contextmanager
    def server(self, name: str) -> Iterator[Server]:
        """Hand out a running server of its own."""
        server = Server(self.folder / name, options=SERVER)
        server.join()
        try:
            yield server
        finally:
            server.leave()
            shutil.rmtree(self.folder / name, ignore_errors=True)

    @contextmanager
    def stage(
        self,
        production: Production,
        statements: Statements,
        kinds: Sequence[AnyKind],
        *,
        trial_s: float = 90.0,
        sample_interval_s: float = 0.6,
    ) -> Iterator[Stage]:
        """Hand out honed with only these kinds, at work on ``production``."""
        settings = self._settings(production.name, trial_s, sample_interval_s)
        with ExitStack() as stack:
            app = stack.enter_context(open_app(settings, kinds={each.name: each for each in kinds}))
            add_target(app.store.owner, production.record)
            names = production.identify(statements)
            yield Stage(app, production, statements, names)

    def _settings(self, name: str, trial_s: float, sample_interval_s: float) -> Settings:
        return load_settings(
            home=self.folder / f"honed-{name}",
            store_url="",
            autonomy=Autonomy.FULL,
            require_human_approval=False,
            max_changes_per_run=_MAX_CHANGES,
            sample_interval_s=sample_interval_s,
            glance_interval_s=0.15,
            watch_intervals=8,
            trial_budget_s=trial_s,
            seed=self.seed,
        )
