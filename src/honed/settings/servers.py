"""Settings of servers: which of two this one is, and where its API listens."""

import ipaddress
import platform
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


class TwoServerRole(StrEnum):
    """Which of two servers this is."""

    #: There is only one.
    OFF = ""
    #: Adopts what held up on the other.
    PRIMARY = "primary"
    #: Tries first.
    SECONDARY = "secondary"


#: What pydantic calls a complaint about something that would tell a secret.
_INSECURE: Final = "insecure"


class ServerSettings(BaseModel):
    """What two servers need to know of each other, and who reaches this one."""

    two_server_role: TwoServerRole = Field(
        TwoServerRole.OFF,
        description="Which of two servers this is, primary or secondary; empty: there is one.",
    )
    server_name: str = Field(
        "", max_length=100, description="What this server is called; empty: as its machine."
    )
    primary_threshold: int = Field(
        4, ge=1, le=5, description="Takes the place of auto_approve_threshold on the primary."
    )
    secondary_threshold: int = Field(
        2, ge=1, le=5, description="Takes the place of auto_approve_threshold on the secondary."
    )
    lease_s: float = Field(
        60.0,
        gt=0,
        description="A role that is not renewed for so long is lost; a server that is"
        " not heard of for so long is cut off.",
    )
    peer_url: str = Field(
        "",
        pattern=r"^$|^https?://\S+$",
        description="Where the secondary reaches the primary's API, without user and password;"
        " empty: they share a store.",
    )
    peer_key: Path | None = Field(
        None,
        description="File with the public key of the other server's ledger; empty: they share one.",
    )
    peer_token_file: Path | None = Field(
        None,
        description="File with the token that the other server's API asks for; it is sent by https"
        " or to this machine only.",
    )
    evidence_max_age_days: float = Field(
        14.0, gt=0, description="The other server's experience counts so long."
    )

    api_host: str = Field("127.0.0.1", min_length=1, description="Where the API listens.")
    api_port: int = Field(8340, ge=0, le=65535, description="Its port; 0: any that is free.")
    api_names: str = Field(
        "",
        description="What else the API may be called, with commas between: a request for another"
        " name (its Host) is refused.",
    )
    api_token_file: Path | None = Field(
        None,
        description="File with the token that the API asks for; needed to listen elsewhere than on"
        " the loopback.",
    )

    @field_validator("peer_url")
    @classmethod
    def _has_no_password(cls, url: str) -> str:
        """Return the URL of the other server, which many may read, if no secret is in it.

        Raises:
            ValueError: a secret is, or its host or port is none.
        """
        parts = urlsplit(url)
        _ = parts.port
        if "@" in parts.netloc:
            msg = "a user or a password has no place in it; peer_token_file names a token"
            raise PydanticCustomError(_INSECURE, msg)
        return url

    @field_validator("peer_token_file")
    @classmethod
    def _is_sent_in_secret(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        """Return where the token lies, if nobody on the way to the other server can read it.

        Raises:
            ValueError: somebody can.
        """
        url = urlsplit(info.data.get("peer_url", ""))
        if path is not None and url.scheme == "http" and not is_loopback(url.hostname or ""):
            msg = "the token would go in the clear: peer_url must be https, or on this machine"
            raise PydanticCustomError(_INSECURE, msg)
        return path

    @property
    def server(self) -> str:
        """What this server is called."""
        return self.server_name or platform.node() or "unnamed"


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
