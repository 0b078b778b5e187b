"""Tests that attack while they are repaired: nothing wrong comes of it, nothing gets out."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.proposers.conftest import MakeHistory, Workshop

from honed.errors import EvaluatorFailed, RepairFailed
from honed.kinds.fix_failing_test import FixFailingTest
from honed.repair.suite import Budget
from honed.sandbox.box import Limits
from honed.storage.db import Database
from honed.storage.server import PORT, Server
from honed.targets.repository.judging.judge import Checkout
from honed.targets.repository.judging.mend import Mended, installed_gates, mend
from honed.targets.repository.judging.proposer import Bench, Trouble
from honed.testing.repository_worlds import RepositoryPlan, make_repository_world

GOOD = """def total(prices):
    cents = 0
    for price in prices:
        cents += price
    return cents
"""
BAD = GOOD.replace("in prices:", "in prices[1:]:")
TESTS = """from shop import total


def test_total():
    assert total([1, 2]) == 3


def test_one():
    assert total([5]) == 5


def test_none():
    assert total([]) == 0
"""
FILES = {"shop.py": BAD, "tests/test_shop.py": TESTS}
FAILING = ("tests/test_shop.py::test_one", "tests/test_shop.py::test_total")
LIMITS = Limits(cpu_s=4, wall_s=8, processes=32)

FORK_BOMB = """import os
import time


def test_bomb():
    try:
        while True:
            os.fork()
    except OSError:
        time.sleep(600)
"""
ENDLESS = "def test_endless():\n    while True:\n        pass\n"
LEAVES = """import subprocess
import sys


def test_leaves():
    for _ in range(3):
        argv = [sys.executable, "-c", "import time; time.sleep(600)", "{mark}"]
        subprocess.Popen(argv, start_new_session=True)
"""
KILLS = "import os, signal\n\n\ndef test_kills():\n    os.kill(-1, signal.SIGKILL)\n"
#: It fails, and says what got through, if anything does.
ATTACK = """import pathlib
import socket


def got(attempt):
    try:
        attempt()
    except OSError:
        return False
    return True


def to(kind, address):
    with socket.socket(kind) as connection:
        connection.settimeout(2)
        connection.connect(address)


def test_attack():
    attempts = {{
        "writes to the home": lambda: pathlib.Path({home!r}, "{mark}").write_text("x"),
        "writes to the folder": lambda: pathlib.Path({folder!r}, "{mark}").write_text("x"),
        "writes to the system": lambda: pathlib.Path({system!r}, "{mark}").write_text("x"),
        "reads the key": lambda: pathlib.Path({home!r}, "key").read_bytes(),
        "lists the data": lambda: list(pathlib.Path({data!r}).iterdir()),
        "reads the data": lambda: pathlib.Path({data!r}, "PG_VERSION").read_text(),
        "asks the store": lambda: to(socket.AF_UNIX, {socket!r}),
        "asks a server": lambda: to(socket.AF_INET, ("127.0.0.1", {port})),
    }}
    through = [name for name, attempt in attempts.items() if got(attempt)]
    assert not through, ", ".join(through)
