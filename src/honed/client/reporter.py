"""What a program calls to report: exceptions, lines of its log, and what its users say.

Nothing here raises, waits for the network, or runs code of the program but for the words of its
own exceptions. Without a DSN nothing is done.
"""

import atexit
import functools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, ParamSpec

from honed.client.dsn import Dsn
from honed.client.events import UNCAUGHT, Origin, told_exceptions
from honed.client.outbox import BROKEN, QUEUE_FULL, Outbox, Thing
from honed.client.raised import bounded
from honed.client.variables import Telling

_LOG = logging.getLogger(__name__)

#: Longest wait at the end of the program for what is still to be sent; HONED_FLUSH_S is another.
FLUSH_S: Final = 2.0
_LONGEST_FLUSH_S: Final = 3_600.0
#: Who reports one exception again within so many seconds means the same.
_AGAIN_S: Final = 10.0
#: Where an exception carries that it is reported.
_MARK: Final = "_honed_reported"
#: What ends a program on purpose.
_ENDINGS: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)

Params = ParamSpec("Params")


@dataclass(frozen=True, slots=True)
class _Reporter:
    outbox: Outbox
    origin: Origin


class _State:
    """What this process reports with; None before anything was asked for, or without a DSN."""

    reporter: _Reporter | None = None
    is_begun = False
    is_watching = False
    changing = threading.Lock()


def quietly(report: Callable[Params, str]) -> Callable[Params, str]:
    """Return ``report`` such that it raises nothing: what goes wrong is counted as lost."""

    @functools.wraps(report)
    def quiet(*args: Params.args, **kwargs: Params.kwargs) -> str:
        try:
            return report(*args, **kwargs)
        except Exception:  # noqa: BLE001 - no program fails because it reports
            if _State.reporter is not None:
                _State.reporter.outbox.lose("event", BROKEN)
            return ""

    return quiet


def init(
    dsn: str | None = None,
    *,
    service: str = "",
    environment: str = "",
    release: str = "",
    watch: bool = True,
) -> None:
    """Report to a project from now on, and whatever nobody catches by itself.

    Args:
        dsn: as `honed project add` prints it; None: the variable HONED_DSN; empty: do not report.

        service: which of the project's programs this is; else HONED_SERVICE.

        environment: such as ``production``; else HONED_ENVIRONMENT.

        release: the version of the program; else HONED_RELEASE.

        watch: whether to report exceptions that nobody catches, of any thread.
    """
    with _State.changing:
        _State.is_begun = True
        _State.reporter = _reporter(dsn, service, environment, release)
        if _State.reporter is not None and watch and not _State.is_watching:
            _State.is_watching = True
            _watch()


def _reporter(dsn: str | None, service: str, environment: str, release: str) -> _Reporter | None:
    said = os.environ.get("HONED_DSN", "") if dsn is None else str(dsn)
    if not said.strip():
        return None
    try:
        outbox = Outbox(Dsn.of(said))
    except ValueError as error:
        # A program with a wrong setting works on, and says so.
        _LOG.warning("nothing is reported to honed: %s", error)
        return None
    origin = Origin(
        service=service or os.environ.get("HONED_SERVICE", ""),
        environment=environment or os.environ.get("HONED_ENVIRONMENT", ""),
        release=release or os.environ.get("HONED_RELEASE", ""),
    )
    atexit.register(outbox.flush, _flush_s())
    return _Reporter(outbox, origin)


def _flush_s() -> float:
    try:
        said = float(os.environ.get("HONED_FLUSH_S", ""))
    except ValueError:
        return FLUSH_S
    return said if 0 <= said <= _LONGEST_FLUSH_S else FLUSH_S


def _begun() -> _Reporter | None:
    if not _State.is_begun:
        init(watch=False)
    return _State.reporter


@quietly
def capture_exception(
    error: BaseException | None = None, *, tags: Mapping[str, Any] | None = None
) -> str:
    """Report an exception and return the id of the event; empty: it is not reported.

    Args:
        error: what was raised; None: what is being handled.

        tags: to be shown with it.
    """
    raised = sys.exc_info()[1] if error is None else error
    if raised is None:
        return ""
    return report_exception(raised, said={"tags": Telling().json(dict(tags or {}))})


def report_exception(
    error: BaseException,
    *,
    said: Mapping[str, Any],
    mechanism: str = "generic",
    telling: Telling | None = None,
) -> str:
    """Report an exception and return the id of the event; empty: it is not reported.

    Args:
        error: what was raised.

        said: what else the event says.

        mechanism: what heard of it.

        telling: of the values that ``said`` has.
    """
    reporter = _begun()
    known, at = error.__dict__.get(_MARK, ("", 0.0))
    if reporter is None or (known and time.monotonic() - at < _AGAIN_S):
        return str(known)
    if reporter.outbox.is_full:
        # Before it costs anything: who is in trouble has many exceptions.
        reporter.outbox.lose("event", QUEUE_FULL)
        return ""
    exceptions = told_exceptions(error, telling or Telling(), mechanism)
    event_id = report_event("event", **{"level": "error", **said}, exception={"values": exceptions})
    if event_id:
        error.__dict__[_MARK] = event_id, time.monotonic()
    return event_id


def report_event(type_: str, **said: Any) -> str:  # noqa: ANN401 - JSON is anything
    """Report an event and return its id; empty: it is not reported."""
    reporter = _begun()
    if reporter is None:
        return ""
    event = reporter.origin.event(said)
    return str(event["event_id"]) if reporter.outbox.put(Thing(type_, event)) else ""


def report_line(**said: Any) -> str:  # noqa: ANN401 - JSON is anything
    """Report a line of a log, which has no id."""
    reporter = _begun()
    if reporter is not None:
        reporter.outbox.put(Thing("log", reporter.origin.line(said)))
    return ""


@quietly
def feedback(
    text: str,
    rating: float | None = None,
    *,
    user: str = "",
    page: str = "",
    properties: Mapping[str, Any] | None = None,
) -> str:
    """Report what a user says and return the id of the event; empty: it is not reported.

    Args:
        text: the user's words.

        rating: a number, on whatever scale.

        user: who; the server keeps a token instead where it sees an e-mail address.

        page: where.

        properties: anything else.
    """
    said = {
        "message": bounded(str(text)),
        "rating": rating,
        "user": user,
        "url": page,
        "properties": Telling().json(dict(properties or {})),
    }
    return report_event("feedback", type="feedback", contexts={"feedback": said})


def flush(timeout_s: float = FLUSH_S) -> bool:
    """Return whether everything is sent, or lost; wait for it no longer than that."""
    return _State.reporter is None or _State.reporter.outbox.flush(timeout_s)


def lost() -> Mapping[str, int]:
    """Return how many things were lost that the server has not been told of, by reason."""
    return {} if _State.reporter is None else _State.reporter.outbox.lost


def _watch() -> None:
    """Report what nobody catches, and then do what was done before."""
    before, before_in_thread = sys.excepthook, threading.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _uncaught(error)
        before(kind, error, trace)

    def thread_hook(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is not None:
            _uncaught(failed.exc_value)
        before_in_thread(failed)

    sys.excepthook = hook
    threading.excepthook = thread_hook


@quietly
def _uncaught(error: BaseException) -> str:
    if isinstance(error, _ENDINGS):
        return ""
    return report_exception(error, said={}, mechanism=UNCAUGHT)
