"""Where a ticket may go next: what the daemon may do by itself, and what only a person decides."""

from collections.abc import Mapping

from honed.backlog.ticket import SETTLED, UNSETTLED, TicketState

_S = TicketState

#: The daemon's moves. Back to open goes what was given up, what may be tried again, and what was
#: applied and is seen again.
DAEMON_MOVES: Mapping[TicketState, frozenset[TicketState]] = {
    _S.OPEN: frozenset({_S.IN_PROGRESS}),
    _S.IN_PROGRESS: frozenset({_S.TESTING, _S.FAILED, _S.OPEN}),
    _S.TESTING: frozenset({_S.READY, _S.FAILED, _S.OPEN}),
    _S.READY: frozenset({_S.APPLIED, _S.FAILED, _S.OPEN}),
    _S.APPLIED: frozenset({_S.OPEN}),
    _S.FAILED: frozenset({_S.OPEN}),
    _S.REJECTED: frozenset(),
}

#: A person settles whatever is not settled, and opens whatever there is: what is open already is
#: to be tried again, whatever was said no to before.
PERSON_MOVES: Mapping[TicketState, frozenset[TicketState]] = {
    state: (SETTLED if state in UNSETTLED else frozenset()) | {_S.OPEN} for state in TicketState
}


def may_move(before: TicketState, after: TicketState, *, by_person: bool) -> bool:
    """Return whether a ticket in state ``before`` may go to ``after``.

    The store holds the same rules (``honed.may_move_ticket``) against everybody else.
    """
    return after in (PERSON_MOVES if by_person else DAEMON_MOVES)[before]
