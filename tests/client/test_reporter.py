"""A program reports with three lines, and neither waits nor fails for it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest

from honed.storage.server import Server
from honed.testing.corpus import PLANTED
from honed.testing.intake import IntakeServer, _spellings, dumped

SOURCE = Path(__file__).parents[2] / "src"


class Run(Protocol):
    def __call__(
        self, program: str, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return what runs a program that has nothing but Python's own library and the client."""

    def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "shop.py"
        file.write_text(program, encoding="utf-8")
        # -S: without any other package.
        command = [sys.executable, "-S", "-W", "error", str(file), *arguments]
        given = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SOURCE),
            "PYTHONUTF8": "1",
            "HONED_FLUSH_S": "60",
        }
        return subprocess.run(
            command,
            env={**given, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def dsn(intake_server: IntakeServer) -> str:
    host = urlsplit(intake_server.url).netloc
    return f"http://{intake_server.project.public_key}@{host}/{intake_server.project.project_id}"


def signals(server: IntakeServer) -> list[dict[str, Any]]:
    return server.rows("SELECT * FROM honed.signal ORDER BY signal_id")


def groups(server: IntakeServer) -> list[dict[str, Any]]:
    return server.rows("SELECT * FROM honed.signal_group ORDER BY first_seen_at")


CAUGHT = """
import honed

honed.init(service="cart", environment="production", release="1.2")

def total(items):
    currency = "EUR"
    try:
        return items["price"]
    except KeyError as error:
        raise ValueError("no price") from error

for _ in range(3):
    try:
        total({})
    except ValueError as error:
        first = honed.capture_exception(tags={"plan": "free"})
        assert len(first) == 32
        assert honed.capture_exception(error) == first
assert honed.capture_exception() == ""
assert len(honed.feedback("the cart is slow", 2, page="/cart", properties={"plan": "free"})) == 32
"""


def test_exceptions_and_feedback_are_reported_until_the_end(
    run: Run, intake_server: IntakeServer, dsn: str
) -> None:
    done = run(CAUGHT, HONED_DSN=dsn)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    *thrown, said = signals(intake_server)
    assert [each["subject"] for each in thrown] == ["ValueError at shop.total"] * 3
    assert {each["service"] for each in thrown} == {"cart"}
    body = thrown[0]["body"]
    assert [each["type"] for each in body["exceptions"]] == ["KeyError", "ValueError"]
    assert body["exceptions"][1]["frames"][-1]["vars"]["currency"] == "'EUR'"
    assert body["tags"] == {"service": "cart", "plan": "free"}
    assert (said["type"], said["value"]) == ("feedback", 2.0)
    (shown,) = intake_server.rows("SELECT * FROM honed.user_feedback")
    assert (shown["text"], shown["page"]) == ("the cart is slow", "/cart")
    assert [group["event_count"] for group in groups(intake_server)] == [3]
    assert intake_server.counts("skipped") == {}


UNCAUGHT = """
import threading
import honed

honed.init()

def work():
    {}["key"]

thread = threading.Thread(target=work)
thread.start()
thread.join()
1 / 0
"""


def test_what_nobody_catches_is_reported_and_shown_as_before(
    run: Run, intake_server: IntakeServer, dsn: str
) -> None:
    done = run(UNCAUGHT, HONED_DSN=dsn)
    assert done.returncode == 1
    assert "KeyError: 'key'" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    found = signals(intake_server)
    assert [each["subject"] for each in found] == [
        "KeyError at shop.work", "ZeroDivisionError at shop.<module>",
    ]  # fmt: skip
    assert {each["body"]["exceptions"][-1]["handled"] for each in found} == {False}


LOGGED = """
import logging
import sys
from honed.client.logging import Handler

log = logging.getLogger("shop.cart")
log.addHandler(Handler(level=logging.INFO))
log.setLevel(logging.DEBUG)
log.debug("not told")
log.info("sold %d", 3)
for order in (7, 8):
    log.error("no order %d", order, extra={"plan": "free", "password": "x"})
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broken: %s", object)
log.critical({"not": "text"})
log.error("too few %s %s", 1)
logging.getLogger("honed.client").error("not told")
"""


def test_what_is_logged_is_reported(run: Run, intake_server: IntakeServer, dsn: str) -> None:
    done = run(LOGGED, HONED_DSN=dsn, HONED_SERVICE="cart", HONED_RELEASE="1.2")
    assert done.returncode == 0, done.stderr
    sold, seven, eight, broken, critical = signals(intake_server)
    assert (sold["type"], sold["fingerprint"], sold["service"]) == ("log", "", "cart")
    assert sold["body"]["message"] == "sold 3"
    assert (sold["body"]["level"], sold["body"]["params"]) == ("info", {"0": 3})
    assert seven["fingerprint"] == eight["fingerprint"] != ""
    assert (seven["subject"], seven["release"]) == ("shop.cart", "1.2")
    assert seven["body"]["template"] == "no order %d"
    assert seven["body"]["params"] == [7]
    assert seven["body"]["extra"] == {"plan": "free", "password": "[Filtered]"}
    assert (broken["type"], broken["body"]["message"]) == (
        "exception", "broken: <class 'object'>",
    )  # fmt: skip
    assert (critical["body"]["message"], critical["body"]["level"]) == ("{'not': 'text'}", "fatal")


SILENT = """
import honed
assert honed.capture_exception(ValueError("a")) == ""
assert honed.feedback("slow") == ""
assert honed.flush()
honed.init()
assert honed.capture_exception(ValueError("a")) == ""
"""


@pytest.mark.parametrize("dsn", ["", " ", "nonsense", "http://k3y@[::1/7"])
def test_without_a_dsn_nothing_is_done(run: Run, dsn: str) -> None:
    done = run(SILENT, HONED_DSN=dsn)
    assert done.returncode == 0, done.stderr
    assert ("nothing is reported to honed" in done.stderr) is bool(dsn.strip())
    assert "k3y" not in done.stderr


AWKWARD = """
import sys
import honed
from honed.client import reporter

honed.init()

class Bad(Exception):
    def __str__(self):
        raise OSError
    def __getattribute__(self, name):
        raise OSError(name)

assert honed.capture_exception(Bad()) == ""
assert honed.capture_exception("no exception") == ""
assert honed.feedback(object(), rating=object(), properties=7) == ""
print(dict(reporter.lost()))
"""


def test_what_goes_wrong_raises_nothing_and_is_counted(run: Run, dsn: str) -> None:
    done = run(AWKWARD, HONED_DSN=dsn)
    assert (done.returncode, done.stdout) == (0, "{'internal_error': 3}\n"), done.stderr


FORKED = """
import os
import honed

honed.init()
honed.capture_exception(ValueError("in the parent"))
child = os.fork()
if not child:
    honed.capture_exception(ValueError("in the child"))
    honed.flush(20)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_process_reports_its_own(run: Run, intake_server: IntakeServer, dsn: str) -> None:
    done = run(FORKED, HONED_DSN=dsn)
    assert done.returncode == 0, done.stderr
    said = sorted(each["body"]["title"] for each in signals(intake_server))
    assert said == ["ValueError: in the child", "ValueError: in the parent"]


LIGHT = """
import sys
before = set(sys.modules)
import honed
assert not [name for name in sys.modules if name.startswith("honed.")]
assert len(set(sys.modules) - before) < 10, set(sys.modules) - before
honed.capture_exception
assert not {"asyncio", "http.client", "ssl"} & set(sys.modules)
loaded = {name.partition(".")[0] for name in sys.modules}
assert loaded - sys.stdlib_module_names == {"__main__", "honed"}
try:
    honed.nothing
except AttributeError as error:
    assert "nothing" in str(error)
"""


def test_importing_it_costs_little(run: Run) -> None:
    done = run(LIGHT)
    assert done.returncode == 0, done.stderr


HARMED = """
import json
import logging
import sys
import honed
from honed.client.logging import Handler

honed.init()
log = logging.getLogger("shop")
log.addHandler(Handler(logging.INFO))
log.setLevel(logging.INFO)
log.propagate = False

def pay(text):
    note = {"said": [text]}
    raise RuntimeError(text)

for text in json.load(open(sys.argv[1], encoding="utf-8")):
    log.info("paid %s", text)
    log.error("cannot pay %s", text, extra={"note": text})
    try:
        pay(text)
    except RuntimeError:
        honed.capture_exception(tags={"text": text})
    honed.feedback(text, user=text, page=text, properties={"text": text})
    honed.flush(60)
"""


def test_no_secret_survives(
    run: Run, intake_server: IntakeServer, dsn: str, postgres_server: Server, tmp_path: Path
) -> None:
    planted = tmp_path / "planted.json"
    planted.write_text(json.dumps([each.text for each in PLANTED]), encoding="utf-8")
    done = run(HARMED, str(planted), HONED_DSN=dsn)
    assert done.returncode == 0, done.stderr
    stored = intake_server.rows("SELECT type, count(*) FROM honed.signal GROUP BY type")
    number = len(PLANTED)
    assert {row["type"]: row["count"] for row in stored} == {
        "exception": number, "log": 2 * number, "feedback": number,
    }  # fmt: skip
    intake_server.pipeline.store_counts()
    dump = dumped(intake_server.store, postgres_server)
    assert b"cannot pay" in dump
    survived = [
        each.name for each in PLANTED if any(written in dump for written in _spellings(each.secret))
    ]
    assert survived == []
