"""A worker is killed at each point of a change of code: the next one ends it as it should.

One branch, one request, nothing twice, the ledger whole, and nothing is left of what the dead one
had begun: no process in a sandbox, no folder with somebody's code.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from honed.approval.decisions import approve, decisions, roll_back
from honed.approval.policy import write_policy
from honed.core.forge import ChangeState
from honed.core.kind import Kind
from honed.core.verdict import State
from honed.improvement.record import Improvement, improvements
from honed.kinds.fix_failing_test import FixFailingTest
from honed.ledger.log import read_entries
from honed.ledger.statement import unseal
from honed.ledger.verify import verify_log
from honed.loop.cycle import ENDED, Options, get_cycle, request
from honed.loop.following import follow_changes
from honed.loop.parts import Parts
from honed.storage.db import Database
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change, Wanted
from honed.targets.repository.target import RepositoryTarget
from honed.testing.given_change import FAILING, GivenChange, know_what_fails, repository_parts
from honed.testing.pets import pet_worker
from honed.testing.repository_worlds import (
    WRONG_SLICE,
    RepositoryWorld,
    make_repository_world,
    require_sandbox,
)

PROGRAM = Path(__file__).with_name("repository_process.py")
DEADLINE_S = 120.0
READ_EVERY_S = 0.1
KINDS: dict[str, Kind[RepositoryTarget]] = {
    # Of the first it is known what fails, so that nobody runs the tests.
    "given": GivenChange(),
    "seen": GivenChange(),
    "proven": GivenChange(is_proven=True),
    "searched": FixFailingTest(),
}

#: What the ledger says, each once, if nobody is killed.
PROPOSED = ["proposed", "trial_started", "measured", "awaiting_approval", "approved", "started"]
PUBLISHED = [*PROPOSED, "step_started", "step_done", "applied"]
MERGED = [*PUBLISHED, "change_merge_asked", "change_merged", "kept"]
TAKEN_BACK = [*PUBLISHED, "change_closed", "undo_started", "undo_done", "rolled_back"]


@dataclass
class Shop:
    """A repository, and the loop around it."""

    world: RepositoryWorld
    store: Database
    parts: Parts
    kind: str
    #: In which everything lies that honed makes.
    folder: Path

    def improvement(self) -> Improvement | None:
        """Return the only improvement; None: there is none yet."""
        with self.store.transaction() as conn:
            found = improvements(conn)
        assert len(found) <= 1
        return found[0] if found else None

    def state(self) -> State | None:
        """Return where the improvement is."""
        found = self.improvement()
        return found.state if found else None

    def changes(self) -> list[Change]:
        """Return every change, newest first."""
        with self.parts.store.transaction() as conn:
            return changes.changes(conn, Wanted("shop", tuple(ChangeState)))

    def ask(self) -> None:
        """Ask for a cycle."""
        with self.store.transaction() as conn:
            request(conn, "shop", Options(dry_run=False))

    def approve_what_waits(self) -> None:
        """Let a person say yes, once."""
        found = self.improvement()
        if found is None or found.state is not State.AWAITING_APPROVAL:
            return
        with self.store.transaction() as conn:
            if not decisions(conn, found.improvement_id):
                approve(conn, found.improvement_id, found.digest)

    def roll_back(self) -> None:
        """Let a person ask for it back."""
        found = self.improvement()
        assert found is not None
        with self.store.transaction() as conn:
            roll_back(conn, found.improvement_id, "not like this")

    def ask_merge(self) -> None:
        """Let a person ask for the merge."""
        self.world.checkout.git("checkout", "--quiet", "--detach")
        with self.store.transaction() as conn:
            changes.ask_merge(conn, self.changes()[0].change_id)

    def work_until(self, is_over: Callable[[], bool]) -> None:
        """Handle what is due, and do what people decide, until something is so."""
        deadline = time.monotonic() + DEADLINE_S
        while not is_over():
            assert time.monotonic() < deadline, f"it never comes to that: {self.improvement()}"
            self.approve_what_waits()
            follow_changes(self.parts, self.world.target.record)
            self.make_due()
            pet_worker(self.parts).run(until_idle=True)

    def make_due(self) -> None:
        """Let the time pass for which looks at what is watched are delayed."""
        with self.store.transaction() as conn:
            conn.execute(
                "UPDATE honed.procrastinate_jobs SET scheduled_at = NULL WHERE task_name = 'learn'"
            )

    def is_at_rest(self) -> bool:
        """Return whether the cycle has ended, and no worker holds a job."""
        with self.store.transaction() as conn:
            (doing,) = conn.execute(
                "SELECT count(*) AS n FROM honed.procrastinate_jobs WHERE status = 'doing'"
            )
            return get_cycle(conn, 1).phase in ENDED and not doing["n"]

    def ledger(self) -> Counter[str]:
        """Return how often each event is in the verified ledger; what is found done is done."""
        key = self.parts.signer.public_key
        with self.store.transaction() as conn:
            entries = read_entries(conn, 0, verify_log(conn, key, ()).size)
        said = [unseal(entry.envelope.encode(), key).event for entry in entries]
        return Counter(event.replace("found_done", "done") for event in said)

    def processes(self) -> list[str]:
        """Return the processes that name a folder of this test, or see one, in a box or not."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                seen = (process / "cmdline").read_bytes() + (process / "mountinfo").read_bytes()
            except OSError:
                continue
            if self.folder.name.encode() in seen:
                found.append(seen.replace(b"\0", b" ").decode()[:200])
        return found

    def left(self) -> list[Path]:
        """Return what is left of worktrees, of copies that were judged and of private indexes."""
        made = [*(self.folder / "tmp").glob("honed-*")]
        return [*made, *(self.world.target.settings.home / "worktrees").glob("*")]


