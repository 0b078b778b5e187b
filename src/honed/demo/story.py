"""The script of the demonstration: what happens when, and what is measured before and after."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from honed.config import Autonomy, Settings, load_settings
from honed.core.verdict import State, Verdict
from honed.demo.folklore import Folklore
from honed.demo.production import NAME, Production, open_production
from honed.demo.report import DemoReport, ImprovementSummary, QueryCost
from honed.demo.workload import Workload
from honed.errors import TargetUnavailable
from honed.improvement.record import Improvement
from honed.loop.cycle import Options
from honed.loop.events import Event, OnEvent, StepStarted, VerdictGiven
from honed.targets.registry import TargetRecord, add_target
from honed.wiring import App, installed_kinds, open_app

#: Runs of each query on the database before and after, of which the median counts.
_RUNS = 5
#: Pause of the traffic between two rounds.
_PAUSE_S = 0.1
#: Readings of production before the cycle: the watch needs something to compare with.
_READINGS = 9
#: Seconds that they may take.
_PATIENCE_S = 180.0
#: The kinds that play; each of the others would take some of the minutes that it lasts.
_KINDS = ("index_optimization", "statistics")
#: Times as much that an INSERT may cost with the new indexes: the shop writes little, and reads all
#: day.
_WRITE_BUDGET = 12.0
#: Changes that the cycle may apply.
_MAX_CHANGES = 5


@dataclass(frozen=True, slots=True)
class Script:
    """What a demonstration is played with."""

    folder: Path
    scale: float
    #: CPU seconds after which a query is cut off in every measurement.
    cut_s: float
    seed: int
    on_event: OnEvent
    #: Says a heading to whoever watches.
    say: Callable[[str], None]
    #: Longest time of one trial.
    trial_budget_s: float = 90.0
    #: Asks a person whether an improvement may be applied; None: the policy decides.
    ask: Callable[[Improvement], bool] | None = None


def play(script: Script) -> DemoReport:
    """Play the whole demonstration and return what it showed.

    Raises:
        ConfigurationError: the data cannot be made.
        TargetUnavailable: honed cannot read the database.
        LedgerTampered: the ledger does not prove what happened.
    """
    script.say(f"A shop's database: TPC-H at scale {script.scale:g}, primary keys only")
    with open_production(script.folder, scale=script.scale) as production:
        stage = _Stage(script, production, Workload(production.database, seed=script.seed))
        installed = installed_kinds()
        kinds = {Folklore.name: Folklore(), **{name: installed[name] for name in _KINDS}}
        with open_app(settings_of(script), on_event=stage.on_event, kinds=kinds) as app:
            return stage.play(app)


def settings_of(script: Script) -> Settings:
    """Return settings with short intervals, and a policy or a person to approve."""
    return load_settings(
        home=script.folder / "honed",
        store_url="",
        autonomy=Autonomy.SUPERVISED if script.ask else Autonomy.FULL,
        require_human_approval=script.ask is not None,
        max_changes_per_run=_MAX_CHANGES,
        sample_interval_s=1.5,
        glance_interval_s=0.3,
        watch_intervals=8,
        trial_budget_s=script.trial_budget_s,
        write_budget=_WRITE_BUDGET,
        seed=script.seed,
        checkpoint_file=script.folder / "honed" / "checkpoints",
    )


@dataclass(slots=True)
class _Stage:
    """One demonstration while it is played."""

    script: Script
    production: Production
    workload: Workload
    started_s: float = field(default_factory=time.monotonic)
    first_proof_s: float | None = None
    last_verdict_s: float = 0.0

    def play(self, app: App) -> DemoReport:
        """Measure, let honed work under traffic, measure again, verify the record."""
        record = TargetRecord(NAME, self.production.observe_url, self.production.act_url)
        add_target(app.store.owner, record)
        with self.workload.running(pause_s=_PAUSE_S):
            self.script.say("Traffic: 22 reports, a write stream, page views; honed reads along")
            self._read(app)
            self.script.say("One turn of the loop")
            turned_s = time.monotonic()
            self._turn(app)
        self.script.say("Each query on the database as it was and as it is, in turns")
        costs = self.production.compare_queries(runs=_RUNS, cut_s=self.script.cut_s)
        return self._report(app, costs, decision_s=self.last_verdict_s - turned_s)

    def on_event(self, event: Event) -> None:
        """Pass an event on; when the lookups' index is built, make production turn on it."""
        self.script.on_event(event)
        if isinstance(event, VerdictGiven):
            self.last_verdict_s = time.monotonic()
            if event.verdict is Verdict.IMPROVED and self.first_proof_s is None:
                self.first_proof_s = self.last_verdict_s - self.started_s
        if isinstance(event, StepStarted) and self._is_to_regress(event):
            self.script.say("While it is built, production turns: a tenant imports 200,000 views")
            self.workload.turn()

    def _is_to_regress(self, event: StepStarted) -> bool:
        # Whatever serves the lookups by tenant was proven for tenants with ten rows.
        return event.direction == "do" and "tenant_id" in event.description

    def _read(self, app: App) -> None:
        target = app.target(NAME)
        until_s = time.monotonic() + _PATIENCE_S
        with app.reading():
            while len(target.intervals()) < _READINGS or not self.workload.slow_rounds:
                if time.monotonic() > until_s:
                    msg = f"there are no {_READINGS} readings of it after {_PATIENCE_S:g} s"
                    raise TargetUnavailable(msg)
                time.sleep(app.settings.sample_interval_s / 2)

    def _turn(self, app: App) -> None:
        options = Options(
            dry_run=False, max_changes=_MAX_CHANGES, require_approval=self.script.ask is not None
        )
        report = app.run_cycle(NAME, options)
        if self.script.ask is None:
            return
        waiting = [i for i in report.improvements if i.state is State.AWAITING_APPROVAL]
        for improvement in waiting:
            if self.script.ask(improvement):
                app.approve(improvement.improvement_id, improvement.digest or "")
            else:
                app.reject(improvement.improvement_id, "declined in the demonstration")
        app.finish(report.cycle.cycle_id)

    def _report(
        self, app: App, costs: Mapping[str, tuple[float, float]], *, decision_s: float
    ) -> DemoReport:
        app.checkpoint()
        ledger = app.verify_ledger()
        return DemoReport(
            scale=self.script.scale,
            cut_s=self.script.cut_s,
            queries=tuple(QueryCost(name, *seconds) for name, seconds in costs.items()),
            index_sizes_bytes=self.production.index_sizes_bytes(),
            improvements=tuple(_summary(each) for each in app.improvements()),
            first_proof_s=self.first_proof_s,
            decision_s=decision_s,
            ledger_entries=ledger.size,
            ledger_root=ledger.root,
        )


def _summary(improvement: Improvement) -> ImprovementSummary:
    return ImprovementSummary(
        improvement_id=improvement.improvement_id,
        kind=improvement.kind,
        claim=improvement.hypothesis.claim,
        state=improvement.state.value,
        verdict=improvement.verdict.value if improvement.verdict else "",
        predicted_log_ratio=improvement.hypothesis.predicted_log_ratio,
        measured_log_ratio=improvement.measured_log_ratio,
        production_log_ratio=improvement.production_log_ratio,
    )
