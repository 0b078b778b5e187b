"""honed: the daemon that hones your software and proves each improvement by experiment.

A program that reports to it needs these: ``init``, ``capture_exception``, ``feedback``, ``flush``.
"""

from importlib import import_module

#: True for who checks types; importing ``typing`` takes longer than all else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from honed.client.reporter import capture_exception, feedback, flush, init

__all__ = ["__version__", "capture_exception", "feedback", "flush", "init"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Return what a program calls to report; it is loaded when it is first asked for."""
    if name in __all__:
        return getattr(import_module("honed.client.reporter"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
