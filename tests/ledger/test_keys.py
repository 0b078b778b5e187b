"""Keys: kept from others, never replaced, and refused when they are not what they should be."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from honed.errors import ConfigurationError
from honed.ledger.keys import PublicKey, Signer


def test_the_key_is_created_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ledger.pem"
    signer = Signer.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Signer.load_or_create(path).public_key == signer.public_key
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    path = tmp_path / "ledger.pem"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: Signer.load_or_create(path).key_id, range(32)))
    assert len(keys) == 1


def test_signatures_verify_under_their_own_key_alone() -> None:
    signer, other = Signer.generate(), Signer.generate()
    signature = signer.sign(b"message")
    assert signer.public_key.verifies(signature, b"message")
    assert not signer.public_key.verifies(signature, b"messagf")
    assert not signer.public_key.verifies(signature[:-1], b"message")
    assert not signer.public_key.verifies(b"", b"message")
    assert not other.public_key.verifies(signature, b"message")


def test_a_public_key_survives_its_text() -> None:
    key = Signer.generate().public_key
    assert PublicKey.from_pem(key.to_pem()) == key
    assert key.to_pem().startswith("-----BEGIN PUBLIC KEY-----")


def test_a_signer_does_not_print_its_secret(tmp_path: Path) -> None:
    path = tmp_path / "ledger.pem"
    signer = Signer.load_or_create(path)
    assert repr(signer) == f"Signer(key_id={signer.key_id!r})"


def pem(key: Ed25519PrivateKey | X25519PrivateKey, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an unencrypted private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not an unencrypted"),
        (pem(X25519PrivateKey.generate()), "not an Ed25519 key"),
        (pem(Ed25519PrivateKey.generate(), b"secret"), "not an unencrypted private key"),
    ],
)
def test_a_file_that_is_no_key_is_refused_and_kept(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "ledger.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=message):
        Signer.load_or_create(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "ledger.pem"
    Signer.load_or_create(path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="others may read") as raised:
        Signer.load_or_create(path)
    assert raised.value.hint.startswith("chmod 600")


def test_a_missing_key_is_not_made_up(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        Signer.load(tmp_path / "ledger.pem")


def test_a_text_that_is_no_public_key_is_refused() -> None:
    x25519 = X25519PrivateKey.generate().public_key()
    text = x25519.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(ConfigurationError, match="not an Ed25519 key"):
        PublicKey.from_pem(text)
    with pytest.raises(ConfigurationError, match="not a public key"):
        PublicKey.from_pem("nothing")


def test_what_is_derived_is_the_same_for_one_key_and_one_purpose(tmp_path: Path) -> None:
    signer = Signer.load_or_create(tmp_path / "ledger.pem")
    derived = signer.derive("one")
    assert derived == Signer.load(tmp_path / "ledger.pem").derive("one")
    others = {signer.derive("two"), Signer.generate().derive("one"), derived}
    assert len(others) == 3
    assert {len(each) for each in others} == {32}
