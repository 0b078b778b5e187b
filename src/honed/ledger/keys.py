"""The Ed25519 keys that the ledger is signed with, and the files they live in."""

import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from honed.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half of a key that everybody may have: it checks signatures."""

    #: The 32 bytes of RFC 8032.
    raw: bytes

    @property
    def key_id(self) -> str:
        """The SHA-256 of the key as 64 hexadecimal digits; names the key, proves nothing."""
        return hashlib.sha256(self.raw).hexdigest()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return whether ``signature`` was made over ``message`` with the other half."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def to_pem(self) -> str:
        """Return the key as PEM (SubjectPublicKeyInfo), which openssl reads too."""
        key = Ed25519PublicKey.from_public_bytes(self.raw)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @classmethod
    def from_pem(cls, text: str) -> "PublicKey":
        """Return the key that ``to_pem`` wrote.

        Raises:
            ConfigurationError: it is not an Ed25519 public key.
        """
        try:
            key = load_pem_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            msg = "this is not a public key in PEM form"
            raise ConfigurationError(msg, hint=_PUBLIC_KEY_HINT) from error
        if not isinstance(key, Ed25519PublicKey):
            msg = "this public key is not an Ed25519 key"
            raise ConfigurationError(msg, hint=_PUBLIC_KEY_HINT)
        return cls(key.public_bytes_raw())


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key. It is never printed, compared or pickled by accident."""

    _key: Ed25519PrivateKey

    def __repr__(self) -> str:
        """Return a text without the secret."""
        return f"Signer(key_id={self.key_id!r})"

    @property
    def public_key(self) -> PublicKey:
        """The half that checks what this one signs."""
        return PublicKey(self._key.public_key().public_bytes_raw())

    @property
    def key_id(self) -> str:
        """The id of the public half."""
        return self.public_key.key_id

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature over ``message`` (RFC 8032)."""
        return self._key.sign(message)

    def derive(self, purpose: str) -> bytes:
        """Return 32 secret bytes for another purpose: the same wherever this key is (RFC 5869).

        Whoever has them cannot sign, and cannot derive those of another purpose.
        """
        secret = HKDF(hashes.SHA256(), length=32, salt=None, info=purpose.encode())
        return secret.derive(self._key.private_bytes_raw())

    @classmethod
    def generate(cls) -> "Signer":
        """Return a new key that no file holds."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load_or_create(cls, path: Path) -> "Signer":
        """Return the key in ``path``; a new one is written there, readable by its owner alone.

        Two processes that start at once get the same key. The folder is made if need be.

        Raises:
            ConfigurationError: the file is not an Ed25519 private key, or others may read it.
        """
        if not path.exists():
            _create(path, Ed25519PrivateKey.generate())
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> "Signer":
        """Return the key in ``path``.

        Raises:
            ConfigurationError: there is no such file, it is not an Ed25519 private key, or others
                may read it.
        """
        return cls(_read(path))


_PUBLIC_KEY_HINT = "give the file with the public key of the ledger's signer"


def _create(path: Path, key: Ed25519PrivateKey) -> None:
    """Write ``key`` so that ``path`` is either absent or whole, and never overwritten."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link fails where a rename would replace the key of a process that was faster.
            path.hardlink_to(draft)
        except FileExistsError:
            return
    finally:
        draft.unlink()


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        pem = path.read_bytes()
    except OSError as error:
        msg = f"the ledger's key {path} cannot be read: {error.strerror}"
        hint = "honed makes it when it first runs; to check from elsewhere, give the public key"
        raise ConfigurationError(msg, hint=hint) from error
    if mode & 0o077:
        msg = f"others may read the ledger's key {path} (mode {mode:04o})"
        raise ConfigurationError(msg, hint=f"chmod 600 {path}; whoever read it can sign as honed")
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        msg = f"{path} is not an unencrypted private key in PEM form"
        raise ConfigurationError(msg, hint=_restore_hint(path)) from error
    if not isinstance(key, Ed25519PrivateKey):
        msg = f"{path} is not an Ed25519 key"
        raise ConfigurationError(msg, hint=_restore_hint(path))
    return key


def _restore_hint(path: Path) -> str:
    return (
        f"restore {path} from a backup; with another key the entries that are there do not verify"
    )
