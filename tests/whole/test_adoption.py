"""A real index on two real databases: the secondary builds it, the primary tries it and follows."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from honed.config import Autonomy, Settings, TwoServerRole
from honed.core.verdict import State, Verdict
from honed.improvement.record import Improvement
from honed.kinds.index_optimization import IndexOptimization
from honed.ledger.keys import Signer
from honed.loop.cycle import Options
from honed.loop.two_servers.member import Member
from honed.loop.two_servers.overview import read_pair_overview
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.testing.pair import serving
from honed.testing.pets import Production, opened_production
from honed.testing.postgres import Databases
from honed.wiring import App, open_app

#: What it measures is time.
pytestmark = pytest.mark.alone

NAME = "pets"


@dataclass
class Server:
    """One server: honed as it is put together, on its own store, around its own database."""

    app: App
    production: Production

    def turn(self) -> Sequence[Improvement]:
        """Take one turn of the loop, production serving all the while."""
        told = threading.Event()

        def serve() -> None:
            for owner in itertools.count():
                self.production.count_pets(owner % 1000)
                if told.wait(0.02):
                    break

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with self.app.reading():
                while len(self.app.target(NAME).intervals()) < 10:
                    pass
                options = Options(dry_run=False, require_approval=False)
                return self.app.run_cycle(NAME, options).improvements
        finally:
            told.set()
            thread.join()


@contextmanager
def server(
    databases: Databases, template: str, home: Path, role: TwoServerRole, **settings: object
) -> Iterator[Server]:
    store = Database(databases.create(template))
    values = {
        "home": home,
        "store_url": store.url,
        "two_server_role": role,
        "server_name": role.value,
        "autonomy": Autonomy.FULL,
        "require_human_approval": False,
        "sample_interval_s": 0.3,
        "watch_intervals": 8,
        "trial_budget_s": 300.0,
        # The rounds of the daemons are taken by hand, and a turn takes its time.
        "lease_s": 3600.0,
        **settings,
    }
    kinds = {IndexOptimization.name: IndexOptimization()}
    with (
        opened_production(databases.create()) as production,
        open_app(Settings.model_validate(values), kinds=kinds) as app,
    ):
        # Without an index a question takes some milliseconds, which can be told from the noise.
        production.client.execute(
            "INSERT INTO pet SELECT n, n % 1000, 'pet ' || n FROM generate_series(20001, 200000) n"
        )
        production.client.execute("SELECT pg_stat_force_next_flush()")
        production.client.execute("VACUUM ANALYZE pet")
        options = {"twin": NAME, "role": role.value}
        record = TargetRecord(NAME, production.url, production.url, options=options)
        add_target(store, record)
        yield Server(app, production)


def only_kept(found: Sequence[Improvement]) -> Improvement:
    """Return the one improvement that was kept."""
    kept = [each for each in found if each.state is State.KEPT]
    assert len(kept) == 1, [(each.state, each.hypothesis.claim, each.evidence) for each in found]
    return kept[0]


@pytest.mark.slow
def test_primary_follows_the_secondary_after_a_trial_of_its_own(
    databases: Databases, migrated_template: str, honed_home: Path
) -> None:
    key = honed_home / "secondary.pem"
    homes = [honed_home / name for name in ("one", "two")]
    for home in homes:
        home.mkdir(mode=0o755)
    with ExitStack() as stack:
        primary = stack.enter_context(
            server(databases, migrated_template, homes[0], TwoServerRole.PRIMARY, peer_key=key)
        )
        url = stack.enter_context(serving(primary.app.parts))
        secondary = stack.enter_context(
            server(databases, migrated_template, homes[1], TwoServerRole.SECONDARY, peer_url=url)
        )
        key.write_text(Signer.load(homes[1] / "ledger.key").public_key.to_pem())
        members = [Member(each.app.parts) for each in (primary, secondary)]
        for member in members:
            assert member.keep() is not None

        built = only_kept(secondary.turn())
        for member in members:
            assert member.keep() is not None
        before = primary.production.objects()
        adopted = only_kept(primary.turn())

        with primary.app.parts.store.transaction() as conn:
            (arrived,) = read_pair_overview(conn).evidence
        assert arrived.improvement_ids == (adopted.improvement_id,)
        assert (adopted.subject, adopted.priority) == (built.subject, 5)
        assert adopted.verdict is Verdict.IMPROVED
        assert adopted.production_log_ratio is not None
        assert adopted.production_log_ratio < -0.5
        new = primary.production.objects() - before
        assert new
        assert new <= secondary.production.objects()
