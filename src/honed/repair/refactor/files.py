"""The files of a repository in a folder: which are its own, and what stands beside the code."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from honed.repair.refactor.package import Package

#: Folders that hold what others wrote, or what was made.
_FOREIGN: Final = frozenset(
    {"__pycache__", "build", "dist", "node_modules", "site-packages", "vendor", "venv"}
)
#: Other files that may name code: entry points, settings, templates, manuals.
_SUFFIXES: Final = frozenset(
    {".cfg", ".html", ".ini", ".j2", ".json", ".md", ".rst", ".toml", ".txt", ".yaml", ".yml"}
)
_LARGEST_BYTES: Final = 1_000_000
_MOST_FILES: Final = 5_000
_WORD: Final = re.compile(r"[A-Za-z_]\w*")


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files of a repository, without hidden, made and foreign folders, nor links."""
    for here, folders, files in os.walk(folder):
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        folders[:] = [each for each in folders if each[0] != "." and each not in _FOREIGN]
        paths = (Path(here, file) for file in files)
        yield from (path for path in paths if not path.is_symlink())


def words_beside(files: Iterable[Path]) -> frozenset[str]:
    """Return every word of those files that are no modules and may name code."""
    words: set[str] = set()
    for path in files:
        if path.suffix in _SUFFIXES and path.stat().st_size <= _LARGEST_BYTES:
            words.update(_WORD.findall(path.read_text(encoding="utf-8", errors="replace")))
    return frozenset(words)


def read_package(folder: Path) -> Package | None:
    """Return all files of Python below a folder as one package, with the words beside them.

    None: one of them is too large, is no UTF-8, or there are too many; who does not see all files
    cannot say that nothing names a function.
    """
    every = sorted(files_below(folder))
    sources = [path for path in every if path.suffix == ".py"]
    if len(sources) > _MOST_FILES or any(p.stat().st_size > _LARGEST_BYTES for p in sources):
        return None
    try:
        texts = {path.relative_to(folder).as_posix(): _text(path) for path in sources}
    except UnicodeDecodeError:
        return None
    return Package(texts, words_beside(every))


def _text(path: Path) -> str:
    # Ends of lines as they are: what is changed is changed to the byte.
    return path.read_bytes().decode()
