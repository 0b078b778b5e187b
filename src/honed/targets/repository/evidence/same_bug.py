"""The same bug elsewhere: functions that are like one that was changed, as it was before.

Of a function only digests of its form are kept, so that a bug that was found in one repository is
found in another without the code of either leaving it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from honed.core.change import CodeChange, is_test
from honed.core.finding import SAME_BUG, Finding
from honed.space.clones.atoms import Atom, read_atoms
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries
from honed.targets.repository.git.clone import Clone

QUERIES: Final = load_queries("honed.targets.repository.evidence", "same_bug.sql")
_FUNCTIONS: Final = frozenset({"function", "method"})
#: Larger files are written by programs.
_LARGEST_BYTES: Final = 1 << 20
#: Places that one look names.
_MOST: Final = 50


@dataclass(frozen=True, slots=True)
class KnownBug:
    """A function as it was before a change of it was let in."""

    path: str
    name: str
    #: ``function`` or ``method``.
    kind: str
    #: By which of its digests its likes are known: ``shape``, or ``exact`` where the change left
    #: the shape as it was.
    form: str
    digest: str


@dataclass(frozen=True, slots=True)
class _Place:
    """A function of a commit."""

    path: str
    name: str
    line: int
    end_line: int


def known_bugs(change: CodeChange) -> Iterator[KnownBug]:
    """Yield the functions that a change changes, as they were; small ones are like too many.

    What it takes out, moves or renames is no bug: the function has to be there afterwards.
    """
    for file in change.python_files():
        if file.before is None or file.after is None:
            continue
        after = {each.name: each for each in _functions(file.path, file.after)}
        inner: set[str] = set()
        # What is inside comes later in the text: the innermost one is what was wrong.
        for atom in reversed(list(_functions(file.path, file.before))):
            now = after.get(atom.name)
            if now is None or now.exact == atom.exact or any(_is_in(each, atom) for each in inner):
                continue
            inner.add(atom.name)
            form = "shape" if now.shape != atom.shape else "exact"
            yield KnownBug(file.path, atom.name, atom.kind, form, getattr(atom, form))


def is_known(conn: Connection, change_id: int) -> bool:
    """Return whether what a change changed is kept already."""
    return conn.execute(QUERIES["find_bug"], {"change_id": change_id}).fetchone() is not None


def remember(conn: Connection, change_id: int, change: CodeChange) -> None:
    """Keep what a merged change changed, as it was before."""
    for bug in known_bugs(change):
        values = {name: getattr(bug, name) for name in KnownBug.__slots__}
        conn.execute(QUERIES["keep_bug"], {"change_id": change_id, **values})


def same_bugs(store: Database, clone: Clone, commit: str) -> Iterator[Finding]:
    """Yield a finding for each function of a commit that is like one before a change of it.

    Changes count that were merged in any repository and are not taken back. Tests and small
    functions are left out.

    Args:
        store: honed's own database.

        clone: of the repository that is looked at.

        commit: of it.
    """
    with store.transaction() as conn:
        rows = conn.execute(QUERIES["list_bugs"]).fetchall()
    if not rows:
        return
    known = {(row["form"], row["digest"]): row for row in rows}
    for place, key in _alike(clone, commit, frozenset(known))[:_MOST]:
        yield _finding(place, known[key], commit)


def _finding(place: "_Place", row: Mapping[str, Any], commit: str) -> Finding:
    return Finding(
        SAME_BUG,
        f"{place.path}: {place.name} as in change {row['change_id']}",
        f"{place.name} in {place.path} is like {row['name']} before it was repaired",
        evidence={
            "commit": commit,
            "files": [place.path],
            "name": place.name,
            "line": place.line,
            "end_line": place.end_line,
            "alike_in": row["form"],
            "change": {
                "change_id": row["change_id"],
                "repository": row["target"],
                "title": row["title"],
                "url": row["url"],
                "path": row["path"],
                "name": row["name"],
                "merge_commit": row["merge_commit"],
            },
        },
    )


@lru_cache(maxsize=16)
def _alike(
    clone: Clone, commit: str, keys: frozenset[tuple[str, str]]
) -> tuple[tuple[_Place, tuple[str, str]], ...]:
    """Return the functions of a commit with one of these forms: each cycle asks for the same."""
    return tuple(
        (_Place(atom.path, atom.name, atom.line, atom.end_line), key)
        for path, text in _texts(clone, commit)
        for atom in _functions(path, text)
        for key in (("shape", atom.shape), ("exact", atom.exact))
        if key in keys
    )


def _texts(clone: Clone, commit: str) -> Iterator[tuple[str, str]]:
    """Yield the modules of a commit that are no tests, by one process of git."""
    places = [
        each
        for each in clone.entries(commit)
        if each.is_file and each.path.endswith(".py") and not is_test(each.path)
    ]
    contents = clone.contents([each.blob for each in places], _LARGEST_BYTES)
    for each, content in zip(places, contents, strict=True):
        if content is not None:
            yield each.path, content.decode(errors="replace")


def _functions(path: str, text: str) -> Iterable[Atom]:
    return [each for each in read_atoms(path, text) if each.kind in _FUNCTIONS]


def _is_in(inner: str, outer: Atom) -> bool:
    return inner.startswith(f"{outer.name}.")
