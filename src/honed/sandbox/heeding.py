"""Who is asked, while something runs in a sandbox, whether it still should."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final


def _go_on() -> None:
    """Nobody wants it to stop."""


_ASKED: Final[ContextVar[Callable[[], None]]] = ContextVar("stop_if_told", default=_go_on)


@contextmanager
def heeding(stop_if_told: Callable[[], None]) -> Iterator[None]:
    """Let whatever runs in a sandbox meanwhile end with what ``stop_if_told`` raises.

    A run is far below whoever may be told to stop, with plug-ins in between that know nothing of
    it; so it holds for this context, and for threads that are given a copy of it.

    Args:
        stop_if_told: asked some ten times a second; cheap.
    """
    token = _ASKED.set(stop_if_told)
    try:
        yield
    finally:
        _ASKED.reset(token)


def heed() -> None:
    """Raise what whoever is asked here raises, if a run is to stop."""
    _ASKED.get()()
