"""The dossier of an improvement: everything that is known of it, for whoever shows it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from honed.approval.decisions import Decision, decisions
from honed.core.aftermath import Aftermath
from honed.core.trial import GUARD
from honed.experiments.record import StoredTrial, load_last_trial
from honed.improvement.record import Event, Improvement, events, get
from honed.loop.aftermath import stored_aftermath
from honed.loop.effects import Effect, effects_of
from honed.loop.evidence import Evidence, Pair, stored_pairs, weigh
from honed.loop.waiting import why_it_waits
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.loop")

#: Of intervals that are shown for a change without a trial.
_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything that is known of one improvement, as of one moment."""

    improvement: Improvement
    #: The target's name.
    target: str
    #: The last trial that came to an end; None: none has.
    trial: StoredTrial | None
    #: What was decided, oldest first; so are the others.
    decisions: tuple[Decision, ...]
    effects: tuple[Effect, ...]
    #: Production before and after the change.
    watch: tuple[Pair, ...]
    #: What that says of the change; None: nothing yet.
    evidence: Evidence | None
    #: What was said last of a change that waits for people; None: nothing.
    aftermath: Aftermath | None
    events: tuple[Event, ...]
    #: What it waits for; empty: nothing more becomes of it, or it is at work.
    waits_for: str
    #: Texts of the measured units that are statements, by unit.
    texts: Mapping[str, str]

    @property
    def decided_by(self) -> str:
        """What of production's evidence decided: time, pages or both; empty: none of it."""
        said = [
            str(each.detail["decided_by"]) for each in self.events if "decided_by" in each.detail
        ]
        return said[0] if said else ""


def read_dossier(
    conn: Connection, improvement_id: int, waiting_for_people: Collection[str]
) -> Dossier:
    """Return the dossier of one improvement.

    Args:
        conn: a transaction of a role that may read.

        improvement_id: which one.

        waiting_for_people: kinds whose watch holds up no other change.

    Raises:
        UnknownImprovement: there is none with this id.
    """
    improvement = get(conn, improvement_id)
    trial = load_last_trial(conn, improvement_id)
    watch = stored_pairs(conn, improvement_id)
    units = {unit.name for unit in trial.design.units} if trial else set()
    units.update(name.removeprefix(GUARD) for pair in watch for name in pair.after)
    return Dossier(
        improvement=improvement,
        target=_target_name(conn, improvement.target_id),
        trial=trial,
        decisions=tuple(decisions(conn, improvement_id)),
        effects=tuple(effects_of(conn, improvement_id)),
        watch=tuple(watch),
        evidence=weigh(watch, trial, alpha=trial.design.alpha if trial else _ALPHA),
        aftermath=stored_aftermath(conn, improvement_id),
        events=tuple(events(conn, improvement_id)),
        waits_for=why_it_waits(conn, improvement, waiting_for_people),
        texts=_texts(conn, improvement.target_id, units),
    )


def _target_name(conn: Connection, target_id: int) -> str:
    (row,) = conn.execute(_QUERIES["get_target_name"], {"target_id": target_id})
    name: str = row["name"]
    return name


def _texts(conn: Connection, target_id: int, units: Iterable[str]) -> dict[str, str]:
    wanted = {"target_id": target_id, "statement_ids": sorted(units)}
    rows = conn.execute(_QUERIES["list_texts"], wanted)
    return {row["statement_id"]: row["text"] for row in rows}
