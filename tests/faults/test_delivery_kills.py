"""The secondary is killed on the way from its outbox to the primary: nothing is lost or doubled."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from honed.core.verdict import State
from honed.ledger.log import read_entries
from honed.ledger.statement import unseal
from honed.ledger.verify import verify_log
from honed.loop.two_servers.overview import Outbox, read_pair_overview
from honed.testing.pair import OneServer, Pair, serving

PROGRAM = Path(__file__).with_name("member_process.py")
DEADLINE_S = 120.0


def killed(server: OneServer, kill_at: str) -> None:
    """Let a process of a server's daemon take a round in which it is killed."""
    done = subprocess.run(
        [
            sys.executable,
            PROGRAM,
            server.owner.url,
            server.settings.model_dump_json(),
            server.clock.now.isoformat(),
        ],
        env={**os.environ, "KILL_AT": kill_at},
        check=False,
        timeout=DEADLINE_S,
    )
    assert done.returncode == -signal.SIGKILL


def outbox(server: OneServer) -> Outbox:
    with server.store.transaction() as conn:
        return read_pair_overview(conn).outbox


def received(server: OneServer) -> list[str]:
    """Return the subjects that arrived, after the ledger was found to tell of each once."""
    key = server.signer.public_key
    with server.store.transaction() as conn:
        arrived = [each.subject for each in read_pair_overview(conn).evidence]
        entries = read_entries(conn, 0, verify_log(conn, key, ()).size)
    said = [unseal(entry.envelope.encode(), key).event for entry in entries]
    assert said == ["evidence_received"] * len(arrived)
    return arrived


@pytest.mark.parametrize(
    ("kill_at", "arrived_before"), [("written", 0), ("signed", 0), ("sent", 1), ("noted", 2)]
)
def test_killed_secondary_loses_nothing_and_says_nothing_twice(
    apart_pair: Pair, kill_at: str, arrived_before: int
) -> None:
    secondary = apart_pair.secondary
    said = [secondary.has(State.KEPT).subject, secondary.has(State.ROLLED_BACK).subject]
    with serving(apart_pair.primary.parts) as url:
        secondary.configure(peer_url=url)
        killed(secondary, kill_at)
        assert len(received(apart_pair.primary)) == arrived_before
        # The dead process still holds the role: the next one waits for its end.
        assert secondary.keep() is None
        apart_pair.clock.pass_s(60)
        lease = secondary.keep()
        assert lease is not None
        assert lease.epoch == 2
    assert received(apart_pair.primary) == said[::-1]
    assert (outbox(secondary).delivered, outbox(secondary).waiting) == (2, 0)