MakeShop = Callable[[str], Shop]
Start = Callable[[Shop, str], "subprocess.Popen[bytes]"]


@pytest.fixture
def make_shop(
    store: Database, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> MakeShop:
    """Return a maker of a loop around a repository with a fault."""
    require_sandbox()
    # No other folder has a name that begins so.
    folder = tmp_path_factory.mktemp(f"killed-{os.getpid()}-")
    (folder / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)

    def make(kind: str) -> Shop:
        settings = {"autonomy": "supervised", "heartbeat_s": 0.25, "stalled_after_s": 1.0}
        world = make_repository_world(WRONG_SLICE, store, folder, **settings)
        own = world.target.settings
        own.home.mkdir(exist_ok=True)
        if kind == "given":
            know_what_fails(world, FAILING)
        with store.transaction() as conn:
            write_policy(conn, own)
        return Shop(world, store, repository_parts(store, own, KINDS[kind]), kind, folder)

    return make


@pytest.fixture
def start() -> Iterator[Start]:
    """Return what starts a worker that dies at a point."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(shop: Shop, kill_at: str) -> "subprocess.Popen[bytes]":
        settings = shop.world.target.settings.model_dump_json()
        process = subprocess.Popen(
            [sys.executable, PROGRAM, shop.store.url, settings, shop.kind],
            env={**os.environ, "KILL_AT": kill_at},
        )
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.wait()


def live_until_killed(
    shop: Shop, process: "subprocess.Popen[bytes]", then: Callable[[Shop], None] | None = None
) -> None:
    """Let a worker turn the loop until it kills itself; once it watches, do something."""
    deadline = time.monotonic() + DEADLINE_S
    while process.poll() is None:
        assert time.monotonic() < deadline, f"it never came to that point: {shop.improvement()}"
        shop.approve_what_waits()
        if then is not None and shop.state() is State.WATCHING:
            then(shop)
            then = None
        shop.make_due()
        pause(READ_EVERY_S)
    assert process.returncode == -signal.SIGKILL
    assert_nothing_runs(shop)


def assert_nothing_runs(shop: Shop) -> None:
    """Return once all that the killed one had started is dead."""
    deadline = time.monotonic() + DEADLINE_S / 10
    while alive := shop.processes():
        assert time.monotonic() < deadline, alive
        pause(READ_EVERY_S)


def pause(seconds: float) -> None:
    """Leave those who are waited for the machine."""
    signal.sigtimedwait([], seconds)


def slow(place: str, kind: str = "given") -> Any:
    """Return a place to kill at that is tried where there is time."""
    return pytest.param(place, kind, marks=pytest.mark.slow, id=place)


def assert_whole(shop: Shop, ledger: list[str]) -> None:
    assert shop.ledger() == Counter(ledger)
    assert shop.left() == []
    assert shop.processes() == []


@pytest.mark.parametrize(
    ("kill_at", "kind"),
    [
        slow("box:analyze:2", "seen"),
        slow("answer:hypothesize:20", "searched"),
        slow("box:on_trial:2", "proven"),
        slow("committed:on_trial"),
        slow("handling:awaiting_approval"),
        slow("handling:applying"),
        slow("intent:do:0"),
        pytest.param("pushed:do:0", "given", id="pushed:do:0"),
        slow("opening"),
        slow("opened"),
        slow("happened:do:0"),
        slow("committed:applying"),
        slow("committed:watch"),
    ],
)
def test_worker_killed_on_the_way_to_a_request(
    make_shop: MakeShop, start: Start, kill_at: str, kind: str
) -> None:
    shop = make_shop(kind)
    shop.ask()
    live_until_killed(shop, start(shop, kill_at))
    shop.work_until(lambda: shop.state() is State.WATCHING and shop.is_at_rest())
    (change,) = shop.changes()
    assert (change.state, change.checks_state) == (ChangeState.OPEN, "passed")
    assert shop.world.branches() == {"main", change.branch}
    git = shop.world.checkout.git
    assert git("rev-parse", change.branch) == change.head_commit
    assert git("rev-parse", f"{change.branch}^", "main") == "\n".join([change.base_commit] * 2)
    assert_whole(shop, PUBLISHED)


def merge(shop: Shop) -> None:
    shop.ask_merge()


def take_back(shop: Shop) -> None:
    shop.roll_back()


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", ["merged", "box:watch:1", "committed:watch"])
def test_worker_killed_in_a_merge_that_a_person_asked_for(
    make_shop: MakeShop, start: Start, kill_at: str
) -> None:
    shop = make_shop("given")
    shop.ask()
    if kill_at == "committed:watch":
        shop.work_until(lambda: shop.state() is State.WATCHING)
        shop.ask_merge()
    live_until_killed(shop, start(shop, kill_at), merge)
    shop.work_until(lambda: shop.state() is State.KEPT and shop.is_at_rest())
    (change,) = shop.changes()
    assert change.state is ChangeState.MERGED
    git = shop.world.checkout.git
    assert git("rev-parse", "main") == change.merge_commit
    assert git("rev-list", "--count", f"{change.base_commit}..main") == "2", "it and its merge"
    assert_whole(shop, MERGED)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kill_at",
    ["intent:undo:0", "withdrawn", "deleted", "happened:undo:0"],
)
def test_worker_killed_on_the_way_back(make_shop: MakeShop, start: Start, kill_at: str) -> None:
    shop = make_shop("given")
    shop.ask()
    live_until_killed(shop, start(shop, kill_at), take_back)
    shop.work_until(lambda: shop.state() is State.ROLLED_BACK and shop.is_at_rest())
    (change,) = shop.changes()
    assert (change.state, change.closed_by_person) == (ChangeState.CLOSED, False)
    assert shop.world.branches() == {"main"}
    assert_whole(shop, TAKEN_BACK)


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", ["pushed:undo:0", "happened:undo:0"])
def test_worker_killed_while_it_proposes_a_revert(
    make_shop: MakeShop, start: Start, kill_at: str
) -> None:
    shop = make_shop("given")
    shop.ask()
    shop.work_until(lambda: shop.state() is State.WATCHING)
    shop.ask_merge()
    shop.work_until(lambda: shop.state() is State.KEPT)
    shop.roll_back()
    live_until_killed(shop, start(shop, kill_at))
    shop.work_until(lambda: shop.state() is State.ROLLED_BACK and shop.is_at_rest())
    revert, change = shop.changes()
    assert (change.state, revert.state) == (ChangeState.MERGED, ChangeState.OPEN)
    assert revert.checks == (), "nobody has looked at it: a person lets it in"
    git = shop.world.checkout.git
    assert git("diff", change.base_commit, revert.branch) == ""
    assert len([each for each in shop.world.branches() if "revert" in each]) == 1
    assert_whole(shop, [*MERGED, "undo_started", "undo_done", "rolled_back"])
