"""The whole of honed as it is put together, with the kinds it ships, on a small ill database."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from honed.config import Autonomy, Settings
from honed.core.verdict import State
from honed.errors import ConfigurationError
from honed.loop.cycle import Options, Phase
from honed.loop.events import Event, FindingSeen, TrialPair, VerdictGiven
from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.registry import TargetRecord, add_target
from honed.testing.pets import SHOP, Production
from honed.wiring import App, open_app


@contextmanager
def traffic(production: Production) -> Iterator[None]:
    """Let production ask the slow question all the while."""
    told = threading.Event()

    def serve() -> None:
        for owner in itertools.count():
            production.count_pets(owner % 1000)
            if told.wait(0.02):
                break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        told.set()
        thread.join()


@contextmanager
def opened(
    store: Database, home: Path, production: Production, events: list[Event], **settings: object
) -> Iterator[App]:
    """Hand out honed with a target that has a little history and goes on serving."""
    values = {
        "home": home,
        "store_url": store.url,
        "sample_interval_s": 0.3,
        "watch_intervals": 8,
        "trial_budget_s": 60.0,
        **settings,
    }
    with open_app(Settings.model_validate(values), on_event=events.append) as app:
        add_target(store, TargetRecord(SHOP, production.url, production.url))
        with app.reading(), traffic(production):
            while len(app.target(SHOP).intervals()) < 10:
                pass
            yield app


@pytest.mark.slow
def test_missing_index_is_found_proven_approved_built_and_kept(
    store: Database, honed_home: Path, pet_production: Production
) -> None:
    events: list[Event] = []
    # Without an index a question takes some milliseconds, which can be told from the noise.
    pet_production.client.execute(
        "INSERT INTO pet SELECT n, n % 1000, 'pet ' || n FROM generate_series(20001, 200000) n"
    )
    pet_production.client.execute("SELECT pg_stat_force_next_flush()")
    pet_production.client.execute("VACUUM ANALYZE pet")
    before = pet_production.objects()
    with opened(store, honed_home, pet_production, events, autonomy=Autonomy.SUPERVISED) as app:
        report = app.run_cycle(SHOP, Options(dry_run=False))
        assert report.cycle.phase is Phase.FINISHED
        (waiting,) = [i for i in report.improvements if i.state is State.AWAITING_APPROVAL]
        assert waiting.kind == "index_optimization"
        assert pet_production.objects() == before
        app.approve(waiting.improvement_id, waiting.digest)
        app.finish(report.cycle.cycle_id)
        kept = app.improvement(waiting.improvement_id)
        app.checkpoint()
        assert app.verify_ledger().covered == app.verify_ledger().size
    assert kept.state is State.KEPT
    assert kept.production_log_ratio is not None
    assert kept.production_log_ratio < -0.5
    assert len(pet_production.objects() - before) == 1
    assert {FindingSeen, TrialPair, VerdictGiven} <= {type(event) for event in events}


def test_a_checkpoint_that_fails_at_the_end_leaves_no_server(honed_home: Path) -> None:
    settings = Settings(home=honed_home, checkpoint_file=honed_home)
    server = Server(honed_home / "store")
    seen = []
    with pytest.raises(ConfigurationError, match="the checkpoint file"), open_app(settings):
        seen.append(server.is_running())
    seen.append(server.is_running())
    assert seen == [True, False]
