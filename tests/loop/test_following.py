"""The daemon carries out what people decided of changes of code, and sees what they did."""

from dataclasses import replace
from pathlib import Path

import pytest

from honed.config import TwoServerRole
from honed.core.forge import ChangeState, Check, CheckState, Proposal
from honed.ledger.verify import verify_log
from honed.loop.daemon import Keeper
from honed.loop.events import ChangeMoved
from honed.loop.two_servers.lease import Holder, Role, take
from honed.targets.registry import TargetRecord, add_target
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change, Limits, NewChange
from honed.testing.pets import PetShop
from honed.testing.repositories import Checkout

BRANCH = "improvement/cart"
_OF_CHANGES = b"SELECT event FROM honed.log_entry WHERE event ~ '^change_' ORDER BY leaf_index"


class Waiting:
    """A bare repository of people with an open change, whose checks have passed."""

    def __init__(self, shop: PetShop, folder: Path) -> None:
        """Make both."""
        self.shop = shop
        self.person = Checkout(folder / "person")
        base = self.person.commit({"cart.py": b"total = 0\n"})
        self.person.git("switch", "--quiet", "-c", BRANCH)
        self.head = self.person.commit({"cart.py": b"total = 1\n"})
        self.person.git("switch", "--quiet", "main")
        self.origin = folder / "origin.git"
        self.person.git("clone", "--quiet", "--bare", ".", str(self.origin))
        url = str(self.origin)
        record = add_target(
            replace(shop.store, role=""), TargetRecord("cart", url, act_url=url, sort="repository")
        )
        proposal = Proposal(BRANCH, "main", "Count from one", "Why.")
        new = NewChange(record.target_id, proposal, "wrong", "d" * 64, base, self.head)
        with shop.store.transaction() as conn:
            self.change_id = changes.open_change(conn, new, Limits()).change_id
            passed = [Check("honed", CheckState.PASSED)]
            changes.record_checks(conn, self.change_id, self.head, passed)

    def follow(self, **settings: object) -> Change:
        """Let the daemon look once; return the change as it is then."""
        parts = self.shop.parts
        those = replace(parts, settings=parts.settings.model_copy(update=settings))
        Keeper(those, list, begins_cycles=True).follow_changes()
        with self.shop.store.transaction() as conn:
            return changes.get(conn, self.change_id)

    def decide(self, call: str) -> None:
        """Decide as a person does in psql."""
        with replace(self.shop.store, role="honed_approver").transaction() as conn:
            conn.execute(f"SELECT honed.{call}".encode(), {"id": self.change_id})

    def told(self) -> list[tuple[str, str, str]]:
        """Return what was told of it: what it became, its title and why."""
        found = (each for each in self.shop.events if isinstance(each, ChangeMoved))
        return [(each.became, each.title, each.reason) for each in found]

    def main(self) -> str:
        """Return the commit of people's main."""
        return self.person.git("ls-remote", str(self.origin), "refs/heads/main").split()[0]


@pytest.fixture
def waiting(pet_shop: PetShop, tmp_path: Path) -> Waiting:
    return Waiting(pet_shop, tmp_path)


def test_what_a_person_asked_to_merge_is_merged(waiting: Waiting) -> None:
    before = waiting.main()
    assert waiting.follow().state is ChangeState.OPEN
    assert waiting.main() == before
    waiting.decide("merge_change(%(id)s)")
    merged = waiting.follow()
    assert (merged.state, merged.merge_commit) == (ChangeState.MERGED, waiting.main())
    assert waiting.follow() == merged
    assert waiting.told() == [("merged", "Count from one", "seen on the forge")]


def test_what_a_person_closed_is_told_once(waiting: Waiting) -> None:
    waiting.decide("close_change(%(id)s, 'not like this')")
    assert waiting.follow().state is ChangeState.CLOSED
    waiting.follow()
    assert waiting.told() == [("closed", "Count from one", "not like this")]


def test_news_of_a_forge_are_looked_at_once(waiting: Waiting) -> None:
    keeper = Keeper(waiting.shop.parts, list, begins_cycles=True)
    waiting.decide("merge_change(%(id)s)")
    keeper.follow_news()
    before = waiting.main()
    with waiting.shop.store.transaction() as conn:
        (row,) = conn.execute(b"SELECT target_id FROM honed.target WHERE name = 'cart'")
        for _ in range(2):
            changes.note_news(conn, row["target_id"])
    keeper.follow_news()
    assert waiting.main() != before
    with waiting.shop.store.transaction() as conn:
        assert changes.take_news(conn) == []


def test_what_a_person_asked_for_is_in_the_ledger(waiting: Waiting) -> None:
    waiting.decide("merge_change(%(id)s)")
    for _ in range(2):
        waiting.follow()
    with waiting.shop.store.transaction() as conn:
        verify_log(conn, waiting.shop.parts.signer.public_key, ())
        said = [row["event"] for row in conn.execute(_OF_CHANGES)]
    assert said == ["change_merge_asked", "change_merged"]


def test_of_two_servers_the_primary_alone_merges_while_it_holds_its_role(waiting: Waiting) -> None:
    waiting.decide("merge_change(%(id)s)")
    store, before = waiting.shop.store, waiting.main()
    secondary, primary = TwoServerRole.SECONDARY, TwoServerRole.PRIMARY
    assert waiting.follow(two_server_role=secondary).state is ChangeState.OPEN
    assert waiting.follow(two_server_role=primary, server_name="a").state is ChangeState.OPEN
    with store.transaction() as conn:
        take(conn, Holder(Role.PRIMARY, "b", "1"), lease_s=60)
    assert waiting.follow(two_server_role=primary, server_name="a").state is ChangeState.OPEN
    assert waiting.main() == before
    merged = waiting.follow(two_server_role=primary, server_name="b")
    assert merged.state is ChangeState.MERGED


def test_what_a_person_merged_with_git_is_seen(waiting: Waiting) -> None:
    waiting.person.git("merge", "--quiet", "--no-edit", "--no-ff", BRANCH)
    waiting.person.git("push", "--quiet", str(waiting.origin), "main")
    assert waiting.follow().state is ChangeState.MERGED


def test_what_somebody_pushed_is_not_merged(waiting: Waiting) -> None:
    before = waiting.main()
    waiting.decide("merge_change(%(id)s)")
    waiting.person.git("switch", "--quiet", BRANCH)
    waiting.person.commit({"cart.py": b"total = 2\n"})
    waiting.person.git("push", "--quiet", str(waiting.origin), BRANCH)
    assert waiting.follow().state is ChangeState.OPEN
    assert waiting.main() == before


def test_nothing_is_merged_while_honed_is_stopped(waiting: Waiting) -> None:
    before = waiting.main()
    waiting.decide("merge_change(%(id)s)")
    waiting.decide("stop('a freeze')")
    assert waiting.follow().state is ChangeState.OPEN
    assert waiting.main() == before
    waiting.decide("start()")
    assert waiting.follow().state is ChangeState.MERGED


def test_a_repository_that_is_gone_is_said_and_ends_nothing(
    waiting: Waiting, caplog: pytest.LogCaptureFixture
) -> None:
    waiting.origin.rename(waiting.origin.with_name("elsewhere"))
    assert waiting.follow().state is ChangeState.OPEN
    assert "changes of cart were not followed" in caplog.text
