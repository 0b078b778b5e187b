"""The scrubber of a store: equal values become equal tokens wherever its key is."""

import secrets
from pathlib import Path

from honed.core.privacy import Scrubber
from honed.errors import ConfigurationError, LedgerError
from honed.ledger.keys import Signer
from honed.ledger.log import open_signer
from honed.storage.db import Connection

#: What the key is derived for; another word makes other tokens.
_PURPOSE = "honed scrubber"


def scrubber_by(signer: Signer) -> Scrubber:
    """Return the scrubber whose tokens are keyed by the ledger's key."""
    return Scrubber(signer.derive(_PURPOSE))


def open_scrubber(conn: Connection, key_file: Path) -> Scrubber:
    """Return the scrubber of this store.

    On a machine that does not have the ledger's key it hides as much, but its tokens are equal to
    no others: nothing may stay unscrubbed because a key is elsewhere.
    """
    try:
        return scrubber_by(open_signer(conn, key_file))
    except (ConfigurationError, LedgerError):
        return Scrubber(secrets.token_bytes(32))
