"""Templates from changes: what repairs made of what, by people here and elsewhere.

Read are the history of each repository and honed's own changes that were let in and kept. A pattern
holds words of Python alone, so that what was learned in one repository serves all.
"""

import hashlib
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from honed.core.change import is_test
from honed.forge.description import CLAIM_TRAILER
from honed.repair.mining.edits import mined
from honed.repair.mining.general import generalised
from honed.repair.templates.mined import MOST_PATTERNS
from honed.storage.db import Connection, Database
from honed.storage.queries import load_queries
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.git.history import ChangedFile, Past, past
from honed.targets.repository.judging.own_code import code_digest

_QUERIES: Final = load_queries("honed.targets.repository.evidence", "mined.sql")
#: Older commits are of other code.
_MOST_COMMITS: Final = 500
#: A change that does one thing is small.
_MOST_FILES: Final = 3
_MOST_FILES_OF_ALL_SORTS: Final = 20
_MOST_LINES: Final = 12
#: Lines between the first and the last that a change touches: beyond it is more than one thing.
_LONGEST_STRETCH: Final = 400
_LARGEST_BYTES: Final = 200_000
#: One look at a history; the next goes on where it ended.
_MOST_S: Final = 60.0
_AT_ONCE: Final = 20
_REPAIRS: Final = re.compile(r"\b(bug|correct|fix|repair)", re.IGNORECASE)
_REVERTS: Final = re.compile(r"^This reverts commit ([0-9a-f]{40,64})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change that was read."""

    commit: str
    #: None: somebody else's.
    improvement_id: int | None
    patch_digest: str
    patterns: frozenset[str]


def patterns(store: Database) -> tuple[str, ...]:
    """Return patterns that two commits or one kept change support, the best known first, 50."""
    with store.transaction() as conn:
        rows = conn.execute(_QUERIES["list_patterns"], {"most": MOST_PATTERNS})
        return tuple(row["pattern"] for row in rows)


def learn(store: Database, clone: Clone, target_id: int, head: str) -> None:
    """Keep the patterns of what was changed in a repository since it was learned from last.

    Args:
        store: honed's own database, as the daemon.

        clone: of the repository.

        target_id: the repository's target.

        head: the newest commit of the branch that is looked at.

    Raises:
        GitFailed: the history cannot be read.
    """
    learned = _kept(store, clone, target_id)
    about = {"target_id": target_id, "engine": code_digest("repair/mining")[:16]}
    with store.transaction() as conn:
        row = conn.execute(_QUERIES["find_history"], about).fetchone()
        own = {name for each in conn.execute(_QUERIES["list_own"], about) for name in each.values()}
    known = row["commit"] if row else ""
    if known != head:
        changes, known = _of_history(clone, head, known, own)
        learned += changes
    with store.transaction() as conn:
        _keep_patterns(conn, {pattern for change in learned for pattern in change.patterns})
        for change in learned:
            _keep(conn, target_id, change)
    common = _common(store) if any(change.patterns for change in learned) else []
    with store.transaction() as conn:
        _keep_patterns(conn, {pattern for pattern, _ in common})
        for pattern, sources in common:
            for source_id in sorted(sources):
                _keep_case(conn, pattern, source_id, is_common=True)
        # Whoever is stopped before reads the history again.
        conn.execute(_QUERIES["keep_history"], {**about, "commit": known})


def _keep(conn: Connection, target_id: int, change: _Change) -> None:
    about = {
        "target_id": target_id,
        "commit": change.commit,
        "improvement_id": change.improvement_id,
        "patch_digest": change.patch_digest,
    }
    conn.execute(_QUERIES["keep_source"], about)
    source = conn.execute(_QUERIES["find_source"], about).fetchone()
    if source is not None:
        for pattern in sorted(change.patterns):
            _keep_case(conn, pattern, source["source_id"], is_common=False)


def _common(store: Database) -> list[tuple[str, frozenset[int]]]:
    """Return what changes have in common, over all repositories, with their rows.

    It takes seconds, in which nothing is locked.
    """
    with store.transaction() as conn:
        rows = conn.execute(_QUERIES["list_cases"]).fetchall()
    found = {row["pattern"]: frozenset[int](row["sources"]) for row in rows}
    return list(generalised(found))


def _keep_patterns(conn: Connection, texts: Iterable[str]) -> None:
    """Keep patterns in one order: of two that learn at once only one waits for the other."""
    for pattern in sorted(texts):
        digest = hashlib.sha256(pattern.encode()).hexdigest()
        conn.execute(_QUERIES["keep_pattern"], {"pattern": pattern, "digest": digest})


def _keep_case(conn: Connection, pattern: str, source_id: int, *, is_common: bool) -> None:
    case = {"pattern": pattern, "source_id": source_id, "is_common": is_common}
    conn.execute(_QUERIES["keep_case"], case)


def _kept(store: Database, clone: Clone, target_id: int) -> list[_Change]:
    """Return honed's own repairs that people let in, as they are in the branch."""
    with store.transaction() as conn:
        rows = conn.execute(_QUERIES["list_kept"], {"target_id": target_id}).fetchall()
    found = []
    for row in rows:
        commit = row["merge_commit"]
        # Somebody may have bettered it before it was let in: what was let in is what counts.
        sides = {
            path: (clone.read(f"{commit}^1", path), clone.read(commit, path))
            for path in row["paths"]
            if _is_source(path)
        }
        found.append(_change(commit, row["improvement_id"], sides))
    return found


def _of_history(
    clone: Clone, head: str, known: str, own: Iterable[str]
) -> tuple[list[_Change], str]:
    """Return what repairs of a history changed, and up to which commit they were read."""
    commits = past(clone, head, known, most=_MOST_COMMITS)
    left_out = {*own, *(name for each in commits for name in _REVERTS.findall(each.message))}
    until = time.monotonic() + _MOST_S
    found: list[_Change] = []
    for first in range(0, len(commits), _AT_ONCE):
        some = commits[first : first + _AT_ONCE]
        if time.monotonic() > until:
            return found, known
        small = [each for each in some if each.commit not in left_out and _is_small_repair(each)]
        found += [each for each in _read(clone, small) if each.patterns]
        known = some[-1].commit
    return found, head


def _is_small_repair(commit: Past) -> bool:
    """Whether a commit of a person repairs something in few files, as far as it tells."""
    sources = [each for each in commit.files if _is_source(each.path)]
    has_test = any(each.path.endswith(".py") and is_test(each.path) for each in commit.files)
    is_own = f"{CLAIM_TRAILER}: " in commit.message or _REVERTS.search(commit.message)
    return (
        0 < len(sources) <= _MOST_FILES
        and len(commit.files) <= _MOST_FILES_OF_ALL_SORTS
        and not is_own
        and (has_test or _REPAIRS.search(commit.message) is not None)
    )


def _read(clone: Clone, commits: Sequence[Past]) -> Iterator[_Change]:
    files: list[tuple[Past, ChangedFile]] = [
        (commit, each)
        for commit in commits
        for each in commit.files
        if _is_source(each.path) and set(each.before) != {"0"} != set(each.after)
    ]
    blobs = [blob for _, each in files for blob in (each.before, each.after)]
    contents = clone.contents(blobs, _LARGEST_BYTES)
    sides: dict[str, dict[str, tuple[bytes | None, bytes | None]]] = {}
    for commit, each in files:
        sides.setdefault(commit.commit, {})[each.path] = (next(contents), next(contents))
    for name, found in sides.items():
        yield _change(name, None, found)


def _change(
    commit: str,
    improvement_id: int | None,
    sides: Mapping[str, tuple[bytes | None, bytes | None]],
) -> _Change:
    """Return what a commit says; one that changes too much says nothing."""
    lines: list[str] = []
    texts: set[str] = set()
    digest = hashlib.sha256()
    for path, (before, after) in sorted(sides.items()):
        changed = _changed_lines(before or b"", after or b"")
        lines += changed
        digest.update(repr((path, changed)).encode())
        if before is not None and after is not None and len(lines) <= _MOST_LINES:
            texts.update(each.text for each in mined(before, after))
    patterns = frozenset(texts if len(lines) <= _MOST_LINES else ())
    return _Change(commit, improvement_id, digest.hexdigest(), patterns)


def _changed_lines(before: bytes, after: bytes) -> list[str]:
    """Return the lines that are taken out and put in, more than are small where they are far."""
    old, new = (side.decode(errors="replace").splitlines() for side in (before, after))
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    old, new = old[same:], new[same:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    if max(len(old), len(new)) > _LONGEST_STRETCH:
        return [*old, *new]
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    return [
        f"{sign}{line.strip()}"
        for what, first, last, begin, end in matcher.get_opcodes()
        if what != "equal"
        for sign, side in (("-", old[first:last]), ("+", new[begin:end]))
        for line in side
    ]


def _is_source(path: str) -> bool:
    return path.endswith(".py") and not is_test(path)
