"""What the how-to for exceptions says to write reports what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from honed.testing.commandline import CommandLine
from honed.testing.intake import IntakeServer

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "send-exceptions.md"
FENCED = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
DSN = re.compile(r"http://[0-9a-f]{32}@127\.0\.0\.1:8340/1")
#: What nobody catches.
FAILURE = "\nraise RuntimeError('planted')\n"


def blocks(language: str) -> list[str]:
    text = HOWTO.read_text(encoding="utf-8")
    return [body for found, body in FENCED.findall(text) if found == language]


@pytest.fixture
def dsn(cli: CommandLine, intake_server: IntakeServer) -> str:
    """Return the DSN that `honed project add` prints, with the port of the test's own server."""
    (add, _) = (line.split()[1:] for line in blocks("console")[0].splitlines())
    assert add == ["project", "add", "shop"]
    shown = urlsplit(cli.json("project", "add", "shop-of-how-to")["dsn"])
    assert shown.username is not None
    with intake_server.store.transaction() as conn:
        # By itself the server looks for keys that it does not know no more than once a second.
        intake_server.pipeline.registry.read(conn)
    return f"http://{shown.username}@{urlsplit(intake_server.url).netloc}{shown.path}"


def run(program: str, dsn: str, folder: Path) -> None:
    """Run a program that fails in the end."""
    file = folder / "shop.py"
    patient = program.replace("sample_rate=0.1)", "sample_rate=0.1, shutdown_timeout=60)")
    file.write_text(DSN.sub(dsn, patient), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(file)],
        env={"PATH": os.environ["PATH"], "NO_PROXY": "*", "HONED_FLUSH_S": "60"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "RuntimeError: planted" in done.stderr


def titles(server: IntakeServer) -> list[str]:
    (question,) = blocks("sql")
    return [row["title"] for row in server.rows(question)]


def test_an_sdk_of_sentry_reports(dsn: str, intake_server: IntakeServer, tmp_path: Path) -> None:
    init, *_ = blocks("python")
    assert len(init.split("\n\n")) == 2
    run(init + FAILURE, dsn, tmp_path)
    assert titles(intake_server) == ["RuntimeError: planted"]
    assert intake_server.rows("SELECT DISTINCT source, service, release FROM honed.signal") == [
        {"source": "sentry", "service": "shop", "release": "shop@1.2"}
    ]


def test_honed_s_own_client_reports(dsn: str, intake_server: IntakeServer, tmp_path: Path) -> None:
    _, init, report, handle = blocks("python")
    log = "\nlogging.error('no order %d', 7)\nlogging.warning('not told')\n"
    run(init + report + handle + log + FAILURE, dsn, tmp_path)
    assert sorted(titles(intake_server)) == [
        "KeyError: 'price'", "RuntimeError: planted", "no order 7",
    ]  # fmt: skip
    (said,) = intake_server.rows("SELECT text, rating, page FROM honed.user_feedback")
    assert said == {"text": "the cart is slow", "rating": 2.0, "page": "/cart"}
    sources = intake_server.rows("SELECT DISTINCT service, release FROM honed.signal")
    assert sources == [{"service": "cart", "release": "1.2"}]
