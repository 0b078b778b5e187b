"""`honed forge replay`: the commit of a change is made again from its record, to the same bytes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import pytest

from honed.approval.decisions import approve
from honed.approval.policy import write_policy
from honed.core.verdict import State
from honed.improvement.record import Improvement, improvements
from honed.kinds.fix_failing_test import FixFailingTest
from honed.loop.cycle import Options, request
from honed.storage.db import Database
from honed.targets.repository.code_kind import CodeKind
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change
from honed.testing.commandline import CommandLine
from honed.testing.given_change import FAILING, GivenChange, know_what_fails, repository_parts
from honed.testing.pets import pet_worker
from honed.testing.repository_worlds import (
    WRONG_SLICE,
    RepositoryWorld,
    make_repository_world,
    require_sandbox,
)


@dataclass
class Published:
    """A repository with a change that was published, and the command line beside it."""

    world: RepositoryWorld
    store: Database
    cli: CommandLine

    def change(self) -> Change:
        with self.store.transaction() as conn:
            return changes.get(conn, 1)

    def improvement(self) -> Improvement:
        with self.store.transaction() as conn:
            (found,) = improvements(conn)
        return found

    def started(self) -> int:
        """Return the entry of the ledger that says what was begun."""
        entries = self.cli.json("ledger", "list")
        return next(int(each["index"]) for each in entries if each["event"] == "started")

    def owner(self, statement: LiteralString, value: object, *, table: LiteralString) -> None:
        """Change one row that nobody may change."""
        with self.store.transaction() as conn:
            conn.execute(f"ALTER TABLE honed.{table} DISABLE TRIGGER USER")
            assert conn.execute(statement, [value]).rowcount == 1


Publish = Callable[[CodeKind], Published]


@pytest.fixture
def publish(store: Database, tmp_path: Path) -> Publish:
    """Return what lets a kind publish a change, which a person approves."""

    def made_by(kind: CodeKind) -> Published:
        world = make_repository_world(WRONG_SLICE, store, tmp_path, autonomy="supervised")
        settings = world.target.settings
        settings.home.mkdir(exist_ok=True)
        if isinstance(kind, GivenChange):
            know_what_fails(world, FAILING)
        parts = repository_parts(store, settings, kind)
        with store.transaction() as conn:
            write_policy(conn, settings)
            request(conn, "shop", Options(dry_run=False))
        pet_worker(parts).run(until_idle=True)
        env = {"HONED_STORE_URL": store.url, "HONED_HOME": str(settings.home)}
        made = Published(world, store, CommandLine(env))
        waiting = made.improvement()
        assert waiting.state is State.AWAITING_APPROVAL, waiting.error or waiting.evidence
        with store.transaction() as conn:
            approve(conn, waiting.improvement_id, waiting.digest)
        pet_worker(parts).run(until_idle=True)
        assert made.improvement().state is State.WATCHING
        return made

    return made_by


@pytest.fixture
def published(publish: Publish) -> Published:
    return publish(GivenChange())


def test_it_is_made_again_to_the_same_bytes(published: Published, tmp_path: Path) -> None:
    change, git = published.change(), published.world.checkout.git
    bytes_then = git("cat-file", "commit", change.head_commit)
    git("branch", "--quiet", "-D", change.branch)
    git("-c", "gc.reflogExpire=now", "gc", "--quiet", "--prune=now")
    # Another home: nothing of what was published is here, but the key.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    key = elsewhere / "ledger.key"
    key.write_bytes(published.world.target.settings.key_file.read_bytes())
    key.chmod(0o600)
    cli = CommandLine({**published.cli.env, "HONED_HOME": str(elsewhere)})
    said = cli.json("forge", "replay", "1")
    assert said["is_same"]
    assert said["commit"] == said["recorded_commit"] == said["published_commit"]
    assert said["commit"] == change.head_commit
    assert f"parent {said['base_commit']}" in bytes_then
    text = cli.text("forge", "replay", "1")
    assert "+    for price in prices:\n" in text
    assert published.world.checkout.git("apply", "--check", stdin=text.encode()) == ""
    assert published.world.branches() == {"main"}, "nothing is pushed"


def test_a_stranger_replays_it_from_a_bundle(published: Published, tmp_path: Path) -> None:
    bundle, pem = tmp_path / "bundle.json", tmp_path / "key.pem"
    published.cli.text("ledger", "export", str(published.started()), "--output", str(bundle))
    pem.write_text(published.cli.text("ledger", "key"))
    home = tmp_path / "stranger"
    home.mkdir()
    stranger = CommandLine({"HONED_STORE_URL": "postgresql:///none", "HONED_HOME": str(home)})
    where = ("--repository", str(published.world.checkout.folder), "--public-key", str(pem))
    said = stranger.json("forge", "replay", "--bundle", str(bundle), *where)
    assert said["is_same"]
    assert said["commit"] == published.change().head_commit

    forged = json.loads(bundle.read_text())
    forged["envelope"]["payload"] = forged["envelope"]["payload"].replace("A", "B", 1)
    bundle.write_text(json.dumps(forged))
    done = stranger("forge", "replay", "--bundle", str(bundle), *where)
    assert done.exit_code == 3, done.output


def test_what_the_record_does_not_prove_is_refused(published: Published) -> None:
    assert "no change 9" in published.cli.refusal("forge", "replay", "9")
    assert published.cli("forge", "replay").exit_code == 2
    assert "not recorded" in published.cli.refusal("forge", "replay", "1", "--search")
    published.owner(
        "UPDATE honed.change_request SET head_commit = %s", "f" * 40, table="change_request"
    )
    assert "no publication" in published.cli.refusal("forge", "replay", "1")
    published.owner(
        "UPDATE honed.log_entry SET envelope = replace(envelope, 'sig', 'gis')"
        " WHERE leaf_index = %s",
        published.started(),
        table="log_entry",
    )
    done = published.cli("forge", "replay", "1")
    assert (done.exit_code, done.stdout) == (3, "")


@pytest.mark.slow
def test_it_is_searched_for_again(publish: Publish) -> None:
    require_sandbox()
    cli = publish(FixFailingTest()).cli
    said = cli.json("forge", "replay", "1", "--search")
    assert said["is_same"]
    assert said["search"]["is_same"], said["search"]
    assert said["search"]["patch"] == said["patch"]
