"""Events as the SDKs of Sentry send them: the wire that honed's server takes from any of them."""

import os
import platform
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Final

from honed import __version__
from honed.client.raised import LONGEST_LINE, Call, calls, cause, members, message
from honed.client.variables import Telling

#: What hears of exceptions that nobody catches.
UNCAUGHT: Final = "excepthook"
#: Of one event; of more frames the innermost, of causes the nearest.
_MOST_FRAMES: Final = 100
_MOST_WITH_VARIABLES: Final = 30
_MOST_EXCEPTIONS: Final = 16
#: Lines before and after the one that was executed.
_AROUND: Final = 5
#: Where code lies that is none of the application's.
_PACKAGES: Final = ("site-packages", "dist-packages")
_LIBRARY: Final = str(PurePath(os.__file__).parent)


@dataclass(frozen=True, slots=True)
class Origin:
    """What is the same in every event of a process."""

    service: str = ""
    environment: str = ""
    release: str = ""
    server: str = field(default_factory=platform.node)

    def event(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return an event that says this."""
        version = platform.python_version()
        runtime = {"name": platform.python_implementation(), "version": version}
        return {
            "event_id": uuid.uuid4().hex,
            "timestamp": datetime.now(UTC).isoformat(),
            "platform": "python",
            "environment": self.environment,
            "release": self.release,
            "server_name": self.server,
            "sdk": {"name": "honed.client", "version": __version__},
            **said,
            "contexts": {"runtime": runtime, **said.get("contexts", {})},
            "tags": {"service": self.service, **said.get("tags", {})},
        }

    def line(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return a list of one line of a log."""
        attributes = {
            **said.get("attributes", {}),
            "service": self.service,
            "server.address": self.server,
            "sentry.environment": self.environment,
            "sentry.release": self.release,
        }
        return {"version": 2, "items": [{**said, "attributes": attributes}]}


def told_exceptions(error: BaseException, telling: Telling, mechanism: str) -> list[dict[str, Any]]:
    """Return an error with its causes and the members of groups, the outermost last.

    Args:
        error: what was raised.

        telling: of its event's values.

        mechanism: what heard of it: ``logging``.
    """
    found: list[dict[str, Any]] = []
    waiting: list[tuple[BaseException, int | None, str]] = [(error, None, "")]
    while waiting and len(found) < _MOST_EXCEPTIONS:
        each, parent, source = waiting.pop(0)
        number = len(found)
        found.append(
            {
                "type": type(each).__qualname__,
                "module": _module(type(each)),
                "value": message(each),
                "stacktrace": {"frames": _frames(calls(each), telling)},
                "mechanism": {
                    "type": mechanism,
                    "handled": mechanism != UNCAUGHT,
                    "exception_id": number,
                    "parent_id": parent,
                    "source": source,
                },
            }
        )
        waiting += [(below, number, how) for below, how in _below(each)]
    return found[::-1]


def _below(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """Yield what an error comes from or consists of, and in which way."""
    below = cause(error)
    if below is not None:
        yield below, "__context__" if error.__cause__ is None else "__cause__"
    for number, member in enumerate(members(error)):
        yield member, f"exceptions[{number}]"


def _module(kind: type[BaseException]) -> str | None:
    return None if kind.__module__ in {"builtins", "__main__"} else kind.__module__


def _frames(every: Sequence[Call], telling: Telling) -> list[dict[str, Any]]:
    told = every[-_MOST_FRAMES:]
    rich = len(told) - _MOST_WITH_VARIABLES
    # The innermost first, as they are what the room for variables is for.
    frames = [
        _frame(call, telling if number >= rich else None)
        for number, call in reversed(list(enumerate(told)))
    ]
    return frames[::-1]


def _frame(call: Call, telling: Telling | None) -> dict[str, Any]:
    line, lines = call.line, call.lines
    is_own = _is_own(call.file)
    told = {
        "filename": _relative(call.file, call.module),
        "abs_path": call.file,
        "module": call.module,
        "function": call.frame.f_code.co_qualname,
        "lineno": line,
        "in_app": is_own,
    }
    if 0 < line <= len(lines):
        told["context_line"] = _line(lines[line - 1])
    if is_own and telling is not None:
        told["pre_context"] = [_line(each) for each in lines[max(line - 1 - _AROUND, 0) : line - 1]]
        told["post_context"] = [_line(each) for each in lines[line : line + _AROUND]]
        told["vars"] = telling.variables(call.frame.f_locals)
    return told


def _is_own(file: str) -> bool:
    if file.startswith("<") or any(folder in file for folder in _PACKAGES):
        return False
    return not file.startswith(_LIBRARY + os.sep)


def _relative(file: str, module: str) -> str:
    """Return a path from where the module is imported from, as it is in every checkout."""
    path = PurePath(file)
    names = module.split(".") if module not in {"", "__main__"} else []
    if path.stem == "__init__":
        names = [*names, "__init__"]
    if names and path.with_suffix("").parts[-len(names) :] == tuple(names):
        return "/".join(path.parts[-len(names) :])
    return path.name or file


def _line(line: str) -> str:
    line = line.rstrip("\r\n")
    return line if len(line) <= LONGEST_LINE else "..."
