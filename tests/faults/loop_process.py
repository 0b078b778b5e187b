"""A worker of the loop in a process of its own, which kills itself at a point that a test names.

The point is in ``KILL_AT``, which only this program reads: ``handling:on_trial`` before the handler
of a message for an improvement in that state, ``handling:roll_back`` or ``handling:learn``;
``pairs:3`` in the middle of a trial; ``intent:do:0`` after the intent of a step was recorded;
``happened:do:0`` after the step, before its outcome is recorded; ``committed:proposed`` when the
handler for that state has committed everything.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from honed.config import Settings
from honed.core.step import Step
from honed.improvement.record import get
from honed.jobs.delivery import JobContext
from honed.jobs.worker import Worker
from honed.loop.events import Event, StepStarted, TrialPair
from honed.loop.handlers import handlers, on_burial
from honed.loop.messages import Act, Learn
from honed.loop.parts import Parts
from honed.storage.db import Database
from honed.targets.execute import Hand
from honed.testing.pets import BETTER, WORSE, PetKind, pet_parts

KILL_AT = os.environ["KILL_AT"]


def reached(point: str) -> None:
    """Die if this is the point."""
    if point == KILL_AT:
        os.kill(os.getpid(), signal.SIGKILL)


class Watcher:
    """Follows what the loop tells, to know where it is."""

    def __init__(self) -> None:
        """Watch from now on."""
        self.step = ""

    def on_event(self, event: Event) -> None:
        """Note the step, and die where it was asked for."""
        if isinstance(event, StepStarted):
            self.step = f"{event.direction}:{event.ordinal}"
            reached(f"intent:{self.step}")
        elif isinstance(event, TrialPair):
            reached(f"pairs:{event.pairs}")

    def follow_steps(self) -> None:
        """Die after a step has happened on the target."""
        run = Hand.run

        def run_and_die(hand: Hand, step: Step) -> None:
            run(hand, step)
            reached(f"happened:{self.step}")

        setattr(Hand, "run", run_and_die)  # noqa: B010 - a fault is injected


def dying(
    parts: Parts, handle: Callable[[JobContext, Any], None]
) -> Callable[[JobContext, Any], None]:
    """Return a handler that dies before or after its message is handled, where it was asked for."""

    def handle_and_die(context: JobContext, message: Any) -> None:
        name = _name(parts, message)
        reached(f"handling:{name}")
        handle(context, message)
        reached(f"committed:{name}")

    return handle_and_die


def _name(parts: Parts, message: Any) -> str:
    if isinstance(message, Act):
        if message.roll_back:
            return "roll_back"
        with parts.store.transaction() as conn:
            return get(conn, message.improvement_id).state.value
    if isinstance(message, Learn):
        return "watch" if message.improvement_id else "learn"
    return type(message).__name__.lower()


def main() -> None:
    """Work until the point is reached."""
    settings = Settings.model_validate_json(sys.argv[2])
    claims = {claim.subject: claim for claim in (BETTER, WORSE)}
    watcher = Watcher()
    watcher.follow_steps()
    kind = PetKind(claims=(claims[sys.argv[3]],))
    parts = pet_parts(Database(sys.argv[1]), settings, kind, watcher.on_event)
    dying_handlers = {
        message: dying(parts, handle) for message, handle in handlers(parts, parked_s=0.1).items()
    }
    Worker(parts.store, dying_handlers, settings, on_burial=on_burial(parts)).run()


if __name__ == "__main__":
    main()
