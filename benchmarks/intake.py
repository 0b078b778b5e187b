"""What the intake takes a second on one core, beside an endpoint that only inflates and parses.

Usage: python benchmarks/intake.py [--wire feedback ...] [--pairs 12] [--seconds 3]

The real `honed serve` and the bare endpoint run on the same server stack (uvicorn, uvloop,
httptools, raw ASGI), and are sent the same compressed bodies over the same number of kept
connections, in turns of drawn order. What is compared is the CPU time of the server's process, not
the wall: events per CPU second. PostgreSQL has processes of its own, and its CPU is told apart. At
the end the store is held back until ten times as much is offered as the queue may hold, and the
largest memory is told, with what was answered and that everything answered 200 is stored.

Not guaranteed: the figures on a machine that others keep busy; the ratio suffers less.
"""

import argparse
import gzip
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sending.load import Door, send
from sending.wires import WIRES, Wire

from honed.config import Settings
from honed.stats.intervals import mean_interval
from honed.storage.databases import create_database
from honed.storage.db import Database
from honed.storage.migrate import migrate
from honed.storage.server import Server

SEED = 20261121
CONNECTIONS = 256
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
#: Different bodies of each wire, sent in turn.
BODIES = 200
OVERLOAD = 10
QUEUE_MB = 16


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    door: Door

    def cpu_s(self) -> float:
        """Return the CPU time that the process has taken."""
        return process_cpu_s(self.process.pid)

    def memory_mb(self, which: str = "VmRSS") -> float:
        """Return its memory; ``VmHWM`` is the most that it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        (line,) = [line for line in status.splitlines() if line.startswith(f"{which}:")]
        return int(line.split()[1]) / 1024


def main() -> None:
    """Run the benchmark and print what it shows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wire", action="append", choices=sorted(WIRES))
    parser.add_argument("--pairs", type=int, default=12, help="0: only the overload")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--bare", choices=sorted(WIRES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        serve_bare(WIRES[arguments.bare])
        return
    names = (arguments.wire or sorted(WIRES)) if arguments.pairs else []
    folder = Path(tempfile.mkdtemp(prefix="honed-intake-"))
    folder.chmod(0o755)
    try:
        with store_at(folder) as (server, store):
            for name in names:
                play(name, folder, (server, store), arguments.pairs, arguments.seconds)
            overload(folder, store)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def play(
    name: str, folder: Path, where: tuple[Server, Database], pairs: int, seconds: float
) -> None:
    """Measure one wire in turns, and print."""
    wire = WIRES[name]
    server, store = where
    chance = random.Random(SEED)  # noqa: S311 - an order, not a secret
    bodies = [gzip.compress(wire.make(chance), 6) for _ in range(BODIES)]
    with honed_serving(folder, store, wire) as ours, bare_serving(name) as bare:
        for each in (ours, bare):
            send(each.door, bodies, seconds, CONNECTIONS)  # the first turn fills caches
        rates: dict[str, list[float]] = {"honed": [], "bare": []}
        before_s, sent = process_group_cpu_s(server), 0
        for _ in range(pairs):
            for each in chance.sample([ours, bare], 2):
                began = each.cpu_s()
                load = send(each.door, bodies, seconds, CONNECTIONS)
                assert set(load.answers) == {200}, load.answers
                events = load.answers[200] * wire.events
                rates["honed" if each is ours else "bare"].append(events / (each.cpu_s() - began))
                sent += events if each is ours else 0
        postgres_us = 1e6 * (process_group_cpu_s(server) - before_s) / max(sent, 1)
        size = sum(map(len, bodies)) / len(bodies)
        print(f"\n{name}: bodies of {size:.0f} bytes compressed, {wire.events} events in each")
        for who, found in rates.items():
            print(f"  {who:5}  {median(found):9.0f} events per CPU second of its process")
        ratios = [a / b for a, b in zip(rates["honed"], rates["bare"], strict=True)]
        low, high = _bounds(ratios)
        print(
            f"  honed / bare {median(ratios):.2f}"
            f" (95 % of the mean: {math.exp(low):.2f} to {math.exp(high):.2f}, {pairs} pairs)"
        )
        print(f"  PostgreSQL: {postgres_us:.0f} us of CPU an event beside that")
        print(f"  memory: honed {ours.memory_mb():.0f} MB, bare {bare.memory_mb():.0f} MB")
    print(f"  alone, us an event: {steps(name, bodies)}")


