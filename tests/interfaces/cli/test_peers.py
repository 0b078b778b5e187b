"""`honed peers` shows what two servers are to each other; `honed serve` listens for one of them."""

import json
import os
import signal
import subprocess
import sys

import httpx
import pytest

from honed.core.verdict import State
from honed.errors import EvidenceRefused
from honed.loop.two_servers.receive import receive
from honed.testing.commandline import CommandLine
from honed.testing.pair import Pair

DEADLINE_S = 60.0


def test_one_server_alone_says_so(cli: CommandLine) -> None:
    text = cli.text("peers")
    assert "none: there is one server" in text
    assert "nobody has held one" in text
    assert cli.json("peers")["leases"] == []


def test_roles_evidence_and_refusals_are_shown(cli: CommandLine, shared_pair: Pair) -> None:
    shared_pair.secondary.has(State.KEPT)
    shared_pair.keep()
    parts = shared_pair.primary.parts
    with pytest.raises(EvidenceRefused):
        receive(parts, b"nonsense", parts.signer.public_key)
    cli.env["HONED_TWO_SERVER_ROLE"] = "primary"
    cli.env["HONED_SERVER_NAME"] = "paris"
    text = cli.text("peers")
    assert "paris" in text
    assert "1 delivered, 0 waiting, 0 refused" in text
    assert "index_optimization: part.1" in text
    assert "the envelope is malformed" in text
    found = cli.json("peers")
    assert {each["role"]: each["server"] for each in found["leases"]} == {
        "primary": "paris",
        "secondary": "sofia",
    }
    assert [each["reason"] for each in found["refusals"]] == ["malformed"]
    assert found["evidence"][0]["state"] == "kept"


def test_lost_roles_and_silence_are_shown(cli: CommandLine, shared_pair: Pair) -> None:
    shared_pair.keep()
    with shared_pair.primary.store.transaction() as conn:
        conn.execute("UPDATE honed.lease SET expires_at = '2020-01-01'")
        conn.execute("UPDATE honed.peer SET expires_at = '2020-01-01'")
    text = cli.text("peers")
    assert "LOST" in text
    assert "CUT OFF: nothing is adopted" in text


def test_status_names_the_daemons(cli: CommandLine, shared_pair: Pair) -> None:
    assert "not running on this store" in cli.text("status")
    # By the real clock they hold their roles for a long time.
    shared_pair.keep()
    assert "primary on paris since" in cli.text("status")
    assert len(cli.json("status")["leases"]) == 2


def test_target_gets_its_place_in_the_pair(cli: CommandLine) -> None:
    url = "postgresql://honed_observe_shop@db.example/shop"
    cli.text("target", "add", "shop", "--url", url, "--twin", "shop", "--role", "secondary")
    assert cli.json("target", "show", "shop")["options"] == {"twin": "shop", "role": "secondary"}
    assert "half a place" in cli.refusal("target", "add", "other", "--url", url, "--twin", "x")


@pytest.mark.slow
def test_api_is_served_on_a_new_store_until_it_is_told_to_end(cli: CommandLine) -> None:
    env = {**os.environ, **cli.env, "HONED_API_PORT": "0"}
    with subprocess.Popen(
        [sys.executable, "-m", "honed", "serve", "--json"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        url = f"http://{where['host']}:{where['port']}/api/v1/health"
        answer = httpx.get(url, trust_env=False, timeout=DEADLINE_S)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=DEADLINE_S)
    assert answer.json() == {"status": "ok"}
    assert (process.returncode, said.strip()) == (0, "honed has ended")


def test_neither_way_in_uses_the_other() -> None:
    code = (
        "import sys\nimport honed.interfaces.http.command, honed.interfaces.http.evidence\n"
        "print([name for name in sys.modules if name.startswith('honed.interfaces.cli')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
