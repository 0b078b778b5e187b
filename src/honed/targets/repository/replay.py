"""Makes the commit of a change again, from its record and its base commit: to the same bytes.

Nothing else is there while it is made: a repository of its own holds the base commit alone, so
neither the branch that was published nor its objects can help.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from honed.core.change import CodeChange, FileChange
from honed.errors import GitFailed, LedgerError
from honed.ledger.statement import Statement
from honed.sandbox.scratch import scratch
from honed.targets.repository.git.clone import Clone, open_clone
from honed.targets.repository.publishing.acts import PUBLISH, commit_of
from honed.targets.repository.publishing.packing import patch_digest, unpack

#: The base commit in the repository that holds nothing else.
_BASE: Final = "refs/honed/base"
_FETCH_TIMEOUT_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class Publication:
    """What an entry of the ledger says was to be published."""

    #: The entry.
    index: int
    base_commit: str
    branch: str
    #: What was approved, and recorded before anything was pushed.
    commit: str
    patch_digest: str
    #: The digest of the claim; empty: there was none.
    claim: str
    #: As ``packing.pack`` has it.
    change: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of making a commit again."""

    recorded: Publication
    #: As it was made now.
    commit: str
    patch_digest: str
    #: The patch of the commit that was made, as a unified diff.
    patch: str

    @property
    def is_same(self) -> bool:
        """Whether commit and patch are those of the record, to the byte."""
        made = (self.commit, self.patch_digest)
        return made == (self.recorded.commit, self.recorded.patch_digest)


def publication(statement: Statement) -> Publication:
    """Return what an entry says was to be published; its signature is checked by whoever read it.

    Entries of two events tell it: that an improvement was ``started``, and ``step_started``.

    Raises:
        LedgerError: it tells of no change of code.
    """
    try:
        (act,) = (each for each in _acts(statement.detail) if each.get("act") == PUBLISH)
        return Publication(
            index=statement.index,
            base_commit=act["base_commit"],
            branch=act["branch"],
            commit=act["commit"],
            patch_digest=act["patch_digest"],
            claim=act.get("claim", ""),
            change=act["change"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"entry {statement.index} ({statement.event}) publishes no change of code"
        hint = "name the entry `started` or `step_started` of a change; `honed ledger list`"
        raise LedgerError(msg, hint=hint) from error


def replay(recorded: Publication, clone: Clone) -> Replayed:
    """Return the commit of a change as it is made from the record now, and its patch.

    Args:
        recorded: what was to be published.

        clone: of the repository; only the base commit is taken from it.

    Raises:
        UnknownCommit: the repository no longer has the base commit.
        ChangeRefused: the record does not fit the base commit.
        GitFailed: the base commit cannot be read.
    """
    with _alone(clone, recorded.base_commit) as alone:
        change = unpack(recorded.change, alone)
        made = commit_of(alone, change, recorded.claim)
        patch = CodeChange(
            recorded.base_commit,
            _between(alone, recorded.base_commit, made, change.files),
            papers=_between(alone, recorded.base_commit, made, change.papers),
        )
    return Replayed(recorded, made, patch_digest(patch), patch.diff)


@contextmanager
def _alone(clone: Clone, commit: str) -> Iterator[Clone]:
    """Hand out a repository that holds one commit of another's, without its history."""
    whole = clone.commit(commit)
    with scratch() as folder:
        alone = open_clone(str(clone.folder), folder / "base")
        said = alone.git.attempt(
            *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-auto-gc"),
            *("--no-write-fetch-head", "--", _url(clone.folder), f"{whole}:{_BASE}"),
            timeout_s=_FETCH_TIMEOUT_S,
        )
        if said.code:
            msg = f"the base commit {whole} cannot be read: {said.words}"
            raise GitFailed(msg, code=said.code)
        yield alone


def _url(folder: Path) -> str:
    # A path would be copied whole, and its depth not be heard of.
    return folder.resolve().as_uri()


def _between(
    clone: Clone, base: str, made: str, files: Iterable[FileChange]
) -> tuple[FileChange, ...]:
    """Return what a commit changes of some files, read from the commit itself."""
    paths = [each.path for each in files]
    return tuple(
        FileChange(path, _text(clone.read(base, path)), _text(clone.read(made, path)))
        for path in paths
    )


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode()


def _acts(detail: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield everything that the steps of an entry were to do."""
    texts = [*detail.get("statements", ())]
    texts += [text for step in detail.get("steps", ()) for text in step["do"]]
    yield from (json.loads(text) for text in texts)
