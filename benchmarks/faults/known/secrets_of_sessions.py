"""Cookies, keys and certificates that do not fit."""

# ruff: noqa: D103 - its bugs are what matters here

import base64
from collections.abc import Callable
from functools import partial

from cryptography import x509
from cryptography.fernet import Fernet

KEYS = [base64.urlsafe_b64encode(bytes([number]) * 32) for number in range(4)]


def session(cookie: bytes, key: bytes) -> bytes:
    return Fernet(key).decrypt(cookie)


def visitor(number: int, old: int, new: int) -> bytes:
    return session(Fernet(KEYS[old]).encrypt(b"visitor %d" % number), KEYS[new])


def visitors(*numbers: int) -> list[bytes]:
    return [visitor(number, 0, 3) for number in numbers]


def issuer(pem: str) -> str:
    return x509.load_pem_x509_certificate(pem.encode()).issuer.rfc4514_string()


def trusted(*pems: str) -> set[str]:
    return {issuer(pem) for pem in pems}


def avatar(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def avatars(texts: list[str]) -> list[bytes]:
    return [avatar(text) for text in texts]


def cipher(key: bytes) -> Fernet:
    return Fernet(key)


FAULTS: dict[str, list[Callable[[], object]]] = {
    "a cookie was made with an old key": [
        partial(visitor, 17, 0, 1),
        partial(visitor, 18, 1, 2),
        partial(visitors, 4711, 4712),
    ],
    "a certificate is no PEM": [
        partial(issuer, "not a certificate"),
        partial(trusted, "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----"),
        partial(trusted, ""),
    ],
    "an avatar is not base64": [
        partial(avatar, "abcde"),
        partial(avatar, "a!b?"),
        partial(avatars, ["YWJj", "YWJjZ"]),
        partial(avatars, ["abc"]),
    ],
    "a key is too short": [partial(cipher, b"c2hvcnQ="), partial(cipher, b"bG9uZ2Vy" * 2)],
}
