"""Named queries: each package keeps its SQL in a file ``queries.sql`` beside its modules."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import LiteralString, cast

_NAME = re.compile(r"^-- ([a-z0-9_]+) --$", re.MULTILINE)


@cache
def load_queries(package: str, file: str = "queries.sql") -> Mapping[str, LiteralString]:
    """Return the statements of ``package`` by name.

    The form of the file: a line ``-- name --``, one comment line that says what it does, then one
    statement with parameters as ``%(name)s``.

    Raises:
        ValueError: the file does not have this form, or a name comes twice.
    """
    text = (resources.files(package) / file).read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    queries: dict[str, LiteralString] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        comment, _, statement = body.strip().partition("\n")
        if name in queries or not comment.startswith("-- ") or not statement.strip():
            msg = f"{package}/{file}: {name} comes twice, or lacks its sentence or its statement"
            raise ValueError(msg)
        # The file is part of the package, so its text is as trustworthy as a literal in the code.
        queries[name] = cast("LiteralString", statement.strip().rstrip(";"))
    return MappingProxyType(queries)
