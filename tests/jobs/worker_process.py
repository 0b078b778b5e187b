"""A worker in a process of its own, which a test may kill, stop and wake.

Its handler says on standard output what it does, and goes on when a line comes in.
"""

import json
import os
import signal
import sys
import threading
from dataclasses import dataclass, field
from typing import LiteralString

from honed.config import Settings
from honed.errors import Interrupted, LostJob
from honed.jobs.delivery import JobContext
from honed.jobs.worker import Worker
from honed.storage.db import Database
from honed.testing.desk import Probe

RECORD: LiteralString = "INSERT INTO public.record (worker, number) VALUES (%s, %s)"
#: Numbers that say what a handler does with its message.
POISON, POLITE, STUBBORN = 666, 100, 200


def say(what: str, number: int = 0) -> None:
    """Write one line for the test."""
    sys.stdout.write(json.dumps({"what": what, "number": number}) + "\n")
    sys.stdout.flush()


@dataclass
class Clerk:
    """Handles messages when the test says so."""

    database: Database
    go_on: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def listen(self) -> None:
        """Let a handler go on for each line that comes in."""
        for _line in sys.stdin:
            self.go_on.release()

    def handle(self, context: JobContext, message: Probe) -> None:
        """Wait for a line, then commit a record."""
        say("begins", message.number)
        if message.number == POISON:
            os.kill(os.getpid(), signal.SIGKILL)
        if message.number in {POLITE, STUBBORN}:
            self.wait_until_told(context, message)
        self.go_on.acquire()
        try:
            with self.database.transaction() as conn:
                context.fence.check(conn)
                conn.execute(RECORD, (os.getpid(), message.number))
        except LostJob:
            say("lost", message.number)
            raise
        say("done", message.number)

    def wait_until_told(self, context: JobContext, message: Probe) -> None:
        """Wait until the worker is told to end; a stubborn handler says so and stays."""
        while not self.go_on.acquire(timeout=0.02):
            try:
                context.stop_if_told()
            except Interrupted:
                if message.number == POLITE:
                    raise
                say("told", message.number)
                return


def main() -> None:
    """Work until told to end."""
    database = Database(sys.argv[1], role="honed_daemon")
    clerk = Clerk(database)
    threading.Thread(target=clerk.listen, daemon=True).start()
    settings = Settings.model_validate(json.loads(sys.argv[2]))
    worker = Worker(database, {Probe: clerk.handle}, settings)
    worker.grace_s = float(sys.argv[3])
    worker.run()
    say("ended")


if __name__ == "__main__":
    main()
