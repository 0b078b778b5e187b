"""Requests to a forge: patient within bounds, and the token goes nowhere else."""

import itertools
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from honed.core.forge import Forge, Proposal
from honed.errors import (
    ConfigurationError,
    ForgeError,
    ForgeRefused,
    ForgeUnavailable,
    RateLimited,
)
from honed.forge import wire
from honed.forge.address import checked_root, next_link
from honed.forge.client import MOST_PATIENCE_S, Client
from honed.forge.connect import Place, connect
from honed.forge.patience import retry_after_s
from honed.forge.secret import Secret, read_secret
from honed.testing.forges.github import GITHUB
from honed.testing.forges.server import Call, FakeForge, Said, Trouble, running
from honed.testing.forges.waits import Waits

PROPOSAL = Proposal("improvement/12", "main", "x", "y")


@pytest.fixture
def dialect() -> object:
    """One dialect: what is between a client and a forge is the same for all."""
    return GITHUB


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_forge_that_asks_for_patience_gets_it(
    fake: FakeForge, forge: Forge, waits: Waits, status: int
) -> None:
    fake.troubles.append(Trouble(Said(status, {"message": "slow down"}, {"Retry-After": "7"}), 2))
    assert forge.repository().full_name == "shop/cart"
    assert waits.waited_s == [7.0, 7.0]


def test_an_exhausted_limit_is_waited_for(fake: FakeForge, forge: Forge, waits: Waits) -> None:
    reset = str(int(waits.now_s) + 30)
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
    fake.troubles.append(Trouble(Said(403, {"message": "API rate limit exceeded"}, headers)))
    forge.repository()
    assert waits.waited_s == [31.0]


def test_patience_ends_and_says_when_to_come_again(
    fake: FakeForge, forge: Forge, waits: Waits
) -> None:
    fake.troubles.append(Trouble(Said(403, {}, {"Retry-After": "1800"}), 9))
    with pytest.raises(RateLimited) as refused:
        forge.repository()
    assert refused.value.retry_after_s == 1800
    assert waits.waited_s == []


def test_many_short_waits_do_not_add_up_to_a_long_one(
    fake: FakeForge, forge: Forge, waits: Waits
) -> None:
    fake.troubles.append(Trouble(Said(429, {}, {"Retry-After": "25"}), 99))
    with pytest.raises(RateLimited):
        forge.repository()
    assert sum(waits.waited_s) <= MOST_PATIENCE_S


def test_a_403_without_a_limit_is_no_matter_of_patience(
    fake: FakeForge, forge: Forge, waits: Waits
) -> None:
    said = {"message": "Resource not accessible by personal access token"}
    fake.troubles.append(Trouble(Said(403, said)))
    with pytest.raises(ForgeRefused, match=r"FORGE_TOKEN does not allow this.*not accessible"):
        forge.repository()
    assert waits.waited_s == []


def test_a_gateway_in_trouble_is_asked_again_for_what_may_be_repeated(
    fake: FakeForge, forge: Forge, waits: Waits
) -> None:
    fake.troubles.append(Trouble(Said(502, b"<html>"), 2))
    forge.repository()
    assert waits.waited_s == [1.0, 2.0]
    fake.troubles.append(Trouble(Said(504, b"<html>"), 1, where="^POST"))
    with pytest.raises(ForgeUnavailable, match="504"):
        forge.comment(1, "once")
    assert fake.asked("POST") == ["/api/v3/repos/shop/cart/issues/1/comments"]


def test_nobody_there_is_said_in_one_line(waits: Waits) -> None:
    with running(lambda _: Said(200)) as url:
        pass
    forge = connect(
        Place("github", "shop/cart", url, "T"), clock=waits.clock, environment={"T": "x" * 20}
    )
    with pytest.raises(ForgeUnavailable, match=r"127\.0\.0\.1 does not answer: ConnectError"):
        forge.repository()
    assert waits.waited_s == [1.0, 2.0, 4.0]


def test_the_token_is_in_one_header_and_nowhere_else(fake: FakeForge, forge: Forge) -> None:
    forge.open(PROPOSAL)
    forge.checks(fake.repository.branches["main"])
    for call in fake.calls:
        assert call.headers["authorization"] == f"Bearer {fake.token}"
        others = {name: value for name, value in call.headers.items() if name != "authorization"}
        assert fake.token not in f"{call.target} {others} {call.body}"
    assert fake.token not in repr(forge)


def test_a_forge_that_repeats_the_token_is_not_repeated(fake: FakeForge, forge: Forge) -> None:
    fake.troubles.append(Trouble(Said(401, {"message": f"bad token {fake.token}\x1b[2J"})))
    with pytest.raises(ForgeRefused) as refused:
        forge.repository()
    assert fake.token not in str(refused.value)
    assert "bad token ***" in str(refused.value)
    assert str(refused.value).isprintable()


