"""A fault: an error as every source of exceptions tells it, whatever wire it came on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from honed.core.canonical import Json

#: Where installed packages lie.
_PACKAGES: Final = re.compile(r"[\\/](?:site|dist)-packages[\\/]|[\\/]__pypackages__[\\/]")

#: Where Python's own library lies: /usr/lib/python3.11/json, C:\Python311\Lib\json, python311.zip.
_LIBRARY: Final = re.compile(
    r"[\\/]lib(?:64)?[\\/](?:python|pypy)\d[\d.]*t?[\\/]"
    r"|[\\/]python[\d.-]*(?:[\\/][\w.-]+)?[\\/]lib[\\/]"
    r"|[\\/]python\d+\.zip[\\/]",
    re.IGNORECASE,
)

#: Compiled Cython modules tell the path of their source relative to where they were built.
_BUILT: Final = re.compile(r"(?![\\/]|[A-Za-z]:).*\.(?:pyx|pxd|pxi)$")


@dataclass(frozen=True, slots=True)
class Frame:
    """One call on the way to an error.

    Args:
        file: its source file, as told.

        module: its module's name; empty where only the file is known.

        function: its name, or qualified name.

        line: the line number, from 1; 0 where it is unknown.

        code: the line that was executed; empty where it is unknown.

        is_in_app: whether it is the application's own code, as its source says or as
            :func:`is_in_app` does.

        variables: what its local variables held, scrubbed, as its source tells values: texts that
            Python would write, also in lists and objects. Frames that differ only there are equal.
    """

    file: str
    module: str = ""
    function: str = ""
    line: int = 0
    code: str = ""
    is_in_app: bool = False
    variables: Mapping[str, Json] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """One error with the calls that led to it.

    Args:
        type: the exception's type, with its module where that is known: ``json.JSONDecodeError``.

        message: what it says.

        frames: the calls, innermost last.

        cause: the error that it was raised from (``__cause__``), or that was being handled when it
            was raised (``__context__``).

        is_cause_context: whether ``cause`` was only being handled.

        members: the errors of an exception group.
    """

    type: str
    message: str = ""
    frames: tuple[Frame, ...] = ()
    cause: "Fault | None" = None
    is_cause_context: bool = False
    members: tuple["Fault", ...] = ()


def is_in_app(file: str) -> bool:
    """Return whether ``file`` is the application's own code.

    Installed packages, Python's library, frozen modules and code without a file (``<string>``)
    are not. An application that is itself installed as a package is not recognised.
    """
    if not file or file.startswith("<"):
        return False
    return not (_PACKAGES.search(file) or _LIBRARY.search(file) or _BUILT.match(file))
