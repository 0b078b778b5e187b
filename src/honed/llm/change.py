"""The change that a model proposes: one file, its new text, how risky it is, what it should do."""

import ast
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked

from honed.core.privacy import TOKEN, Scrubber
from honed.errors import AnswerRefused

_LONGEST_PATH: Final = 500
_LONGEST_CODE: Final = 400_000
_LONGEST_IMPACT: Final = 2_000


@checked(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class ProposedChange:
    """What a model proposes (seed 000, "GENERATE IMPROVEMENT"), as far as its form can be checked.

    It is a proposal and nothing more: whether it is right is for the gates, and ``risk_level`` is
    the model's opinion, which can only make a change harder to apply.
    """

    target_file: Annotated[
        str,
        Field(
            min_length=1,
            max_length=_LONGEST_PATH,
            description="The one file to change, relative to the repository's root, with slashes.",
        ),
    ]
    code: Annotated[
        str,
        Field(max_length=_LONGEST_CODE, description="The whole new text of that file."),
    ]
    risk_level: Annotated[
        Literal["low", "medium", "high"],
        Field(description="How likely the change is to break something."),
    ]
    impact: Annotated[
        str,
        Field(
            min_length=1,
            max_length=_LONGEST_IMPACT,
            description="What the change does and why it helps, in a few sentences.",
        ),
    ]

    def __post_init__(self) -> None:
        """Refuse a file outside the repository, and code that Python cannot read.

        Raises:
            ValueError: it is one of both.
        """
        check_path(self.target_file)
        if self.target_file.casefold().endswith((".py", ".pyi")):
            check_python(self.code)

    def path_in(self, root: Path) -> Path:
        """Return where the file lies, links followed.

        Raises:
            AnswerRefused: a link leads out of the repository at ``root``, or into its ``.git``.
        """
        inside = root.resolve()
        path = (root / self.target_file).resolve()
        if not path.is_relative_to(inside) or ".git" in path.relative_to(inside).parts:
            msg = "target_file leads out of the repository"
            raise AnswerRefused(msg)
        return path

    def restored(self, files: Mapping[str, str], scrubber: Scrubber) -> "ProposedChange":
        """Return the change with the lines of the old file that the model saw scrubbed.

        Args:
            files: the texts that the model was shown, by file, as they are.

            scrubber: what scrubbed them.

        Raises:
            AnswerRefused: the code holds a token whose line is not that of the old file.
        """
        old = files.get(self.target_file, "")
        was = _lines_by_scrubbed(old, scrubber) if TOKEN.search(self.code) else {}
        code = "".join(
            was.get(line, line) if TOKEN.search(line) else line
            for line in self.code.splitlines(keepends=True)
        )
        for token in set(TOKEN.findall(code)) - set(TOKEN.findall(old)):
            msg = f"the code holds {token}, which stands for something that was hidden"
            raise AnswerRefused(msg)
        return replace(self, code=code)


def _lines_by_scrubbed(text: str, scrubber: Scrubber) -> dict[str, str]:
    """Return the lines of a text by what the scrubber makes of them, where that is one only."""
    before = text.splitlines(keepends=True)
    after = scrubber.text(text).splitlines(keepends=True)
    if len(before) != len(after):
        return {}
    lines: dict[str, set[str]] = {}
    for was, seen in zip(before, after, strict=True):
        lines.setdefault(seen, set()).add(was)
    return {seen: min(each) for seen, each in lines.items() if len(each) == 1}


def check_path(file: str) -> None:
    """Return if ``file`` can only be a file inside a repository.

    Raises:
        ValueError: it could be another.
    """
    windows = PureWindowsPath(file)
    if windows.drive or windows.root or "\\" in file or not file.isprintable():
        msg = "target_file is not a relative path with slashes"
        raise ValueError(msg)
    # Some systems of files take no notice of dots and blanks at the end, nor of case.
    names = {part.rstrip(" .").casefold() for part in file.split("/")}
    if "" in names or ".git" in names or "git~1" in names:
        msg = "target_file is not a file inside the repository"
        raise ValueError(msg)


def check_python(code: str) -> None:
    """Return if ``code`` is Python.

    Raises:
        ValueError: it is not; the message says where.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except SyntaxError as error:
        msg = f"code is not Python: {error.msg} (line {error.lineno})"
        raise ValueError(msg) from None
    except (RecursionError, MemoryError):
        msg = "code is nested too deeply to be read"
        raise ValueError(msg) from None