def steps(name: str, bodies: Sequence[bytes]) -> str:
    """Return what each step takes of an event where nothing else runs, the least of ten rounds."""
    # Here, so that the bare endpoint has nothing of it in memory.
    from honed.core.intake import Request  # noqa: PLC0415
    from honed.core.privacy import Scrubber  # noqa: PLC0415
    from honed.signals.intakes import installed_intakes  # noqa: PLC0415
    from honed.signals.rows import Preparer, Times  # noqa: PLC0415

    wire, intake = WIRES[name], installed_intakes()[name]
    intake.configure(Settings().model_dump(mode="json"))
    scrubber = Scrubber(bytes(32))
    preparer, times = Preparer(scrubber), Times(datetime.now(UTC), timedelta(days=30))
    headers = {"content-type": wire.content_type}
    inflated = [gzip.decompress(body) for body in bodies]
    requests = [Request("POST", wire.path, headers=headers, body=body) for body in inflated]
    taken = [intake.take(request) for request in requests]
    found = {
        "inflate": least_us(gzip.decompress, bodies),
        "parse as bare": least_us(wire.parse, inflated),
        "take": least_us(intake.take, requests),
        "scrub": least_us(lambda t: [scrubber.value(each.body) for each in t.signals], taken),
        "scrub and encode": least_us(lambda t: preparer.prepare(1, name, t, times), taken),
    }
    return ", ".join(f"{step} {us / wire.events:.1f}" for step, us in found.items())


def least_us(act: Callable[[Any], object], things: Sequence[object]) -> float:
    """Return the least CPU time of ``act`` on one thing, on average over them, in microseconds."""
    rounds: list[float] = []
    for _ in range(10):
        began = time.process_time()
        for each in things:
            act(each)
        rounds.append(1e6 * (time.process_time() - began) / len(things))
    return min(rounds)


def overload(folder: Path, store: Database) -> None:
    """Offer ten times what the queue may hold while the store is held back, and print."""
    wire = WIRES["feedback"]
    chance = random.Random(SEED)  # noqa: S311 - likewise
    said = json.dumps({"text": "".join(chance.choices("abcdefgh ", k=400_000))}).encode()
    body, size_mb = gzip.compress(said, 6), len(said) / 2**20
    wanted = int(OVERLOAD * QUEUE_MB / size_mb)
    with honed_serving(folder, store, wire, {"HONED_INTAKE_QUEUE_MB": str(QUEUE_MB)}) as ours:
        send(ours.door, [body], 1.0, 4)
        quiet_mb = ours.memory_mb()
        (before,) = ask(store, "SELECT count(*) FROM honed.signal WHERE source = 'feedback'")
        with psycopg.connect(store.url) as lock:
            lock.execute("LOCK TABLE honed.signal IN ACCESS EXCLUSIVE MODE")
            load = send(ours.door, [body], 300.0, 400, most=wanted, patience=lock.rollback)
        (after,) = ask(store, "SELECT count(*) FROM honed.signal WHERE source = 'feedback'")
        print(
            f"\noverload: {wanted} bodies of {size_mb:.1f} MB inflated while the store stands"
            f" still, a queue of {QUEUE_MB} MB"
        )
        answers = ", ".join(f"{n} times {status}" for status, n in sorted(load.answers.items()))
        print(f"  answered {answers}; stored {after - before}")
        print(
            f"  memory: {quiet_mb:.0f} MB before, {ours.memory_mb('VmHWM'):.0f} MB at most,"
            f" {ours.memory_mb():.0f} MB after"
        )
        assert load.answers[200] == after - before


