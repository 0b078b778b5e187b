"""Which lines of a repository a call runs, and whether it asks what is not the same twice."""

import os
import sys
from types import FrameType
from typing import Any, Self

#: Modules in C whose functions answer otherwise another time, or reach outside.
_OUTSIDE = {
    "time": "time",
    "_random": "random",
    "random": "random",
    "_uuid": "random",
    "posix": "files",
    "_io": "files",
    "io": "files",
    "_socket": "network",
    "_ssl": "network",
    "select": "network",
    "_posixsubprocess": "processes",
    "_locale": "locale",
}
_HARMLESS = frozenset(
    {"fspath", "text_encoding", "StringIO", "BytesIO", "lock", "register_at_fork"}
)
#: In Python, by the end of the file's name.
_BY_FILE = {
    "random.py": "random",
    "uuid.py": "random",
    "secrets.py": "random",
    "tempfile.py": "files",
    "socket.py": "network",
    "subprocess.py": "processes",
    "threading.py": "threads",
}
_NOW = frozenset({"now", "utcnow", "today"})
#: What these do beside their purpose is no part of what a call does.
_QUIET = ("<frozen importlib", "/logging/__init__.py", "/warnings.py")


class Watch:
    """A context in which lines and dependences are noted."""

    def __init__(self, root: str) -> None:
        self._root = root + os.sep
        self._quiet = 0
        self.lines: dict[str, set[int]] = {}
        #: What the call depends on; empty: on its arguments alone.
        self.depends: set[str] = set()

    def __enter__(self) -> Self:
        """Begin."""
        sys.settrace(self._trace)
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        sys.setprofile(None)
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        path = frame.f_code.co_filename
        if not path.startswith(self._root):
            return None
        if event == "line":
            self.lines.setdefault(path[len(self._root) :], set()).add(frame.f_lineno)
        return self._trace

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            if not self._quiet:
                self._ask_c(argument)
            return
        path = frame.f_code.co_filename
        if any(each in path for each in _QUIET):
            self._quiet = max(0, self._quiet + {"call": 1, "return": -1}.get(event, 0))
        elif event == "call" and not self._quiet and not path.startswith(self._root):
            why = _BY_FILE.get(os.path.basename(path), "")
            name = frame.f_code.co_name
            if path == "<frozen os>" and name in ("getenv", "__getitem__", "__iter__"):
                why = "environment"
            self.depends |= {why} - {""}

    def _ask_c(self, called: Any) -> None:
        name = getattr(called, "__name__", "")
        owner = getattr(called, "__self__", None)
        module = getattr(called, "__module__", None) or type(owner).__module__
        if isinstance(owner, type):
            module = owner.__module__
            if module == "datetime" and name in _NOW:
                self.depends.add("time")
                return
        if name in _HARMLESS or type(owner).__name__ in ("StringIO", "BytesIO", "TextIOWrapper"):
            return
        if name in ("open", "input") and module in ("builtins", "io", "_io"):
            self.depends.add("files")
        for part in str(module).split("."):
            if part in _OUTSIDE:
                self.depends.add(_OUTSIDE[part])
