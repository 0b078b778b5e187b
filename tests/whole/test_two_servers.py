"""The secondary tries, the primary adopts after a trial of its own: two loops, two databases."""

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from honed.config import Settings, TwoServerRole
from honed.core.verdict import Outcome, State, Verdict
from honed.improvement.record import Improvement, events, improvements
from honed.ledger.keys import Signer
from honed.ledger.log import read_entries
from honed.ledger.statement import Statement, unseal
from honed.ledger.verify import verify_log
from honed.loop.cycle import Options
from honed.loop.events import Decided, LeftOut
from honed.loop.two_servers.member import Member
from honed.loop.two_servers.overview import PairOverview, read_pair_overview
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target, get_target
from honed.testing.pair import serving
from honed.testing.pets import BETTER, FREELY, WORSE, PetShop, opened_production
from honed.testing.postgres import Databases

FREE = Options(dry_run=False, require_approval=False)
#: What neither server would do by the threshold of the primary alone.
RISKY = replace(BETTER, priority=2)


@dataclass
class Server:
    """One server: its loop around its database, and its daemon's membership."""

    shop: PetShop
    member: Member

    def improvement(self) -> Improvement:
        """Return the newest improvement of its own target."""
        target_id = get_target(self.shop.store, self.shop.name).target_id
        with self.shop.store.transaction() as conn:
            return improvements(conn, target_id=target_id)[0]

    def is_empty(self) -> bool:
        """Return whether nothing was ever proposed for its target."""
        target_id = get_target(self.shop.store, self.shop.name).target_id
        with self.shop.store.transaction() as conn:
            return not improvements(conn, target_id=target_id)

    def overview(self) -> PairOverview:
        """Return what the servers are to each other."""
        with self.shop.store.transaction() as conn:
            return read_pair_overview(conn)


@dataclass
class Servers:
    """Two servers whose daemons take their rounds when the test says so."""

    primary: Server
    secondary: Server

    def keep(self) -> None:
        """Let both daemons take one round."""
        assert self.primary.member.keep() is not None
        assert self.secondary.member.keep() is not None


def server(
    databases: Databases, stack: ExitStack, store: Database, home: Path, role: TwoServerRole
) -> Server:
    production = stack.enter_context(opened_production(databases.create()))
    name = f"pets-{role.value}"
    options = {"twin": "pets", "role": role.value}
    add_target(store, TargetRecord(name, production.url, production.url, options=options))
    # The rounds of the daemons are taken by hand, and a turn takes its time.
    settings = Settings(home=home, two_server_role=role, server_name=role.value, lease_s=3600.0)
    shop = PetShop(production, store, settings, name=name)
    shop.kind.claims = (RISKY,)
    shop.configure(**FREELY)
    return Server(shop, Member(shop.parts))


@pytest.fixture
def servers(
    request: pytest.FixtureRequest,
    databases: Databases,
    store: Database,
    migrated_template: str,
    tmp_path: Path,
) -> Iterator[Servers]:
    """Return two servers that share a store, or have one each and speak over HTTP."""
    is_apart = getattr(request, "param", "one store") == "two stores"
    with ExitStack() as stack:
        secondary_store, homes = store, [tmp_path / "one"] * 2
        if is_apart:
            secondary_store = Database(databases.create(migrated_template))
            homes = [tmp_path / "one", tmp_path / "two"]
        primary = server(databases, stack, store, homes[0], TwoServerRole.PRIMARY)
        secondary = server(databases, stack, secondary_store, homes[1], TwoServerRole.SECONDARY)
        if is_apart:
            key = tmp_path / "secondary.pem"
            key.write_text(Signer.load(homes[1] / "ledger.key").public_key.to_pem())
            primary.shop.configure(peer_key=key)
            url = stack.enter_context(serving(primary.shop.parts))
            secondary.shop.configure(peer_url=url)
            secondary.member = Member(secondary.shop.parts)
        yield Servers(primary, secondary)


def statements(shop: PetShop) -> list[tuple[str, Statement]]:
    """Return leaf hash and statement of each entry of the verified ledger, oldest first."""
    key = shop.parts.signer.public_key
    with shop.store.transaction() as conn:
        entries = read_entries(conn, 0, verify_log(conn, key, ()).size)
    return [(entry.leaf_hash, unseal(entry.envelope.encode(), key)) for entry in entries]


def cut_off(shop: PetShop) -> None:
    """Let the time pass after which the other server counts as cut off."""
    with shop.store.transaction() as conn:
        conn.execute("UPDATE honed.peer SET expires_at = honed.now()")


