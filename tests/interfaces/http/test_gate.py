"""Who is let in: by name, from nowhere else, with the token, with a body of a fair size."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, Request

from honed.config import Settings, is_loopback
from honed.errors import ConfigurationError
from honed.interfaces.http.app import create_app
from honed.interfaces.http.evidence import health_router
from honed.interfaces.http.gate import MAX_BODY_BYTES, Rules, host_name
from honed.interfaces.http.server import listening
from honed.testing.commandline import CommandLine
from honed.testing.pair import served

TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - it opens nothing
#: Longest wait for an answer, shorter than that of the gate for a body.
ANSWER_S = 8.0


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


def echo_router() -> APIRouter:
    """Return a router that is behind the gate, and says how much has arrived."""
    router = APIRouter(prefix="/api/v1")

    @router.post("/evidence")
    async def take(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    @router.get("/broken")
    async def fail() -> None:
        msg = "a secret of ours"
        raise RuntimeError(msg)

    return router


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return where an API is that asks for a token."""
    names = Rules.of(Settings(api_names="paris.example, other")).names
    with served(create_app(Rules(names, TOKEN), [health_router(), echo_router()])) as url:
        yield url


@pytest.fixture
def api(url: str) -> Iterator[httpx.Client]:
    """Return a client that has the token."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        yield client


def refusal(answer: httpx.Response, status: int) -> str:
    """Return what a refusal says; it has an error and a hint."""
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert said["hint"]
    return str(said["error"])


def test_health_needs_no_token_and_says_nothing(api: httpx.Client) -> None:
    answer = api.get("/api/v1/health", headers={"Authorization": ""})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "server" not in answer.headers


@pytest.mark.parametrize(
    "given", [b"", b"Bearer", b"Bearer " + TOKEN.encode() + b"x", b"Bearer \xe9", b"Basic abc"]
)
def test_token_is_asked_for(api: httpx.Client, given: bytes) -> None:
    headers = {b"Authorization": given}
    answer = api.post("/api/v1/evidence", content=b"{}", headers=headers)
    assert refusal(answer, 401) == "the token is missing or wrong"


@pytest.mark.parametrize("host", ["evil.example", "", "127.0.0.1.evil.example", "[::2]"])
def test_server_answers_to_its_own_names_only(api: httpx.Client, host: str) -> None:
    answer = api.get("/api/v1/health", headers={"Host": host})
    assert refusal(answer, 421) == "this server is not called that"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:8", "Paris.Example:443", "other"]
)
def test_server_answers_to_each_of_its_names(api: httpx.Client, host: str) -> None:
    assert api.get("/api/v1/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "strange"])
def test_pages_of_other_sites_send_nothing(api: httpx.Client, site: str) -> None:
    answer = api.post("/api/v1/evidence", content=b"{}", headers={"Sec-Fetch-Site": site})
    assert refusal(answer, 403) == "a page of another site has sent this"


def chunks(size: int) -> Iterator[bytes]:
    """Yield a body whose size nobody announces."""
    for _ in range(size // 1024 + 1):
        yield b"x" * 1024


def test_large_bodies_are_refused_announced_or_not(api: httpx.Client) -> None:
    for body in (b"x" * (MAX_BODY_BYTES + 1), chunks(MAX_BODY_BYTES)):
        answer = api.post("/api/v1/evidence", content=body)
        assert "more than" in refusal(answer, 413)


def half_a_request(api: httpx.Client, line: str) -> str:
    """Return the answer to a request whose body is announced, begun and never ended."""
    host, port = api.base_url.host, api.base_url.port
    assert port is not None
    head = f"{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n"
    with socket.create_connection((host, port), timeout=ANSWER_S) as connection:
        connection.sendall(f"{head}Content-Length: 100\r\nConnection: close\r\n\r\n{{".encode())
        with connection.makefile("rb") as answer:
            return answer.read().decode()


def test_body_that_does_not_come_is_not_waited_for(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("honed.interfaces.http.gate.BODY_S", 0.1)
    answer = half_a_request(api, "POST /api/v1/evidence")
    assert answer.startswith("HTTP/1.1 408")
    assert "the body did not come" in answer


def test_who_needs_no_token_sends_no_body(api: httpx.Client) -> None:
    answer = half_a_request(api, "GET /api/v1/health")
    assert answer.startswith("HTTP/1.1 200")


def test_whole_body_arrives(api: httpx.Client) -> None:
    for body in (b"x" * MAX_BODY_BYTES, chunks(5000), b""):
        assert api.post("/api/v1/evidence", content=body).status_code == 200
    assert api.post("/api/v1/evidence", content=b"12345").json() == {"size": 5}


def test_error_of_our_own_is_said_in_json_without_its_words(api: httpx.Client) -> None:
    answer = api.get("/api/v1/broken")
    assert refusal(answer, 500) == "an error of this server"
    assert "secret" not in answer.text


def test_what_is_not_there_is_said_in_json(api: httpx.Client) -> None:
    refusal(api.get("/"), 404)
    refusal(api.get("/docs"), 404)
    refusal(api.get("/openapi.json"), 404)
    refusal(api.get("/api/v1/evidence"), 405)


def test_elsewhere_than_on_the_loopback_it_listens_with_a_token_only(token_file: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "paris.example"):  # noqa: S104 - what is refused
        with pytest.raises(ConfigurationError, match="for everybody who comes"):
            Rules.of(Settings(api_host=host))
        rules = Rules.of(Settings(api_host=host, api_token_file=token_file))
        assert rules.token == TOKEN
        assert "0.0.0.0" not in rules.names  # noqa: S104 - likewise
    assert Rules.of(Settings()).token == ""


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (TOKEN, 0o644, "others may read"),
        ("short", 0o600, "shorter"),
        ("\u00e9" * 20, 0o600, "read"),
    ],
)
def test_token_is_long_and_its_owners(tmp_path: Path, content: str, mode: int, said: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=said):
        Rules.of(Settings(api_token_file=path))


def test_taken_port_is_said(cli: CommandLine) -> None:
    cli.text("config", "apply")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        cli.env["HONED_API_PORT"] = str(taken.getsockname()[1])
        assert "cannot listen on 127.0.0.1" in cli.refusal("serve")
    cli.env["HONED_API_HOST"] = "0.0.0.0"  # noqa: S104 - what is refused
    assert "for everybody who comes" in cli.refusal("serve")


def test_free_port_is_found() -> None:
    with listening(Settings(api_port=0)) as door:
        assert door.getsockname()[1] > 0


def test_names_are_read_from_what_clients_send() -> None:
    assert [host_name(each) for each in ("A.b:1", "[::1]:2", "[::1]", "a", "")] == [
        "a.b", "::1", "::1", "a", "",
    ]  # fmt: skip
    assert [is_loopback(each) for each in ("127.0.0.1", "127.9.9.9", "::1", "localhost")] == [
        True, True, True, True,
    ]  # fmt: skip
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("example")