"""

ATTEMPTS = re.findall(r'^        "([^"]+)": lambda', ATTACK, re.MULTILINE)


@dataclass(frozen=True)
class Outside:
    """What hostile code must not reach, and a mark of what it leaves."""

    mark: str
    server: socket.socket

    def processes(self) -> list[int]:
        """Return processes with the mark, and boxes that were begun here and still run."""
        return [
            int(each.name)
            for each in Path("/proc").iterdir()
            if each.name.isdigit() and int(each.name) != os.getpid() and self._is_left(each)
        ]

    def _is_left(self, process: Path) -> bool:
        try:
            if self.mark.encode() in (process / "cmdline").read_bytes():
                return True
            status = (process / "stat").read_text().rpartition(")")[2].split()
            is_box = (process / "comm").read_text().strip() == "bwrap"
        except OSError:
            return False
        return is_box and int(status[1]) == os.getpid() and status[0] != "Z"

    def was_asked(self) -> bool:
        """Return whether anybody has connected to the server."""
        try:
            self.server.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def outside() -> Iterator[Outside]:
    mark = f"honed-hostile-{uuid.uuid4().hex}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.0)
        made = Outside(mark, server)
        yield made
        left = made.processes()
        for each in left:
            os.kill(each, signal.SIGKILL)
        assert left == []
        assert not made.was_asked()


def small(bench: Bench) -> Bench:
    court = replace(bench.court, limits=LIMITS)
    return replace(bench, court=court, budget=Budget(seconds=6, processes=1, seed=7))


def mended(trouble: Trouble, bench: Bench) -> Mended | None:
    """Return what came of it; None: honed could not find out, and says so."""
    try:
        return mend(trouble, bench, installed_gates())
    except (RepairFailed, EvaluatorFailed):
        return None


def published(found: Mended | None) -> list[dict[str, str | None]]:
    """Return the files of what would be published."""
    if found is None or not found.is_sound or found.change is None:
        return []
    return [{each.path: each.after for each in found.change.files}]


@pytest.mark.slow
@pytest.mark.parametrize(
    "attack", [FORK_BOMB, ENDLESS, LEAVES, KILLS],
    ids=["fork bomb", "endless loop", "processes stay", "kills all"],
)  # fmt: skip
def test_a_suite_that_attacks_leaves_nothing_and_leads_to_nothing_wrong(
    history: MakeHistory, workshop: Workshop, outside: Outside, attack: str
) -> None:
    files = {**FILES, "tests/test_attack.py": attack.replace("{mark}", outside.mark)}
    history({**files, "shop.py": GOOD}, files)
    trouble = workshop.trouble(*FAILING)
    bench = small(workshop.bench())
    assert published(mended(trouble, bench)) in ([], [{"shop.py": GOOD}])


@pytest.mark.slow
def test_a_suite_reaches_neither_files_nor_network_nor_the_store(
    history: MakeHistory, workshop: Workshop, outside: Outside, postgres_server: Server
) -> None:
    history(FILES)
    trouble = workshop.trouble(*FAILING)
    (workshop.home / "key").write_bytes(b"secret")
    places = {
        "mark": outside.mark,
        "home": str(workshop.home),
        "folder": str(trouble.folder),
        "data": str(postgres_server.data_dir),
        "socket": str(postgres_server.socket_dir / f".s.PGSQL.{PORT}"),
        "port": outside.server.getsockname()[1],
    }
    # Without a box it gets through with all of it, or that it does not in one would say nothing.
    name = "tests/test_attack.py"
    alone = workshop.home / "test_attack.py"
    alone.write_text(ATTACK.format(**places, system=str(workshop.home)))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-vv", str(alone)],
        cwd=workshop.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"AssertionError: {', '.join(ATTEMPTS)}" in done.stdout
    assert outside.was_asked()
    for folder in (workshop.home, trouble.folder):
        (folder / outside.mark).unlink()

    added = {name: ATTACK.format(**places, system="/usr/lib")}
    side = Checkout(trouble.folder, added, workshop.bench().court)
    run = side.run_tests([name])
    assert run.passed == {f"{name}::test_attack"}, run
    for folder in (workshop.home, trouble.folder):
        assert not (folder / outside.mark).exists()


@pytest.mark.slow
def test_a_test_that_fails_three_times_in_ten_leads_to_no_change(
    history: MakeHistory, workshop: Workshop
) -> None:
    flaky = "import os\n\n\ndef test_flaky():\n    assert os.urandom(1)[0] >= 77\n"
    files = {"shop.py": GOOD, "tests/test_shop.py": TESTS, "tests/test_flaky.py": flaky}
    history(files, {"notes.py": "NOTES = 1\n"}, {"notes.py": "NOTES = 2\n"})
    trouble = workshop.trouble("tests/test_flaky.py::test_flaky")
    for seed in range(3):
        bench = small(workshop.bench())
        bench = replace(bench, budget=replace(bench.budget, seconds=5, seed=seed))
        assert published(mended(trouble, bench)) == []


@pytest.mark.slow
def test_a_secret_in_a_traceback_is_in_nothing_that_leaves(store: Database, tmp_path: Path) -> None:
    token = "ghp_" + "a1B2" * 9
    # It is nowhere in the files; only who runs them sees it.
    code = BAD.replace(
        "    return cents\n",
        "    if prices and not cents:\n"
        "        raise ValueError('no such account: ghp_' + 'a1B2' * 9)\n"
        "    return cents\n",
    )
    files = {"shop.py": code, "tests/test_shop.py": TESTS}
    world = make_repository_world(RepositoryPlan(files), store, tmp_path, autonomy="supervised")
    findings = world.findings()
    assert any("no such account" in str(each.evidence["message"]) for each in findings)
    (claim, *_) = FixFailingTest().propose(findings, world.target)
    steps = FixFailingTest().apply(claim, world.target)
    said: list[Any] = [
        *(str(each.to_json() if hasattr(each, "to_json") else each) for each in findings),
        json.dumps(claim.parameters, default=str),
        *(act for step in steps for act in (*step.do, *step.undo)),
    ]
    with store.transaction() as conn:
        said += [
            row["text"] for row in conn.execute("SELECT r::text AS text FROM honed.suite_run r")
        ]
    assert "no such account" in "".join(said)
    assert token not in "".join(said)
