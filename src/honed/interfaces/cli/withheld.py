"""Why nothing is proposed about a ticket now, for people."""

from honed.backlog.ticket import Ticket
from honed.core.forge import ChangeState
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change, Wanted
from honed.targets.repository.requests.forges import limits_of
from honed.targets.repository.target import RepositoryTarget
from honed.wiring import App


def withheld_words(app: App, target: str, ticket: Ticket) -> str:
    """Return why nothing is proposed about a ticket now, and what to do; empty: no request is why.

    Args:
        app: honed.

        target: the repository's name.

        ticket: which one.
    """
    opened = app.target(target)
    if not isinstance(opened, RepositoryTarget):
        return ""
    known = _requests(app, target)
    about = [each for each in known if each.ticket_id == ticket.ticket_id]
    asking = (
        f"say what is right (--returns), or `honed ticket reopen {ticket.ticket_id} --reason ...`"
    )
    for each in about:
        if each.state is ChangeState.OPEN:
            return f"request {each.change_id} about it is open: `honed forge show {each.change_id}`"
        if _counts(app, each):
            return f"a person closed request {each.change_id} about it: to try again, {asking}"
    # Of no cause that is known: what is said then is said of all.
    match opened.withheld(f"ticket {ticket.ticket_id}", ticket.ticket_id):
        case "cooldown":
            return _resting(app, known, asking)
        case "quota":
            return "as many requests are open as may be (forge_open_limit): `honed forge list`"
    return ""


def _requests(app: App, target: str) -> list[Change]:
    """Return the requests of a repository that are open or were closed, the newest first."""
    with app.parts.store.transaction() as conn:
        return changes.changes(conn, Wanted(target, (ChangeState.OPEN, ChangeState.CLOSED)))


def _counts(app: App, closed: Change) -> bool:
    """Return whether a person closed a request, and nobody has asked for another try since."""
    if not closed.closed_by_person or closed.ticket_id is None or closed.ended_at is None:
        return False
    with app.parts.store.transaction() as conn:
        return not changes.was_asked_again(conn, closed.ticket_id, closed.ended_at)


def _resting(app: App, known: list[Change], asking: str) -> str:
    closed = [each for each in known if each.closed_by_person]
    ended_at, number = max((each.ended_at, each.change_id) for each in closed if each.ended_at)
    until = ended_at + limits_of(app.settings).cooldown
    return (
        f"a person closed request {number}: nothing is proposed to this repository until"
        f" {until.isoformat(sep=' ', timespec='minutes')} (forge_cooldown_hours); to have this"
        f" ticket tried before, {asking}"
    )
