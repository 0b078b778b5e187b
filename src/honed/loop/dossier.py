"""The dossier of an improvement: everything that is known of it, for whoever shows it."""

from dataclasses import dataclass

from honed.approval.decisions import Decision, decisions
from honed.experiments.record import StoredTrial, load_last_trial
from honed.improvement.record import Event, Improvement, events, get
from honed.loop.effects import Effect, effects_of
from honed.loop.watch import Pair, stored_pairs
from honed.storage.db import Connection


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything that is known of one improvement, as of one moment."""

    improvement: Improvement
    #: The last trial that came to an end; None: none has.
    trial: StoredTrial | None
    #: What was decided, oldest first; so are the others.
    decisions: tuple[Decision, ...]
    effects: tuple[Effect, ...]
    #: Production before and after the change.
    watch: tuple[Pair, ...]
    events: tuple[Event, ...]


def read_dossier(conn: Connection, improvement_id: int) -> Dossier:
    """Return the dossier of one improvement.

    Raises:
        UnknownImprovement: there is none with this id.
    """
    return Dossier(
        improvement=get(conn, improvement_id),
        trial=load_last_trial(conn, improvement_id),
        decisions=tuple(decisions(conn, improvement_id)),
        effects=tuple(effects_of(conn, improvement_id)),
        watch=tuple(stored_pairs(conn, improvement_id)),
        events=tuple(events(conn, improvement_id)),
    )
