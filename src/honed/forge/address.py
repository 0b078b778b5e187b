"""Addresses of a forge: what is one, what its parts are, and whether two are of one origin."""

import re
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from honed.config import is_loopback
from honed.errors import ConfigurationError, ForgeUnavailable

_LINK: Final = re.compile(r"<([^<>]{0,2000})>([^<>,]{0,200})")
_NEXT: Final = re.compile(r";\s*rel=[\"']?next[\"']?\s*(?:;|$)")


def checked_root(url: str) -> str:
    """Return the address of a forge without a slash at its end.

    Raises:
        ConfigurationError: it is none, holds a secret, or a token would go to it in the clear.
    """
    hint = "the form is https://host or https://host/path"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        msg = "forge_url is no URL"
        raise ConfigurationError(msg, hint=hint) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        msg = "forge_url is no address of a forge"
        raise ConfigurationError(msg, hint=hint)
    if "@" in parts.netloc:
        msg = "a user or a password has no place in forge_url"
        raise ConfigurationError(msg, hint="forge_token_variable names where the token is")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        msg = "the token would go in the clear: forge_url must be https, or on this machine"
        raise ConfigurationError(msg, hint=hint)
    return url.rstrip("/")


def quoted(part: str, *, keeping: str = "") -> str:
    """Return one part of a path, in which nothing can begin another part."""
    return quote(part, safe=keeping)


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of an address: a token is for one of them.

    Raises:
        ForgeUnavailable: it is none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError as error:
        msg = "the forge names an address that is none"
        raise ForgeUnavailable(msg) from error
    return parts.scheme, parts.hostname, port


def joined(url: str, reference: str) -> str:
    """Return where a reference on the page ``url`` leads.

    Raises:
        ForgeUnavailable: it is none.
    """
    try:
        return urljoin(url, reference)
    except ValueError as error:
        msg = "the forge names an address that is none"
        raise ForgeUnavailable(msg) from error


def next_link(header: str) -> str:
    """Return the target of ``rel="next"``, as RFC 8288 writes it; empty: this is the last page."""
    for target, rest in _LINK.findall(header):
        if _NEXT.search(rest):
            return str(target)
    return ""