def left_out(shop: PetShop) -> list[str]:
    return [event.reason for event in shop.events if isinstance(event, LeftOut)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "servers",
    ["one store", pytest.param("two stores", marks=pytest.mark.slow)],
    indirect=True,
)
def test_primary_adopts_what_the_secondary_has_kept(servers: Servers) -> None:
    primary, secondary = servers.primary, servers.secondary
    servers.keep()
    primary.shop.turn(FREE)
    assert primary.is_empty()
    assert "the secondary tries it first" in left_out(primary.shop)[0]

    secondary.shop.turn(FREE)
    assert secondary.improvement().state is State.KEPT
    servers.keep()
    before = primary.shop.production.objects()
    primary.shop.turn(FREE)
    adopted = primary.improvement()
    assert (adopted.state, adopted.priority) == (State.KEPT, 5)
    assert adopted.verdict is Verdict.IMPROVED
    assert adopted.trial_started_at is not None
    assert primary.shop.production.objects() - before == {"honed_pet_owner", "honed_pet"}

    (arrived,) = primary.overview().evidence
    assert arrived.improvement_ids == (adopted.improvement_id,)
    said = statements(primary.shop)
    (arrival,) = [leaf for leaf, each in said if each.event == "evidence_received"]
    (proposed,) = [each for _, each in said if each.event == "proposed"][-1:]
    assert proposed.parents == (arrival,)
    assert arrived.sha256 in str(proposed.detail["detail"])


@pytest.mark.slow
def test_what_regressed_on_the_secondary_is_avoided_on_the_primary(servers: Servers) -> None:
    primary, secondary = servers.primary, servers.secondary
    for each in (primary, secondary):
        each.shop.kind.claims = (replace(WORSE, priority=5),)
    servers.keep()
    secondary.shop.turn(FREE)
    undone = secondary.improvement()
    assert (undone.state, undone.outcome) == (State.ROLLED_BACK, Outcome.REGRESSED)
    servers.keep()
    primary.shop.turn(FREE)
    assert primary.is_empty()
    assert left_out(primary.shop) == [
        "it made production worse on secondary, and was taken back there"
    ]


@pytest.fixture
def kept(servers: Servers) -> Servers:
    """Return two servers of which the secondary has kept something, and said so."""
    servers.keep()
    servers.secondary.shop.turn(FREE)
    servers.keep()
    return servers


@pytest.mark.slow
def test_own_trial_of_the_primary_decides(kept: Servers) -> None:
    kept.primary.shop.kind.claims = (replace(RISKY, effect=0.5),)
    kept.primary.shop.turn(FREE)
    assert kept.primary.improvement().state is State.REFUTED


@pytest.mark.slow
def test_nothing_is_adopted_while_the_secondary_is_cut_off(kept: Servers) -> None:
    shop = kept.primary.shop
    cut_off(shop)
    before = shop.production.objects()
    shop.turn(FREE)
    waiting = kept.primary.improvement()
    assert (waiting.state, waiting.priority) == (State.AWAITING_APPROVAL, 2)
    assert shop.production.objects() == before
    kept.keep()
    shop.turn(Options())
    assert kept.primary.improvement().state is State.AWAITING_APPROVAL
    # Together again, it is tried once more, with what is known; a dry run alone changes nothing.
    shop.turn(FREE)
    assert (kept.primary.improvement().state, kept.primary.improvement().priority) == (
        State.KEPT, 5,
    )  # fmt: skip


@pytest.mark.slow
def test_adoption_that_was_approved_waits_until_both_are_together(kept: Servers) -> None:
    shop = kept.primary.shop

    def part(event: object) -> None:
        if isinstance(event, Decided) and event.state is State.APPROVED:
            cut_off(shop)

    shop.react = part
    shop.read(10)
    shop.ask(FREE)

    def waits() -> bool:
        return not kept.primary.is_empty() and "cut off" in reasons(kept.primary)

    shop.work_until(waits)
    assert kept.primary.improvement().state is State.APPROVED
    shop.react = lambda _: None
    kept.keep()
    shop.work_until(lambda: kept.primary.improvement().state is State.KEPT)


def reasons(of: Server) -> str:
    """Return every reason in the history of the newest improvement."""
    improvement_id = of.improvement().improvement_id
    with of.shop.store.transaction() as conn:
        return "; ".join(str(each.detail.get("reason")) for each in events(conn, improvement_id))


@pytest.mark.slow
def test_environment_is_told_in_classes(kept: Servers) -> None:
    with kept.primary.shop.store.transaction() as conn:
        (row,) = conn.execute("SELECT envelope FROM honed.evidence")
    payload = json.loads(base64.b64decode(json.loads(row["envelope"])["payload"]))
    told = payload["predicate"]["environment"]
    assert told["server_version"] >= 140000
    assert told["tables"]["public.pet"]["rows"] == "10^4"
    assert told["tables"]["public.pet"]["size"].startswith("2^")
    assert len(told["schema_sha256"]) == 64
    assert told["trial_machine"]["cpus"] > 0
    assert "shared_buffers" in told["settings"]
