"""One round of a repository's changes: decisions are carried out, everything else is looked at."""

from collections.abc import Callable

from honed.config import Settings
from honed.core.forge import ChangeState
from honed.targets.registry import Place
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Wanted
from honed.targets.repository.requests.forges import terms_of
from honed.targets.repository.requests.reviewing import Desk, carry_out
from honed.targets.repository.source import Source

_EVERY = 1_000


def attend(
    place: Place, settings: Settings, *, why_not: Callable[[], str] = lambda: ""
) -> dict[int, str]:
    """Carry out what was decided of the changes of a repository, and see what became of others.

    Nothing is asked of anybody while no change is open, nor was closed, and of a repository that
    honed may not change.

    Args:
        place: the repository, and the store as the daemon.

        settings: of this process.

        why_not: why this process may merge nothing, asked before each merge; empty: it may.

    Returns:
        By the id of a change: why it was not merged although a person or the policy asked for it;
        empty: it was.

    Raises:
        TargetUnavailable: the repository does not answer.
        ForgeError: its forge does not, or refuses.
        ConfigurationError: its forge is named wrongly, or its token is not there.
    """
    record, store = place.record, place.store
    if not record.act_url:
        return {}
    wanted = Wanted(record.name, (ChangeState.OPEN, ChangeState.CLOSED))
    with store.transaction() as conn:
        known = changes.changes(conn, wanted, limit=_EVERY)
    if not known:
        return {}
    source = Source(record, settings)
    # Without a forge the repository itself tells what people pushed and merged.
    is_asked = any(each.state is ChangeState.OPEN and each.forge == "local" for each in known)
    clone = source.fetched(acting=True) if is_asked else source.clone(acting=True)
    terms = terms_of(settings, record)
    desk = Desk(store, source.forge(store, clone), place.signer, terms)
    return carry_out(desk, record.name, why_not=why_not)
