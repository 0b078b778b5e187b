"""Following changes of code: what was decided of them is carried out, what others did is seen."""

import logging

from honed.config import TwoServerRole
from honed.errors import HonedError, Stopped
from honed.ledger.log import read_head
from honed.loop.events import ChangeMoved
from honed.loop.parts import Parts, check_switch
from honed.loop.two_servers.lease import Role, leases
from honed.targets.registry import Place, TargetRecord
from honed.targets.repository.publishing.attend import attend
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.sealing import sealed_since

_LOG = logging.getLogger(__name__)


def follow_changes(parts: Parts, record: TargetRecord) -> None:
    """Merge and close the changes of one repository of which it was said so, and see the others.

    Each that was merged or closed since the last look is told, whoever did it. What goes wrong is
    logged, and tried again in the next round; twice at once it is the same. Of a
    target that is no repository there is nothing to follow, and while honed is stopped nothing is.
    """
    if record.sort != "repository":
        return
    try:
        with parts.store.transaction() as conn:
            check_switch(conn)
    except Stopped as error:
        _LOG.debug("no change of code is merged or closed: %s", error)
        return
    place = Place(record, parts.store, signer=parts.signer)
    with parts.store.transaction() as conn:
        size = read_head(conn).size
    became: dict[int, str] = {}
    try:
        became = attend(place, parts.settings, why_not=lambda: why_not(parts, record))
    except HonedError as error:
        _LOG.warning("changes of %s were not followed: %s", record.name, error)
    with parts.store.transaction() as conn:
        ends = sealed_since(conn, record.name, size)
        held = [(changes.get(conn, each), why) for each, why in became.items() if why]
    where = (record.target_id, record.name)
    for end in ends:
        parts.tell(ChangeMoved(end.change_id, *where, end.title, end.event, end.reason))
    for change, why in held:
        parts.tell(ChangeMoved(change.change_id, *where, change.title, "not merged", why))


def why_not(parts: Parts, record: TargetRecord) -> str:
    """Return why this process may merge nothing into a repository now; empty: it may.

    Of two servers the primary alone merges, while it holds its role; and nobody while honed is
    stopped.
    """
    role = parts.settings.two_server_role
    if role is TwoServerRole.SECONDARY or record.options.get("role") == "secondary":
        return "this is the secondary: the primary merges"
    with parts.store.transaction() as conn:
        try:
            check_switch(conn)
        except Stopped as error:
            return str(error)
        if role is TwoServerRole.OFF:
            return ""
        held = [each for each in leases(conn) if each.role is Role.PRIMARY and each.is_held]
    if any(each.server == parts.settings.server for each in held):
        return ""
    return "this server does not hold the role of the primary now"