@contextmanager
def store_at(folder: Path) -> Iterator[tuple[Server, Database]]:
    """Hand out a server with a migrated store that commits durably."""
    server = Server(folder / "store", options={"max_wal_size": "4GB", "autovacuum": "off"})
    server.start()
    try:
        create_database(Database(server.url()), "honed")
        store = Database(server.url("honed"))
        migrate(store)
        yield server, store
    finally:
        server.stop()


@contextmanager
def honed_serving(
    folder: Path, store: Database, wire: Wire, settings: dict[str, str] | None = None
) -> Iterator[Endpoint]:
    """Hand out the real `honed serve` on ``store``."""
    environment = {
        **os.environ,
        "HONED_STORE_URL": store.url,
        "HONED_HOME": str(folder / "home"),
        "HONED_API_PORT": "0",
        **(settings or {}),
    }
    program = [sys.executable, "-m", "honed"]
    subprocess.run([*program, "config", "apply"], env=environment, check=True, capture_output=True)
    name = f"p{time.monotonic_ns()}"
    added = subprocess.run(
        [*program, "project", "add", name, "--json"],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    project: dict[str, Any] = json.loads(added.stdout)
    path = wire.path.replace("{project}", str(project["project_id"]))
    with running([*program, "serve", "--json"], environment) as (process, port):
        yield Endpoint(process, Door(port, path, _headers(wire, project["public_key"])))


@contextmanager
def bare_serving(name: str) -> Iterator[Endpoint]:
    """Hand out an endpoint that inflates and parses, and does nothing else."""
    wire = WIRES[name]
    command = [sys.executable, __file__, "--bare", name]
    with running(command, dict(os.environ)) as (process, port):
        yield Endpoint(process, Door(port, wire.path, _headers(wire, "none")))


@contextmanager
def running(
    command: Sequence[str], environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a server that says its port as JSON, and end it at the end."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["port"]
        finally:
            process.send_signal(signal.SIGTERM)


def serve_bare(wire: Wire) -> None:
    """Serve an endpoint on the same stack that only inflates and parses."""
    import zlib  # noqa: PLC0415 - of the bare endpoint alone

    from starlette.types import Receive, Scope, Send  # noqa: PLC0415 - likewise

    from honed.interfaces.http.server import listening, serve_until_told  # noqa: PLC0415

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        wire.parse(zlib.decompress(body, 31))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    with listening(Settings(api_port=0)) as door:
        print(json.dumps({"port": door.getsockname()[1]}), flush=True)
        serve_until_told(bare, door)


def _headers(wire: Wire, key: str) -> str:
    return (
        f"Host: 127.0.0.1\r\nContent-Type: {wire.content_type}\r\nContent-Encoding: gzip\r\n"
        f"X-Honed-Key: {key}\r\nX-Sentry-Auth: Sentry sentry_key={key}, sentry_version=7\r\n"
    )


def ask(store: Database, query: str) -> tuple[Any, ...]:
    """Return the one row of a query."""
    with psycopg.connect(store.url) as conn:
        row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row


def process_cpu_s(pid: int) -> float:
    """Return the CPU time of a process with all its threads."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS_PER_S


def process_group_cpu_s(server: Server) -> float:
    """Return the CPU time of a PostgreSQL server's processes that live."""
    parent = str(server.postmaster_pid())
    total = process_cpu_s(int(parent))
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS_PER_S * (fields[1] == parent)
        except OSError:
            continue
    return total


def _bounds(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the 95 % interval of the mean of logarithms."""
    interval = mean_interval([math.log(ratio) for ratio in ratios], alpha=0.05)
    return interval.low, interval.high


def median(values: Sequence[float]) -> float:
    """Return the middle one."""
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    main()
