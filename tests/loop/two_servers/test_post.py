"""An envelope goes to the other server in secret, and no answer is waited for too long."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from honed.config import Settings, load_settings
from honed.errors import ConfigurationError, PeerUnavailable
from honed.loop.two_servers.post import post_over_http

#: A lease whose share for one request is over soon.
SHORT_S = 1.2


@pytest.fixture
def dripping() -> Iterator[str]:
    """Return the URL of a server that answers one byte at a time, and never ends."""
    over = threading.Event()

    def drip(door: socket.socket) -> None:
        try:
            connection, _ = door.accept()
            with connection:
                while not over.wait(0.02):
                    connection.sendall(b"H")
        except OSError:
            return  # the other one has had enough

    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(60)
        thread = threading.Thread(target=drip, args=(door,))
        thread.start()
        # Ends by itself if nobody does: a test that fails shall not hang.
        ending = threading.Timer(20, over.set)
        ending.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        over.set()
        ending.cancel()
        thread.join()


def test_whole_request_is_bounded_and_not_only_each_read(dripping: str) -> None:
    post = post_over_http(Settings(peer_url=dripping, lease_s=SHORT_S))
    with pytest.raises(PeerUnavailable, match=r"127\.0\.0\.1 does not answer: TimeoutError"):
        post(b"{}")


def test_no_more_of_a_url_than_its_host_is_told() -> None:
    settings = Settings(peer_url="http://localhost:9/secret?of=ours", lease_s=SHORT_S)
    with pytest.raises(PeerUnavailable) as caught:
        post_over_http(settings)(b"{}")
    assert str(caught.value) == "localhost does not answer: ConnectError"


@pytest.mark.parametrize("url", ["http://[/x", "http://localhost:99999", "http://localhost:x"])
def test_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="peer_url"):
        load_settings(peer_url=url)


@pytest.mark.parametrize(
    "url",
    ["https://ada:hunter2@paris.example", "https://ada@paris.example/", "http://:hunter2@[::1]:1"],
)
def test_url_with_a_password_is_refused_without_saying_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="peer_token_file names a token") as caught:
        load_settings(peer_url=url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://paris.example", "http://10.0.0.1:8340", "http://localhost.example", "http:///x"]
)
def test_token_goes_to_no_other_machine_in_the_clear(url: str) -> None:
    load_settings(peer_url=url)
    with pytest.raises(ConfigurationError, match=r"peer_token_file .*: the token would go in the"):
        load_settings(peer_url=url, peer_token_file=Path("token"))


@pytest.mark.parametrize(
    "url", ["https://paris.example", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost", ""]
)
def test_token_goes_in_secret_or_stays_on_this_machine(url: str) -> None:
    assert load_settings(peer_url=url, peer_token_file=Path("token")).peer_url == url
