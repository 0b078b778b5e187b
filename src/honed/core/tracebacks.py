"""From the text of a Python traceback to the fault that it tells."""

import re
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from honed.core.fault import Fault, Frame, is_in_app

#: A longer text loses its middle: the header stands at its beginning, the error at its end.
_MAX_TEXT: Final = 1_000_000
_MAX_LINES: Final = 20_000

#: Of more frames, the innermost are kept.
_MAX_FRAMES: Final = 256

#: A longer line or message is cut.
_MAX_MESSAGE: Final = 8192

#: More members of a group, and deeper groups, are left out; Python itself prints 15 and 10.
_MAX_MEMBERS: Final = 64
_MAX_DEPTH: Final = 10

_HEADER: Final = "Traceback (most recent call last):"
#: What stands between two tracebacks, and whether the first was only being handled.
_LINKS: Final = {
    "The above exception was the direct cause of the following exception:": False,
    "During handling of the above exception, another exception occurred:": True,
}

_FRAME: Final = re.compile(r'\s+File "(.{0,1000})", line (\d{1,9})(?:, in (.{1,500}))?$')
_ERROR: Final = re.compile(
    r"((?:[^\W\d]\w*|<locals>)(?:\.(?:[^\W\d]\w*|<locals>))*+)(?::(?: (.*))?)?$"
)
_REPEATED: Final = "[Previous line repeated "

#: Lines of a group stand right of `  | `, which is two columns further in for each level.
_MARGIN: Final = re.compile(r"((?:  )+)[|+](?: (.*))?$")
#: `  +-+--- 1 ---` before a group's first member, `    +--- 2 ---` before the others, `    +---`.
_MEMBER: Final = re.compile(r"((?:  )*)(\+-)?\+-{3,}(?:( [\d.]+ )-{3,})?$")


def parse_traceback(text: str) -> Fault | None:
    """Return the first error that ``text`` tells, with its causes and the members of groups.

    What stands before the traceback is skipped, what follows the error is part of its message.
    None where there is no traceback, or none whose error is told. Files say what is in the app;
    modules are unknown.
    """
    if len(text) > _MAX_TEXT:
        text = f"{text[: _MAX_TEXT // 4]}\n{text[-_MAX_TEXT * 3 // 4 :]}"
    lines = text.split("\n")
    if len(lines) > _MAX_LINES:
        lines = [*lines[: _MAX_LINES // 4], *lines[-_MAX_LINES * 3 // 4 :]]
    lines = [line[:_MAX_MESSAGE].removesuffix("\r") for line in lines]
    for number, line in enumerate(lines):
        if line.rstrip().endswith(_HEADER):
            return _read(_unindented(lines[number:]))
    return None


def _unindented(lines: list[str]) -> list[str]:
    """Return ``lines`` without the blanks that the header is indented by."""
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    if lines[0].lstrip().startswith("+ Exception Group"):
        indent = indent[:-2]
    return [line.removeprefix(indent) for line in lines]


def _read(lines: list[str]) -> Fault | None:
    """Return the error of ``lines``; at any time one chain is open for each level of groups."""
    open_chains = [_Chain()]
    for line in lines:
        if (member := _MEMBER.match(line)) and (level := _level(member)) <= len(open_chains):
            _close(open_chains, level + 1 if member[2] else max(level, 1))
            if (member[2] or member[3]) and len(open_chains) < _MAX_DEPTH:
                open_chains.append(_Chain(state=_State.FRAMES))
            continue
        margin = _MARGIN.match(line)
        if margin and (level := _level(margin)) < len(open_chains):
            line_of_level = margin[2] or ""
        else:
            level, line_of_level = 0, line
        # A group whose last member is a group ends with that.
        _close(open_chains, level + 1)
        open_chains[level].read(line_of_level)
    _close(open_chains, 1)
    return open_chains[0].fault()


def _level(match: re.Match[str]) -> int:
    return max(len(match[1]) // 2 - 1, 0)


def _close(open_chains: list["_Chain"], level: int) -> None:
    """Close the chains from ``level`` on: each is a member of the error one level up."""
    while len(open_chains) > level:
        member = open_chains.pop().fault()
        errors = open_chains[-1].errors
        if member and errors and len(errors[-1].members) < _MAX_MEMBERS:
            errors[-1].members.append(member)


class _State(Enum):
    """What the next line may be."""

    #: A header.
    OUTSIDE = 0
    #: A frame, its code, or the error.
    FRAMES = 1
    #: More of the message.
    MESSAGE = 2
    #: Nothing: a second traceback has begun that has nothing to do with the first.
    DONE = 3


@dataclass(slots=True)
class _Error:
    """One error that was read."""

    type: str
    message: list[str]
    frames: tuple[Frame, ...]
    is_cause_context: bool
    members: list[Fault] = field(default_factory=list)


@dataclass(slots=True)
class _Chain:
    """An error and its causes, the first cause first, while they are read."""

    state: _State = _State.OUTSIDE
    errors: list[_Error] = field(default_factory=list)
    frames: deque[Frame] = field(default_factory=lambda: deque(maxlen=_MAX_FRAMES))
    awaits_code: bool = False
    is_cause_context: bool = False
    #: Characters that the message may still take.
    room: int = 0

    def read(self, line: str) -> None:
        """Take the next line."""
        if self.state is _State.DONE:
            return
        if line.rstrip().endswith(_HEADER):
            self._begin()
        elif (is_context := _LINKS.get(line.strip())) is not None:
            self.is_cause_context = is_context
            self.state = _State.OUTSIDE
        elif self.state is _State.FRAMES:
            self._read_frame(line)
        elif self.state is _State.MESSAGE:
            self._read_message(line)

    def _begin(self) -> None:
        if self.state is _State.MESSAGE:
            if not self.errors[-1].type.endswith("RemoteTraceback"):
                self.state = _State.DONE
                return
            # Its message is the traceback of another process, which says more.
            self.errors.pop()
        self.state = _State.FRAMES
        self.frames.clear()
        self.awaits_code = False

    def _read_frame(self, line: str) -> None:
        if frame := _FRAME.match(line):
            file, number, function = frame.groups()
            # Without a function it is where a syntax error lies, which nothing has called.
            self.awaits_code = function is not None
            if function is not None:
                self.frames.append(Frame(file, "", function, int(number), "", is_in_app(file)))
        elif line[:1].isspace():
            self._read_code(line.strip())
        elif error := _ERROR.match(line):
            self.errors.append(
                _Error(error[1], [error[2] or ""], tuple(self.frames), self.is_cause_context)
            )
            self.state = _State.MESSAGE
            self.room = _MAX_MESSAGE

    def _read_code(self, code: str) -> None:
        # Below the code stand marks, more of the statement, and how often a recursion repeats it.
        if self.awaits_code and code.strip("~^ ") and not code.startswith(_REPEATED):
            self.awaits_code = False
            bare = self.frames[-1]
            self.frames[-1] = Frame(bare.file, "", bare.function, bare.line, code, bare.is_in_app)

    def _read_message(self, line: str) -> None:
        self.room -= len(line) + 1
        if self.room > 0:
            self.errors[-1].message.append(line)

    def fault(self) -> Fault | None:
        """Return what was read, the last error outermost; None if there was no error."""
        fault = None
        for error in self.errors:
            fault = Fault(
                type=error.type,
                message="\n".join(error.message).rstrip(),
                frames=error.frames,
                cause=fault,
                is_cause_context=error.is_cause_context and fault is not None,
                members=tuple(error.members),
            )
        return fault
