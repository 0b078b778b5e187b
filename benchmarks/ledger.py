"""What the ledger costs, against a bare INSERT of the same envelope in the same interleaved run.

    python benchmarks/ledger.py [entries]

One fsync-safe server; entries and bare rows are written in turns, one transaction each, the order
changing, and proofs and whole verifications come in between, so that a busy machine slows all of
them alike. Read the ratios, not the times.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from honed.core.canonical import Json
from honed.ledger.bundle import export_bundle, verify_bundle
from honed.ledger.checkpoint import sign_checkpoint
from honed.ledger.keys import Signer
from honed.ledger.log import append, consistency_proof, inclusion_proof, read_head
from honed.ledger.verify import verify_log
from honed.storage.db import Connection, Database
from honed.storage.migrate import migrate
from honed.storage.server import Server

SEED = 20261121
ROUNDS = 20
PROOFS = 25
#: Brings an envelope to about the size of a real one.
PREDICATE: Mapping[str, Json] = {
    "kind": "index_optimization",
    "evidence": "x" * 200,
    "effect": -0.25,
}
SUBJECT = {"steps": "ab" * 32, "evidence": "cd" * 32}


@dataclass(frozen=True)
class Clock:
    """Seconds of each act, by its name."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def measure(self, name: str, acts: int = 1) -> Iterator[None]:
        """Record the time of the block, which does ``acts`` acts."""
        start = time.perf_counter()
        yield
        self.seconds.setdefault(name, []).append((time.perf_counter() - start) / acts)


@contextmanager
def database() -> Iterator[Database]:
    """Hand out a migrated store on a server of its own, with fsync as in production."""
    with tempfile.TemporaryDirectory(prefix="honed-bench-") as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder) / "data")
        server.start()
        try:
            url = server.url()
            migrate(Database(url))
            yield Database(url)
        finally:
            server.stop()


def write_in_turns(
    conn: Connection, signer: Signer, clock: Clock, rng: random.Random, count: int
) -> None:
    """Append entries and insert bare rows, ``count`` of each, one a transaction."""
    envelope = ""

    def append_one() -> None:
        nonlocal envelope
        with clock.measure("append, one a transaction"), conn.transaction():
            entry = append(conn, signer, event="kept", subject=SUBJECT, predicate=PREDICATE)
        envelope = entry.envelope

    def insert_one() -> None:
        with clock.measure("bare INSERT"), conn.transaction():
            conn.execute("INSERT INTO bare (envelope) VALUES (%s)", (envelope,))

    acts: list[Callable[[], None]] = [append_one, insert_one]
    append_one()
    for _ in range(count):
        rng.shuffle(acts)
        for act in acts:
            act()


def write_together(conn: Connection, signer: Signer, clock: Clock, count: int) -> None:
    """Append ``count`` entries in one transaction and insert as many bare rows in another."""
    with clock.measure("append, 100 a transaction", count), conn.transaction():
        for _ in range(count):
            entry = append(conn, signer, event="kept", subject=SUBJECT, predicate=PREDICATE)
    with clock.measure("bare INSERT, 100 a transaction", count), conn.transaction():
        for _ in range(count):
            conn.execute("INSERT INTO bare (envelope) VALUES (%s)", (entry.envelope,))


def prove(conn: Connection, signer: Signer, clock: Clock, rng: random.Random) -> None:
    """Make and check proofs of random entries, then verify the whole log."""
    checkpoint = sign_checkpoint(read_head(conn), signer)
    size = checkpoint.size
    for _ in range(PROOFS):
        with clock.measure("inclusion proof"):
            inclusion_proof(conn, rng.randrange(size), size)
        with clock.measure("consistency proof"):
            consistency_proof(conn, rng.randrange(1, size), size)
        bundle = export_bundle(conn, rng.randrange(size), checkpoint)
        with clock.measure("bundle, verified without a database"):
            verify_bundle(bundle, signer.public_key)
    with clock.measure("verify_log, each entry", size):
        verify_log(conn, signer.public_key, [checkpoint])


def report(clock: Clock, size: int) -> None:
    """Print one line for each act."""
    bare = statistics.median(clock.seconds["bare INSERT"])
    print(f"{size} entries; ratio: to a bare INSERT of the same envelope, one a transaction")
    print(f"{'':38}{'p50 ms':>9}{'p99 ms':>9}{'per s':>9}{'ratio':>8}")
    for name, seconds in clock.seconds.items():
        middle = statistics.median(seconds)
        worst = sorted(seconds)[int(len(seconds) * 0.99)]
        numbers = f"{middle * 1e3:9.3f}{worst * 1e3:9.3f}{1 / middle:9.0f}"
        print(f"{name:38}{numbers}{middle / bare:8.2f}")


def main() -> None:
    """Run and print."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000
    rng = random.Random(SEED)  # noqa: S311 - a benchmark's order, not a secret
    clock, signer = Clock(), Signer.generate()
    with database() as store, store.connect(autocommit=True) as conn:
        conn.execute("CREATE TABLE bare (bare_id bigserial PRIMARY KEY, envelope text NOT NULL)")
        for _ in range(ROUNDS):
            write_in_turns(conn, signer, clock, rng, entries // ROUNDS - 101)
            write_together(conn, signer, clock, 100)
            prove(conn, signer, clock, rng)
        size = read_head(conn).size
        sizes = conn.execute(
            """
            SELECT pg_total_relation_size('honed.log_entry') AS entries
                 , pg_total_relation_size('honed.log_node') AS nodes
                 , pg_total_relation_size('bare') AS bare
            """
        ).fetchone()
    report(clock, size)
    assert sizes is not None
    print(", ".join(f"{name}: {count / size:.0f} bytes an entry" for name, count in sizes.items()))


if __name__ == "__main__":
    main()
