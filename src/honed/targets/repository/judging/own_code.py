"""Digests of honed's own code: what was found and judged by other code may be found otherwise."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

#: What decides: code, prompts and tables.
_SUFFIXES: Final = frozenset({".py", ".sql", ".toml", ".txt"})
_HONED: Final = Path(__file__).parents[3]


@cache
def code_digest(*places: str) -> str:
    """Return the SHA-256 of everything in some files and folders of honed, in hexadecimal digits.

    Args:
        places: from the package's root: ``gates``, ``targets/repository/judging``.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    digest = hashlib.sha256()
    for place in places:
        whole = _HONED / place
        if not whole.exists():
            raise FileNotFoundError(whole)
        for each in [whole] if whole.is_file() else sorted(whole.rglob("*")):
            if each.suffix in _SUFFIXES:
                name = each.relative_to(_HONED).as_posix()
                digest.update(name.encode() + b"\0" + each.read_bytes())
    return digest.hexdigest()
