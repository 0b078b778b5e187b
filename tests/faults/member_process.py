"""A secondary's daemon in a process of its own, which kills itself at a point that a test names.

The point is in ``KILL_AT``: ``written`` before anything is signed, ``signed`` before it is sent,
``sent`` when the other server has it and this one has not noted that, ``noted`` after it has.
"""

import os
import signal
import sys
from datetime import datetime

from honed.config import Settings
from honed.loop.two_servers.evidence import Evidence, read
from honed.loop.two_servers.member import Member
from honed.loop.two_servers.post import post_over_http
from honed.storage.db import Database
from honed.testing.pets import PetKind, pet_parts

KILL_AT = os.environ["KILL_AT"]


def reached(point: str) -> None:
    """Die if this is the point."""
    if point == KILL_AT:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Take one round, or die in it."""
    url, settings_json, now = sys.argv[1:]
    settings = Settings.model_validate_json(settings_json)
    store = Database(url, fake_now=datetime.fromisoformat(now))
    parts = pet_parts(store, settings, PetKind())
    post = post_over_http(settings)

    def post_and_die(envelope: bytes) -> None:
        is_evidence = isinstance(read(envelope, parts.signer.public_key), Evidence)
        reached("signed" if is_evidence else "written")
        post(envelope)
        if is_evidence:
            reached("sent")

    Member(parts, post=post_and_die).keep()
    reached("noted")


if __name__ == "__main__":
    main()
