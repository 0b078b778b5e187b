"""One process as a member of the pair: it keeps its role; the secondary says what it knows."""

import logging
import secrets
import time
from collections.abc import Callable

from honed.errors import EvidenceRefused, HonedError
from honed.loop.parts import Parts
from honed.loop.two_servers.evidence import Sender
from honed.loop.two_servers.lease import QUERIES, Holder, Lease, Role, leases, leave, take
from honed.loop.two_servers.post import post_over_http
from honed.loop.two_servers.publish import Answer, Post, deliver, heartbeat, sign_due
from honed.loop.two_servers.receive import hear, pinned_key, receive

_LOG = logging.getLogger(__name__)

#: No envelope is signed or sent after this share of a lease: the role must be renewed in time.
_SPEAKING_SHARE = 1 / 3


class Member:
    """Keeps one process's role, round by round. Call ``keep`` at least three times in a lease."""

    def __init__(
        self,
        parts: Parts,
        *,
        post: Post | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is taken yet.

        Args:
            parts: what the loop works with; its settings say which role.

            post: hands an envelope to the primary; None: over HTTP, or within a store that both
                share.

            clock: tells how long a round has taken, in seconds.
        """
        self._parts = parts
        self.holder = Holder(
            Role.of(parts.settings.two_server_role),
            parts.settings.server,
            secrets.token_hex(8),
        )
        self._post = post or _way(parts)
        self._clock = clock
        #: What was last said aloud; it is not said again while it stays so.
        self._said = ""

    def keep(self) -> Lease | None:
        """Take or renew the role, and as the secondary say what there is; None: not held.

        What goes wrong between the servers is logged, and tried again in the next round; so is what
        there was no time for.
        """
        began = self._clock()
        lease = self._renew()
        if lease is not None and self.holder.role is Role.SECONDARY:
            try:
                self._speak(lease, began)
            except HonedError as error:
                self._say(f"the other server was not told: {error} ({error.hint})")
            else:
                self._say("")
        return lease

    def leave(self) -> None:
        """Give the role back, so that the next process need not wait."""
        try:
            with self._parts.store.transaction() as conn:
                leave(conn, self.holder)
        except HonedError as error:
            _LOG.warning("the role was not given back, and ends by itself: %s", error)

    def _renew(self) -> Lease | None:
        with self._parts.store.transaction() as conn:
            lease = take(conn, self.holder, lease_s=self._parts.settings.lease_s)
            others = [] if lease else [x for x in leases(conn) if x.role is self.holder.role]
        for each in others:
            self._say(
                f"another honed run on {each.server} is the {each.role.value} of this store until"
                f" {each.expires_at:%F %T}; one is enough, beside it run workers"
            )
        return lease

    def _speak(self, lease: Lease, began: float) -> None:
        end = began + self._parts.settings.lease_s * _SPEAKING_SHARE

        def has_time() -> bool:
            return self._clock() < end

        life = heartbeat(self._parts, self.holder)
        if life is None:
            return
        try:
            self._note(self._post(life))
        finally:
            # Signed in any case: it must not wait for the other server, only its delivery does.
            sign_due(self._parts, self.holder, has_time=has_time)
        delivered = deliver(self._parts, lease.epoch, self._post, has_time=has_time)
        if delivered.refusal:
            raise EvidenceRefused(delivered.refusal)

    def _note(self, answer: Answer | None) -> None:
        """Keep that the primary has answered, for whoever asks how the two are."""
        if answer is None or not answer.epoch:
            return
        with self._parts.store.transaction() as conn:
            (row,) = conn.execute(QUERIES["read_epoch"], {"role": Role.PRIMARY.value})
            primary = Sender(
                server=answer.server or "unnamed",
                role="primary",
                epoch=answer.epoch,
                sent_at=row["now"],
            )
            hear(conn, primary, self._parts.settings)

    def _say(self, words: str) -> None:
        if words and words != self._said:
            _LOG.warning("%s", words)
        self._said = words


def _way(parts: Parts) -> Post:
    """Return how an envelope comes to the primary."""
    if parts.settings.peer_url:
        return post_over_http(parts.settings)

    def hand_over(envelope: bytes) -> None:
        receive(parts, envelope, pinned_key(parts))

    return hand_over
