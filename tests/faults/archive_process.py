"""Carries out one step of an archive in a process of its own, and kills itself on the way.

The point is in ``KILL_AT``, which only this program reads: the name of a function of the archives,
after which it dies.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from honed.config import Settings
from honed.core.step import Step
from honed.targets.execute import acting
from honed.targets.postgres.archives import files, runner, transfer


def dying(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that dies once it has done what it does."""

    def do_and_die(*arguments: Any, **named: Any) -> Any:
        function(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    return do_and_die


def main() -> None:
    """Carry out the act on the target."""
    url, home, do = sys.argv[1:]
    name = os.environ["KILL_AT"]
    for module in (files, runner, transfer):
        if hasattr(module, name):
            setattr(module, name, dying(getattr(module, name)))
    step = Step("archive", do=(do,), runner="archive")
    settings = Settings.model_validate({"home": home})
    with acting(url, holder="archive", settings=settings, stop_if_told=lambda: None) as hand:
        hand.run(step)


if __name__ == "__main__":
    main()
