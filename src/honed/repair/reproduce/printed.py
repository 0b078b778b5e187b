"""The error of a failing test as pytest prints it, as a fault."""

import re
from typing import Final

from honed.core.fault import Fault, Frame, is_in_app

#: Before the last error stands what it came of, or what was being handled: it is another error's.
_ANOTHER: Final = re.compile(
    r"^(?:The above exception was|During handling of the above exception).*$", re.MULTILINE
)
#: A frame, with ``--tb=short``: its place, and below it the line that was executed.
_FRAME: Final = re.compile(r"^(\S[^:\n]*):(\d+): in (\S+)\n {4,}(\S.*)$", re.MULTILINE)
#: The error itself, by its type's name with the module before; of an assertion stands what it says.
_ERROR: Final = re.compile(r"^E {3}([\w.]+)(?:: (.*))?$", re.MULTILINE)


def printed(message: str) -> Fault | None:
    """Return the error that a test ended with, with its frames; None: it is none that one can read.

    Where several came one of another, it is the last one, without what it came of: a fault whose
    fingerprint counts on that is not known again. What was cut off at the beginning of the message
    are outer frames.

    Args:
        message: what pytest says of the failure, with ``--tb=short``.
    """
    last = _ANOTHER.split(message)[-1]
    error = _ERROR.search(last)
    frames = tuple(
        Frame(path, function=function, line=int(line), code=code, is_in_app=is_in_app(path))
        for path, line, function, code in _FRAME.findall(last)
    )
    if error is None or not frames:
        return None
    return Fault(error[1], error[2] or "", frames)
