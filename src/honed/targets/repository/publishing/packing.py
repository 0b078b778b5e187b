"""A change of code as JSON that is short, beside the commit that it was made for."""

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from honed.core.canonical import Json
from honed.core.change import CodeChange, FileChange, Purpose
from honed.errors import ChangeRefused
from honed.targets.repository.git.clone import Clone


def pack(change: CodeChange) -> dict[str, Json]:
    """Return a change without what its base commit has already; ``unpack`` is the way back."""
    return {
        "base_commit": change.base_commit,
        "files": [_packed(each) for each in change.files],
        "repairs": list(change.repairs),
        "message": change.message,
        "doubt": change.doubt,
        "question": dict(change.question),
        "purpose": change.purpose.value,
        "made_by": change.made_by,
        "papers": [_packed(each) for each in change.papers],
    }


def unpack(value: Mapping[str, Any], clone: Clone) -> CodeChange:
    """Return the change that ``pack`` wrote.

    Raises:
        ChangeRefused: the clone has another commit of this name, or a file in it is no text.
    """
    base = value["base_commit"]

    def files(packed: Iterable[Mapping[str, Any]]) -> tuple[FileChange, ...]:
        return tuple(_unpacked(each, clone.read(base, each["path"])) for each in packed)

    return CodeChange(
        base_commit=base,
        files=files(value["files"]),
        repairs=tuple(value["repairs"]),
        message=value["message"],
        doubt=value["doubt"],
        question=value["question"],
        # Steps that were approved before there was another purpose name none.
        purpose=Purpose(value.get("purpose", Purpose.REPAIR)),
        made_by=value.get("made_by", ""),
        papers=files(value.get("papers", ())),
    )


def paths(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the path of every file that is committed with a change that ``pack`` wrote."""
    return tuple(str(each["path"]) for each in (*value["files"], *value.get("papers", ())))


def patch_digest(change: CodeChange) -> str:
    """Return what names the lines that a change changes, whatever commit it is made for.

    Papers do not count: the same repair beside a longer changelog is the same.
    """
    diff = "".join(each.diff for each in change.files)
    return hashlib.sha256(diff.encode()).hexdigest()


def _packed(file: FileChange) -> dict[str, Json]:
    if file.after is None:
        return {"path": file.path, "edits": None, "sha256": ""}
    before, after = _lines(file.before), _lines(file.after)
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    edits: list[Json] = [
        [first, last, "".join(after[begin:end])]
        for what, first, last, begin, end in matcher.get_opcodes()
        if what != "equal"
    ]
    return {"path": file.path, "edits": edits, "sha256": _sha256(file.after)}


def _unpacked(value: Mapping[str, Any], content: bytes | None) -> FileChange:
    path = value["path"]
    try:
        before = None if content is None else content.decode()
    except UnicodeDecodeError as error:
        msg = f"{path} is no text"
        raise ChangeRefused(msg) from error
    if value["edits"] is None:
        return FileChange(path, before, None)
    lines = _lines(before)
    for first, last, text in reversed(value["edits"]):
        lines[first:last] = [text]
    after = "".join(lines)
    if _sha256(after) != value["sha256"]:
        msg = f"{path} is not as it was when the change was made"
        raise ChangeRefused(msg)
    return FileChange(path, before, after)


def _lines(text: str | None) -> list[str]:
    return (text or "").splitlines(keepends=True)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
