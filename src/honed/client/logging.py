"""A handler of Python's own logging: what programs log becomes what honed hears of."""

import logging
from typing import Any, Final

from honed.client.raised import bounded
from honed.client.reporter import quietly, report_event, report_exception, report_line
from honed.client.variables import FILTERED, Telling, is_secret

#: What every record has; the rest is the program's own.
_OF_EVERY_RECORD: Final = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
)
#: Names of levels by their tens.
_LEVELS: Final = ("debug", "debug", "info", "warning", "error", "fatal")
#: Who reports does not report what it says itself.
_OWN: Final = "honed.client"


class Handler(logging.Handler):
    """Reports errors, in groups, with their exceptions; of a lower level also other lines.

    It reports to the DSN of :func:`honed.init`, else of HONED_DSN.
    """

    def __init__(self, level: int | str = logging.ERROR) -> None:
        """Report what is at least of this level."""
        super().__init__(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Report one record."""
        if not record.name.startswith(_OWN):
            _report(record)


@quietly
def _report(record: logging.LogRecord) -> str:
    telling = Telling()
    said = _said(record, telling)
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        return report_exception(error, said=said, mechanism="logging", telling=telling)
    if record.levelno >= logging.ERROR:
        return report_event("event", **said)
    entry = said["logentry"]
    parameters = {f"sentry.message.parameter.{n}": p for n, p in enumerate(entry["params"])}
    return report_line(
        timestamp=record.created,
        level=said["level"],
        body=entry["formatted"],
        attributes={
            **said["extra"],
            **parameters,
            "logger.name": record.name,
            "sentry.message.template": entry["message"],
        },
    )


def _said(record: logging.LogRecord, telling: Telling) -> dict[str, Any]:
    args = record.args if isinstance(record.args, tuple) else (record.args,)
    extra = {
        name: FILTERED if is_secret(name) else telling.json(value)
        for name, value in vars(record).items()
        if name not in _OF_EVERY_RECORD
    }
    return {
        "timestamp": record.created,
        "level": _LEVELS[min(record.levelno // 10, len(_LEVELS) - 1)],
        "logger": record.name,
        "logentry": {
            "message": bounded(str(record.msg)),
            "formatted": bounded(record.getMessage()),
            "params": [telling.json(each) for each in args if each is not None],
        },
        "extra": extra,
    }
