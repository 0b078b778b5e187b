"""The calls of an exception as Sentry tells them: as a fault has them, and as they are kept."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from honed.core.canonical import Json
from honed.core.fault import Frame, is_in_app
from honed.core.wire import text_in
from honed.signals.sentry.protocol import object_in, told, whole_in

_LAST_LINE: Final = 2**31
#: Files of a browser are URLs; parts of them become names, in which a password is not recognised.
_USERINFO: Final = re.compile(r"(?<=//)[^/\s]*@")
#: A line of a key that has many, such as PEM's, quoted or not.
_KEY: Final = re.compile(r"(?=[a-z+/]*[A-Z])(?=[A-Za-z+/]*\d)[A-Za-z0-9+/]{48,}")
#: The same calls lie on the way to many errors, so they are remembered: so many, each with so many
#: characters. As they were told: what is remembered here is not stored.
_MOST_KNOWN: Final = 2_048
_LONGEST_KNOWN: Final = 4_096


class Call(NamedTuple):
    """One call on the way to an error."""

    frame: Frame
    #: What is kept of it, but for its variables.
    kept: Mapping[str, Json]
    variables: Mapping[str, Json]

    def told(self) -> Json:
        """Return it as it is kept."""
        # Python sets the others by itself.
        variables: Json = {k: v for k, v in self.variables.items() if k[:2] != "__"}
        return {**self.kept, "vars": variables} if variables else self.kept


def read_call(said: Mapping[str, Json]) -> Call:
    """Return a call. A file of the app is told from the app's root on, others as a whole path."""
    names = (
        text_in(said, "filename"),
        text_in(said, "abs_path"),
        text_in(said, "module"),
        text_in(said, "function"),
        text_in(said, "context_line"),
    )
    before, after = _lines(said, "pre_context"), _lines(said, "post_context")
    in_app = said.get("in_app")
    size = len("".join(names + before + after)) + len(before) + len(after)
    read = _known if size <= _LONGEST_KNOWN else _read
    frame, kept = read(
        names,
        before,
        after,
        whole_in(said, "lineno") or 0,
        in_app if isinstance(in_app, bool) else None,
    )
    return Call(frame, kept, object_in(said, "vars"))


def _read(
    names: tuple[str, ...],
    before: tuple[str, ...],
    after: tuple[str, ...],
    line: int,
    in_app: bool | None,  # noqa: FBT001 - None: it does not say
) -> tuple[Frame, Mapping[str, Json]]:
    """Return a call without its variables, as a frame and as it is kept."""
    file, path, module, function, code = names
    if "//" in file or "//" in path:
        file, path = _USERINFO.sub("", file), _USERINFO.sub("", path)
    is_own = is_in_app(path or file) if in_app is None else in_app
    frame = Frame(
        file=(file or path) if is_own else (path or file),
        module=module,
        function=function,
        line=line if 0 < line < _LAST_LINE else 0,
        code=code.strip(),
        is_in_app=is_own,
    )
    kept: dict[str, Json] = {
        "file": frame.file,
        "module": module,
        "function": function,
        "line": frame.line or None,
        "code": frame.code,
        "in_app": is_own,
        "before": _without_keys(before),
        "after": _without_keys(after),
    }
    return frame, told(kept)


_known = lru_cache(_MOST_KNOWN)(_read)


def _lines(said: Mapping[str, Json], key: str) -> tuple[str, ...]:
    value = said.get(key)
    lines = value if isinstance(value, list) else []
    return tuple([line for line in lines if isinstance(line, str)])


def _without_keys(lines: tuple[str, ...]) -> list[Json]:
    """Return lines of code, without those of a key of many lines, which nobody sees in one."""
    return ["..." if _KEY.search(line) else line for line in lines]