def test_no_part_of_a_token_is_left_where_words_are_cut(fake: FakeForge, forge: Forge) -> None:
    fake.troubles.append(Trouble(Said(422, {"message": f"{'x' * 290}{fake.token}"})))
    with pytest.raises(ForgeRefused) as refused:
        forge.repository()
    assert fake.token[:4] not in str(refused.value)


def test_a_redirect_at_home_is_followed_with_the_token(fake: FakeForge, forge: Forge) -> None:
    moved = Said(301, {}, {"Location": f"{fake.url}/api/v3/repos/shop/cart"})
    fake.troubles.append(Trouble(moved, where="GET"))
    assert forge.repository().full_name == "shop/cart"
    assert all("authorization" in call.headers for call in fake.calls)


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[Call]]]:
    heard: list[Call] = []

    def answer(call: Call) -> Said:
        heard.append(call)
        return Said(200, {})

    with running(answer) as url:
        yield url, heard


def test_a_redirect_to_another_host_does_not_get_the_token(
    fake: FakeForge, forge: Forge, elsewhere: tuple[str, list[Call]]
) -> None:
    url, heard = elsewhere
    fake.troubles.append(Trouble(Said(302, {}, {"Location": f"{url}/raw"}), 9))
    with pytest.raises(ForgeError, match="is not followed"):
        forge.file("shop/cart.py", "main")
    # In the clear it is not even asked; over https it is, without the token.
    assert heard == []


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """Return how a server shows a certificate that this process trusts for the moment."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    shown, kept = tmp_path / "certificate.pem", tmp_path / "key.pem"
    shown.write_bytes(certificate.public_bytes(Encoding.PEM))
    kept.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, kept)
    monkeypatch.setenv("SSL_CERT_FILE", str(shown))
    wire._tls.cache_clear()
    yield context
    wire._tls.cache_clear()


def test_a_reading_redirect_is_followed_over_tls_without_the_token(
    fake: FakeForge, forge: Forge, tls: ssl.SSLContext
) -> None:
    heard: list[Call] = []

    def answer(call: Call) -> Said:
        heard.append(call)
        return Said(200, b"total = 0\n")

    with running(answer, tls=tls) as url:
        fake.troubles.append(Trouble(Said(302, {}, {"Location": f"{url}/raw"})))
        assert forge.file("shop/cart.py", "main") == b"total = 0\n"
    assert "authorization" not in heard[0].headers
    assert fake.token not in f"{heard[0].target} {heard[0].headers}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_what_is_written_is_not_redirected_to_another_host(
    fake: FakeForge, forge: Forge, elsewhere: tuple[str, list[Call]], status: int
) -> None:
    url, heard = elsewhere
    fake.troubles.append(Trouble(Said(status, {}, {"Location": url}), where="POST"))
    with pytest.raises(ForgeError, match="redirects POST"):
        forge.comment(1, "secret plans")
    assert heard == []


def test_a_ring_of_redirects_ends(fake: FakeForge, forge: Forge) -> None:
    fake.troubles.append(Trouble(Said(302, {}, {"Location": "/api/v3/repos/shop/cart"}), 99))
    with pytest.raises(ForgeError, match="more than 3 times"):
        forge.repository()


def test_a_next_page_on_another_host_is_not_read(
    fake: FakeForge, forge: Forge, elsewhere: tuple[str, list[Call]]
) -> None:
    url, heard = elsewhere
    fake.troubles.append(Trouble(Said(200, [], {"Link": f'<{url}/pulls?page=2>; rel="next"'})))
    with pytest.raises(ForgeError, match="another host"):
        forge.own_open("improvement/")
    assert heard == []


def test_pages_without_end_are_not_taken_for_all(fake: FakeForge, forge: Forge) -> None:
    on = {"Link": f'<{fake.url}/api/v3/repos/shop/cart/pulls?page=2>; rel="next"'}
    fake.troubles.append(Trouble(Said(200, [], on), 999))
    with pytest.raises(ForgeError, match="more than 20 pages"):
        forge.own_open("improvement/")


@pytest.mark.parametrize(
    "said",
    [
        Said(200, b"<html>a proxy</html>"),
        Said(200, b"[" * 100_000),
        Said(200, []),
        Said(200, {"full_name": 7}),
        Said(200, {"full_name": "shop/cart"}),
        Said(200, b"null"),
    ],
)
def test_what_is_no_answer_of_a_forge_is_named(fake: FakeForge, forge: Forge, said: Said) -> None:
    fake.troubles.append(Trouble(said))
    with pytest.raises(ForgeUnavailable, match="forge"):
        forge.repository()


def test_an_answer_that_is_too_large_is_not_read(fake: FakeForge, forge: Forge) -> None:
    fake.troubles.append(Trouble(Said(200, b" " * (wire.MOST_BYTES + 1))))
    with pytest.raises(ForgeError, match="larger than"):
        forge.repository()


def test_an_encoded_answer_is_not_inflated(fake: FakeForge, forge: Forge) -> None:
    fake.troubles.append(Trouble(Said(200, b"\x1f\x8b", {"Content-Encoding": "gzip"}), 9))
    with pytest.raises(ForgeUnavailable, match="encoded"):
        forge.repository()
    assert {call.headers["accept-encoding"] for call in fake.calls} == {"identity"}


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "999999999"}, 86_400.0),
        ({"retry-after": formatdate(1_000_030, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(900_000, usegmt=True)}, 0.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86_400.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000010"}, 11.0),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "1000010"}, None),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "1000010"}, 11.0),
    ],
)
def test_how_long_a_forge_asks_to_be_left_alone(
    headers: dict[str, str], wait_s: float | None
) -> None:
    assert retry_after_s(headers, 1_000_000.0) == wait_s


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("", ""),
        ('<https://a/?page=2>; rel="next", <https://a/?page=9>; rel="last"', "https://a/?page=2"),
        ('<https://a/?page=1>; rel="prev"', ""),
        ('<https://a/?page=1>; rel="nextish"; rel=next2', ""),
        ("<https://a/?a=1,2>; rel='next'", "https://a/?a=1,2"),
    ],
)
def test_the_next_page(header: str, target: str) -> None:
    assert next_link(header) == target


@pytest.mark.parametrize(
    "url",
    [
        "http://forge.example",
        "https://user:secret@forge.example",
        "https://forge.example/?token=secret",
        "https://forge.example/#x",
        "ftp://forge.example",
        "forge.example",
        "https://forge.example:port",
        "https://[",
        "",
    ],
)
def test_an_address_to_which_no_token_should_go(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        checked_root(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://forge.example/sub/", "http://127.0.0.1:3000", "http://localhost"]
)
def test_an_address_of_a_forge(url: str) -> None:
    assert checked_root(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "value", ["", "   ", "sh0rt", "with blank in it", "línea-de-token", "a\nb" * 9]
)
def test_what_is_no_token_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(ConfigurationError, match="TOKEN_OF_SHOP") as refused:
        read_secret("TOKEN_OF_SHOP", {"TOKEN_OF_SHOP": value})
    assert not value.strip() or value not in str(refused.value)


def test_a_secret_is_never_shown() -> None:
    secret = read_secret("T", {"T": " ghp_0123456789abcdef \n"})
    client = Client("https://x", secret, {"Authorization": f"Bearer {secret.reveal()}"})
    for shown in (repr(secret), str(secret), f"{secret}", repr(client), repr([secret])):
        assert "0123456789" not in shown
    assert secret.hidden_in("it is ghp_0123456789abcdef!") == "it is ***!"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"kind": "sourceforge"}, "no forge that honed knows"),
        ({"repository": "cart"}, "no name of a repository"),
        ({"repository": "shop/../../admin"}, "no name of a repository"),
        ({"repository": "shop/cart?x=1"}, "no name of a repository"),
        ({"kind": "forgejo"}, "no forgejo that everybody means"),
        ({"token_variable": "NOT_SET"}, "NOT_SET is not set"),
    ],
)
def test_a_place_that_is_none(changed: dict[str, str], words: str) -> None:
    said = {"kind": "github", "repository": "shop/cart", "token_variable": "T", **changed}
    with pytest.raises(ConfigurationError, match=words):
        connect(Place(**said), environment={"T": "x" * 20})


@pytest.mark.parametrize(
    ("kind", "url", "root"),
    [
        ("github", "", "https://api.github.com"),
        ("github", "https://github.com/", "https://api.github.com"),
        ("github", "https://git.example", "https://git.example/api/v3"),
        ("gitlab", "", "https://gitlab.com/api/v4"),
        ("gitlab", "https://example.com/gitlab", "https://example.com/gitlab/api/v4"),
        ("forgejo", "https://codeberg.example", "https://codeberg.example/api/v1"),
    ],
)
def test_where_the_api_of_a_forge_is(kind: str, url: str, root: str) -> None:
    made = connect(Place(kind, "shop/cart", url, "T"), environment={"T": "x" * 20})
    assert made.client.root == root  # type: ignore[attr-defined]  # every adapter has one


def test_names_in_paths_cannot_lead_elsewhere(fake: FakeForge, forge: Forge) -> None:
    for ref in ("../../admin", "a/b?c#d", "%2e%2e/x"):
        assert forge.file("shop/cart.py", ref) is None
        assert not forge.contains(ref, ref)
    assert not forge.checks("../../../admin")
    for path in fake.asked():
        assert path.startswith("/api/v3/repos/shop/cart/")


def test_a_secret_is_not_equal_to_its_text() -> None:
    values = [Secret("0123456789"), "0123456789"]
    assert all(a is b or a != b for a, b in itertools.product(values, values))
