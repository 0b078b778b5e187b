"""A change of code, held as data: what each file was, what it becomes, and what that repairs."""

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from honed.core.canonical import Json

#: How documents that people read end.
_DOCUMENTS: Final = (".md", ".rst")


class Purpose(StrEnum):
    """What a change is for; gates ask of each what it has to show."""

    #: Tests that fail pass with it.
    REPAIR = "repair"
    #: The code is simpler, and does the same.
    REFACTOR = "refactor"
    #: The code is faster, and does the same.
    OPTIMIZE = "optimize"
    #: There are more tests; the code is the same.
    TEST = "test"
    #: A newer release of what the code is built on.
    UPGRADE = "upgrade"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file before and after."""

    #: From the repository's root, with forward slashes.
    path: str
    #: None: there was no such file.
    before: str | None
    #: None: it is gone.
    after: str | None

    @property
    def diff(self) -> str:
        """The change as a unified diff with three lines around."""
        return "".join(
            difflib.unified_diff(
                _lines(self.before),
                _lines(self.after),
                "/dev/null" if self.before is None else f"a/{self.path}",
                "/dev/null" if self.after is None else f"b/{self.path}",
            )
        )

    @property
    def touched(self) -> frozenset[int]:
        """Numbers of the lines of the file after that are new or other than before."""
        before, after = _lines(self.before), _lines(self.after)
        matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
        return frozenset(
            line + 1
            for what, _, _, begin, end in matcher.get_opcodes()
            if what != "equal"
            for line in range(begin, end)
        )

    @property
    def removed(self) -> int:
        """How many lines of the file before are gone or other."""
        matcher = difflib.SequenceMatcher(
            a=_lines(self.before), b=_lines(self.after), autojunk=False
        )
        return sum(
            end - begin for what, begin, end, _, _ in matcher.get_opcodes() if what != "equal"
        )


@dataclass(frozen=True, slots=True)
class CodeChange:
    """Files that change together, on one commit."""

    #: The commit that it is made for; anything else it was not proven on.
    base_commit: str
    #: What the change is: its code, and the tests that come with it.
    files: tuple[FileChange, ...]
    #: Ids of the tests that fail before and pass after.
    repairs: tuple[str, ...] = ()
    #: What its commit says.
    message: str = ""
    #: What a language model was asked for it; empty: none was.
    prompt: str = ""
    #: Why it should not be published; empty: there is no doubt. With ``question``, the input on
    #: which equally good changes do different things.
    doubt: str = ""
    question: Mapping[str, Json] = field(default_factory=dict)
    purpose: Purpose = Purpose.REPAIR
    #: What made it, and by which of its rules: ``template_repair: swap_comparison``.
    made_by: str = ""
    #: Documents that tell of it, such as a changelog: nothing of them runs.
    papers: tuple[FileChange, ...] = ()
    #: What came of every other change that was looked for instead, in a sentence each; no part of
    #: the change.
    tried: tuple[str, ...] = field(default=(), compare=False)

    @property
    def every_file(self) -> tuple[FileChange, ...]:
        """What is committed: its files and its papers."""
        return (*self.files, *self.papers)

    @property
    def main_path(self) -> str:
        """The path that names the change: of its first module, not of a test or a document.

        Where there is none, of whatever else comes first; empty: it has no file.
        """
        return min((each.path for each in self.files), key=_distance, default="")

    @property
    def diff(self) -> str:
        """All of it as one unified diff."""
        return "".join(each.diff for each in self.every_file)

    @property
    def seed(self) -> int:
        """Where chance begins in whatever judges it: for the same lines at the same place."""
        return int.from_bytes(hashlib.sha256(self.diff.encode()).digest()[:4])

    def python_files(self) -> Iterator[FileChange]:
        """Yield the files of Python that are there afterwards."""
        return (each for each in self.files if each.path.endswith(".py") and each.after is not None)

    def to_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        return {
            "base_commit": self.base_commit,
            "files": [_file_to_json(each) for each in self.files],
            "repairs": list(self.repairs),
            "message": self.message,
            "prompt": self.prompt,
            "doubt": self.doubt,
            "question": dict(self.question),
            "purpose": self.purpose.value,
            "made_by": self.made_by,
            "papers": [_file_to_json(each) for each in self.papers],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the change that ``to_json`` wrote."""
        read = {
            "files": tuple(FileChange(**each) for each in value["files"]),
            "repairs": tuple(value["repairs"]),
            "purpose": Purpose(value["purpose"]),
            "papers": tuple(FileChange(**each) for each in value.get("papers", ())),
        }
        return cls(**{**value, **read})


def is_test(path: str) -> bool:
    """Return whether a path is one of a test, by its name."""
    *folders, name = path.split("/")
    is_named = name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
    return is_named or bool({"test", "tests"} & set(folders))


def _distance(path: str) -> int:
    """Return how far a file is from the code that a change is about; 0: it is that."""
    if is_test(path) or path.lower().endswith(_DOCUMENTS):
        return 2
    return 0 if path.endswith(".py") else 1


def _file_to_json(file: FileChange) -> dict[str, Json]:
    return {"path": file.path, "before": file.before, "after": file.after}


def _lines(text: str | None) -> list[str]:
    """Return the lines of a text; where its last one has no end, it is given one."""
    lines = (text or "").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return lines
