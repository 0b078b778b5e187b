"""A worker of the loop on a repository, which kills itself at a point that a test names.

The point is in ``KILL_AT``, which only this program reads: ``handling:on_trial`` before the handler
of a message for an improvement in that state, and ``committed:on_trial`` when it has committed
everything; ``box:analyze:2`` while the second box runs that a handler starts, and
``answer:hypothesize:9`` once a search was answered nine times; ``intent:do:0`` after the intent of
a step was recorded, ``happened:do:0`` after the step, before its outcome is recorded; within steps
and merges the points of ``_inject``.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from honed.config import Settings
from honed.core.kind import Kind
from honed.improvement.record import get
from honed.jobs.delivery import JobContext
from honed.jobs.worker import Worker
from honed.kinds.fix_failing_test import FixFailingTest
from honed.loop.events import Event, StepStarted
from honed.loop.following import follow_changes
from honed.loop.handlers import handlers, on_burial
from honed.loop.messages import Act, Learn
from honed.loop.parts import Parts
from honed.sandbox.running import Running
from honed.storage.db import Database
from honed.targets.registry import get_target
from honed.targets.repository.git.branches import Branches
from honed.targets.repository.publishing import hand
from honed.targets.repository.publishing.hand import RepositoryHand
from honed.targets.repository.requests import changes, reviewing
from honed.targets.repository.requests.local import LocalForge
from honed.targets.repository.target import RepositoryTarget
from honed.testing.given_change import GivenChange, repository_parts

KILL_AT = os.environ["KILL_AT"]
FOLLOW_EVERY_S = 0.1
KINDS: dict[str, Callable[[], Kind[RepositoryTarget]]] = {
    "given": GivenChange,
    "seen": GivenChange,
    "proven": lambda: GivenChange(is_proven=True),
    "searched": FixFailingTest,
}


def reached(point: str) -> None:
    """Die if this is the point."""
    if point == KILL_AT:
        os.kill(os.getpid(), signal.SIGKILL)


class Watcher:
    """Follows what the loop does, to know where it is."""

    def __init__(self) -> None:
        """Watch from now on."""
        self.step = self.handling = ""
        self.boxes = self.answers = 0

    def on_event(self, event: Event) -> None:
        """Note the step, and die where it was asked for."""
        if isinstance(event, StepStarted):
            self.step = f"{event.direction}:{event.ordinal}"
            reached(f"intent:{self.step}")

    def begin(self, name: str) -> None:
        """Note that a message is handled now."""
        self.handling, self.boxes, self.answers = name, 0, 0
        reached(f"handling:{name}")

    def began_box(self) -> None:
        """Note that something runs in a sandbox now."""
        self.boxes += 1
        reached(f"box:{self.handling}:{self.boxes}")

    def was_answered(self) -> None:
        """Note that something in a sandbox has answered."""
        self.answers += 1
        reached(f"answer:{self.handling}:{self.answers}")


def _inject(watcher: Watcher) -> None:
    """Let the worker die within steps and merges, and beside what runs in a sandbox."""
    _after(Running, "_begin", watcher.began_box)
    _after(Running, "ask", watcher.was_answered)
    _after(hand, "push", lambda: reached(f"pushed:{watcher.step}"))
    _after(changes, "open_change", lambda: reached("opening"))
    _after(LocalForge, "open", lambda: reached("opened"))
    _after(reviewing, "withdraw", lambda: reached("withdrawn"))
    _after(RepositoryHand, "_delete", lambda: reached("deleted"))
    _after(RepositoryHand, "run", lambda: reached(f"happened:{watcher.step}"))
    _after(Branches, "merge", lambda: reached("merged"))


def _after(place: Any, name: str, do: Callable[[], None]) -> None:
    """Do something after a function of a module or class has returned."""
    inner = getattr(place, name)

    def outer(*arguments: Any, **named: Any) -> Any:
        result = inner(*arguments, **named)
        do()
        return result

    setattr(place, name, outer)


def dying(
    parts: Parts, watcher: Watcher, handle: Callable[[JobContext, Any], None]
) -> Callable[[JobContext, Any], None]:
    """Return a handler that dies before or after its message is handled, where it was asked for."""

    def handle_and_die(context: JobContext, message: Any) -> None:
        name = _name(parts, message)
        watcher.begin(name)
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


def follow(parts: Parts) -> None:
    """Carry out what people decide of changes, as the daemon's timer does."""
    record = get_target(parts.store, "shop")
    while True:
        follow_changes(parts, record)
        time.sleep(FOLLOW_EVERY_S)


def main() -> None:
    """Work until the point is reached."""
    settings = Settings.model_validate_json(sys.argv[2])
    watcher = Watcher()
    _inject(watcher)
    kind = KINDS[sys.argv[3]]()
    parts = repository_parts(Database(sys.argv[1]), settings, kind, watcher.on_event)
    threading.Thread(target=follow, args=(parts,), daemon=True).start()
    dying_handlers = {
        message: dying(parts, watcher, handle)
        for message, handle in handlers(parts, parked_s=0.1).items()
    }
    Worker(parts.store, dying_handlers, settings, on_burial=on_burial(parts)).run()


if __name__ == "__main__":
    main()
