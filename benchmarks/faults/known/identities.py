"""Numbers of customers, their keys, and what they may do."""

# ruff: noqa: D101, D103, EM102, S106, TRY003 - its bugs are what matters here

import hashlib
import hmac
import uuid
from collections.abc import Callable
from functools import partial

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, SecretStr, TypeAdapter


class Token(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: uuid.UUID
    secret: SecretStr


class NotAllowed(Exception):
    """The role does not include the act."""


class Quota(Exception):
    """The customer has used all there is."""


def identifier(text: str) -> uuid.UUID:
    return uuid.UUID(text)


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def decrypt(key: bytes, data: bytes) -> bytes:
    return AESGCM(key).decrypt(b"\0" * 12, data, None)


def verify(signature: bytes, text: bytes) -> None:
    KEY.public_key().verify(signature, text, ec.ECDSA(hashes.SHA256()))


def load(pem: bytes, password: bytes | None) -> object:
    return serialization.load_pem_private_key(pem, password)


def digest(name: str, text: bytes) -> str:
    return hashlib.new(name, text).hexdigest()


def same(one: object, other: object) -> bool:
    return hmac.compare_digest(one, other)


def subject(payload: dict) -> uuid.UUID:
    return Token(**payload).subject


def renew(token: Token, subject_id: str) -> Token:
    token.subject = subject_id
    return token


def numbers(values: object) -> list[int]:
    return TypeAdapter(list[int]).validate_python(values)


def allow(role: str, act: str) -> None:
    if act not in {"viewer": {"read"}, "admin": {"read", "write"}}[role]:
        raise NotAllowed(f"{role} may not {act}")


def use(customer: str, used: int, quota: int) -> int:
    left = quota - used
    if left < 0:
        message = f"{customer} used {used} of {quota}"
        raise Quota(message)
    return left


def sealed(length: int) -> bytes:
    return decrypt(b"k" * 16, b"x" * length)


def as_role(role: str, *acts: str) -> None:
    for act in acts:
        allow(role, act)


KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.BestAvailableEncryption(b"secret"),
)

FAULTS: dict[str, list[Callable[[], object]]] = {
    "a number is no UUID": [
        partial(identifier, "17"),
        partial(identifier, "not a uuid"),
        partial(identifier, "zz" * 16),
    ],
    "a text is not hexadecimal": [partial(raw, "xyz"), partial(raw, "0a1"), partial(raw, "ab cg")],
    "a sealed text was changed": [partial(sealed, 17), partial(sealed, 400)],
    "a signature does not fit": [
        partial(verify, b"signature", b"text"),
        partial(verify, KEY.sign(b"other", ec.ECDSA(hashes.SHA256())), b"text"),
    ],
    "a key is encrypted": [partial(load, PEM, None), partial(load, PEM, None)],
    "a key has another password": [partial(load, PEM, b"wrong"), partial(load, PEM, b"Secret")],
    "an algorithm is unknown": [partial(digest, "sha17", b""), partial(digest, "crc32", b"x")],
    "text is compared with bytes": [
        partial(same, b"abc", "abc"),
        partial(same, "abc", b"abc"),
        partial(same, None, b"abc"),
    ],
    "a token does not validate": [
        partial(subject, {"subject": "17", "secret": "x"}),
        partial(subject, {"secret": "x"}),
        partial(subject, {"subject": str(uuid.uuid4()), "secret": 3, "role": "admin"}),
    ],
    "a token is changed in place": [
        lambda: renew(Token(subject=uuid.uuid4(), secret="x"), "17"),
        lambda: renew(Token(subject=uuid.uuid4(), secret="y"), str(uuid.uuid4())),
    ],
    "a list has no numbers": [
        partial(numbers, ["a", 1, "b"]),
        partial(numbers, "17"),
        partial(numbers, [1.5]),
    ],
    "a viewer writes": [
        partial(as_role, "viewer", "read", "write"),
        partial(as_role, "viewer", "delete everything"),
        partial(allow, "admin", "shut down"),
    ],
    "a role is unknown": [partial(allow, "guest", "read"), partial(as_role, "Jan", "read")],
    "a customer is over the quota": [
        partial(use, "Jan", 11, 10),
        partial(use, "acme trading", 1_000_001, 10**6),
        partial(use, "Piet de Vries", 3, 2),
    ],
}
