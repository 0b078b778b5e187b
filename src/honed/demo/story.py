"""The script of the demonstration: what happens when, and what is measured before and after."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from honed.config import Autonomy, Settings, load_settings
from honed.core.verdict import State
from honed.demo.production import NAME, Production, open_production
from honed.demo.report import DemoReport, ImprovementSummary, QueryCost
from honed.demo.workload import Workload
from honed.loop.cycle import Options
from honed.loop.events import Applied, Event, OnEvent
from honed.wiring import App, open_app

#: Rows of page views; half of them belong to one tenant.
PAGE_VIEWS = 200_000
#: Runs of each query before and after, of which the median counts.
_RUNS = 3
_PAUSE_S = 0.2
#: Readings of production before the first cycle: the watch needs something to compare with.
_READINGS_BEFORE = 8
#: Changes that one cycle may apply.
_MAX_CHANGES = 5

#: Says a heading to whoever watches.
Say = Callable[[str], None]
#: Asks a person whether an improvement may be applied.
Ask = Callable[[App, int], bool]


@dataclass(frozen=True, slots=True)
class Script:
    """What a demonstration is played with."""

    folder: Path
    scale: float
    #: CPU seconds after which a query is cut off, in every measurement.
    cut_s: float
    #: Asked for each proven improvement; None: the policy approves.
    ask: Ask | None
    say: Say
    on_event: OnEvent
    seed: int


def settings_of(script: Script) -> Settings:
    """Return the settings of a demonstration: short intervals, and a policy or a person."""
    return load_settings(
        home=script.folder / "honed",
        store_url="",
        autonomy=Autonomy.SUPERVISED if script.ask else Autonomy.FULL,
        require_human_approval=script.ask is not None,
        max_changes_per_run=_MAX_CHANGES,
        sample_interval_s=1.5,
        watch_intervals=10,
        trial_budget_s=120.0,
        seed=script.seed,
        checkpoint_file=script.folder / "honed" / "checkpoints",
    )


def play(script: Script) -> DemoReport:
    """Play the whole demonstration and return what it showed."""
    script.say("A shop's database: TPC-H with primary keys only, and page views")
    with open_production(script.folder, scale=script.scale, page_views=PAGE_VIEWS) as production:
        workload = Workload(production.database, seed=script.seed)
        stage = _Stage(script, production, workload)
        with open_app(settings_of(script), on_event=stage.on_event) as app:
            return stage.play(app)


class _Stage:
    """One demonstration while it is played."""

    def __init__(self, script: Script, production: Production, workload: Workload) -> None:
        self._script = script
        self._production = production
        self._workload = workload
        self._first_proof_s: float | None = None

    def on_event(self, event: Event) -> None:
        """Pass an event on, and spoil the one change that is to regress once it is applied."""
        self._script.on_event(event)
        if isinstance(event, Applied) and event.improvement_id in self._to_spoil:
            self._workload.traffic.common_tenant = True

    def play(self, app: App) -> DemoReport:
        raise NotImplementedError
