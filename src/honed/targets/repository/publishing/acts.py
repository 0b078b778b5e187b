"""What may be done to a repository, as the data of a step: propose a change, and take it back."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from honed.core.canonical import canonical_json
from honed.core.change import CodeChange
from honed.core.step import Step
from honed.forge.description import CLAIM_TRAILER
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.git.commit import Note, commit_files
from honed.targets.repository.publishing.packing import pack, patch_digest, unpack
from honed.targets.repository.requests.reviewing import BRANCHES

#: Who carries such steps out.
RUNNER: Final = "repository"
PUBLISH: Final = "publish"
WITHDRAW: Final = "withdraw"
#: Of a digest, as much as keeps branches apart.
_SHORT: Final = 8
_SLUG_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class Publication:
    """A change that is to be proposed to people."""

    change: CodeChange
    #: The branch that it is to be merged into.
    base_branch: str
    #: What is wrong: the same for every try to settle it.
    root_cause: str
    title: str
    #: In Markdown.
    body: str
    #: Digest of the hypothesis, as every entry of the ledger about it names it; empty: there is
    #: none. The commit names it, too: the entries that prove it are written after its bytes.
    claim: str = ""
    #: The ticket that asks for it; None: none does.
    ticket_id: int | None = None


def branch_of(change: CodeChange) -> str:
    """Return the branch of a change: the same lines have the same one, on whatever commit."""
    path = change.main_path or "nothing"
    slug = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")[:_SLUG_CHARACTERS]
    return f"{BRANCHES}{slug}-{patch_digest(change)[:_SHORT]}"


def commit_of(clone: Clone, change: CodeChange, claim: str = "") -> str:
    """Return the commit of a change, made in honed's clone: the same whenever it is made.

    With the digest of a claim it has a trailer that names it.

    Raises:
        UnknownCommit: its base is not there.
        ChangeRefused: it would change nothing, or a path is no file's.
    """
    files = {
        each.path: None if each.after is None else each.after.encode() for each in change.every_file
    }
    message = change.message
    if claim:
        message = f"{message.rstrip()}\n\n{CLAIM_TRAILER}: {claim}\n"
    note = Note(message, time_of(clone, change.base_commit))
    return commit_files(clone, change.base_commit, files, note)


def time_of(clone: Clone, commit: str) -> datetime:
    """Return when a commit was made."""
    return datetime.fromtimestamp(int(clone.git.text("show", "-s", "--format=%ct", commit)), UTC)


def publish_step(clone: Clone, publication: Publication) -> Step:
    """Return the step that proposes a change, and closes it or proposes its revert to undo it.

    It names the commit itself: what is approved is what is pushed, to the byte.

    Raises: as ``commit_of``.
    """
    change = publication.change
    where = {
        "branch": branch_of(change),
        "base_branch": publication.base_branch,
        "commit": commit_of(clone, change, publication.claim),
        "base_commit": change.base_commit,
    }
    said = {
        "root_cause": publication.root_cause,
        "patch_digest": patch_digest(change),
        "title": publication.title,
        "body": publication.body,
        "change": pack(change),
        "claim": publication.claim,
        "ticket_id": publication.ticket_id,
    }
    return Step(
        description=f"propose to {publication.base_branch}: {publication.title}",
        do=(_act({"act": PUBLISH, **where, **said}),),
        undo=(_act({"act": WITHDRAW, **where}),),
        inspect=_act({"act": "inspect", **where}),
        runner=RUNNER,
        in_transaction=False,
    )


def change_of(step: Step, clone: Clone) -> CodeChange:
    """Return the change that ``publish_step`` put into a step.

    Raises:
        ChangeRefused: the clone does not have what it was made for.
    """
    return unpack(json.loads(step.do[0])["change"], clone)


def _act(value: object) -> str:
    return canonical_json(value).decode()  # type: ignore[arg-type]  # it holds plain JSON alone
