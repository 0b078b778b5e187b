"""What a repository's row says of how its tests are run."""

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from honed.config import Settings
from honed.core.canonical import Json
from honed.errors import ConfigurationError
from honed.targets.registry import TargetRecord
from honed.targets.repository.judging.judge import Checkout
from honed.targets.repository.source import Source
from honed.testing.repository_worlds import require_sandbox

ASKS_A_SERVER = """import os
import socket


def test_asks_a_server():
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(os.environ["SHOP_SERVER"])
        assert asking.recv(5) == b"ready"
"""


class Answer(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"ready")


@pytest.fixture
def server() -> Iterator[Path]:
    """Return the socket of a server that everybody may ask."""
    with TemporaryDirectory(prefix="shop-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "server.socket")
        with socketserver.UnixStreamServer(str(path), Answer) as made:
            path.chmod(0o777)
            serving = threading.Thread(target=made.serve_forever)
            serving.start()
            yield path
            made.shutdown()
            serving.join()


def source(**options: Json) -> Source:
    return Source(TargetRecord("shop", "/srv/shop", sort="repository", options=options), Settings())


@pytest.mark.slow
def test_tests_reach_a_server_that_was_named_and_no_other(server: Path, tmp_path: Path) -> None:
    require_sandbox()
    (tmp_path / "test_server.py").write_text(ASKS_A_SERVER)
    variable = f"SHOP_SERVER={server}"
    named = source(sockets=[str(server)], environment=[variable]).court
    unnamed = source(environment=[variable]).court
    passed, refused = (Checkout(tmp_path, {}, court).run_tests() for court in (named, unnamed))
    assert passed.passed == {"test_server.py::test_asks_a_server"}, passed
    assert refused.broken == {"test_server.py::test_asks_a_server"}


@pytest.mark.parametrize(
    ("option", "said", "why"),
    [
        ("tests", "tests", "no list of texts"),
        ("sockets", [7], "no list of texts"),
        ("sockets", ["run/pg"], "no whole paths"),
        ("environment", ["SHOP"], "cannot be read"),
        ("environment", ["=1"], "cannot be read"),
        ("environment", ["A B=1"], "cannot be read"),
    ],
)
def test_a_row_that_is_odd_is_told_so(option: str, said: Json, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        _ = source(**{option: said}).court
