"""What a model is shown of a fault: the error, where it happened, the failing test, suspects."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from honed.core.canonical import Json
from honed.core.fault import Fault, Frame

#: Lines that are shown on both sides of the one that was executed.
_AROUND: Final = 6
_MOST_FRAMES: Final = 30
_MOST_CAUSES: Final = 5
_MOST_SUSPECTS: Final = 20
_LONGEST_LINE: Final = 400
_LONGEST_TEXT: Final = 4_000
_LONGEST_OUTPUT: Final = 8_000
_MOST_OF_FUNCTIONS: Final = 12_000


@dataclass(frozen=True, slots=True)
class Suspect:
    """A line that failing tests run and passing ones do not."""

    file: str
    line: int
    #: Of the spectrum (Ochiai): 0 to 1, the higher the more suspect.
    score: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one fault.

    Args:
        fault: the error; None: there is none, only a test that fails.

        sources: texts of files that frames go through, by their names in the repository.

        failing_test: the text of the test.

        output: what it printed when it failed; of a long one the end is shown.

        suspects: lines by the spectrum, the most suspect first.

        functions: texts of functions on the way, the most telling first, by file and name:
            ``shop/cart.py: Cart.total``. As many are shown as there is room for.

        tried: what was proposed before and by whom, and why it did not do.
    """

    fault: Fault | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    failing_test: str = ""
    output: str = ""
    suspects: Sequence[Suspect] = ()
    functions: Mapping[str, str] = field(default_factory=dict)
    tried: Mapping[str, str] = field(default_factory=dict)

    def plain(self) -> Json:
        """Return it as JSON, cut to what a model can take in."""
        said: dict[str, Json] = {
            "fault": self._fault(self.fault),
            "failing_test": self.failing_test[:_LONGEST_OUTPUT],
            "output": self.output[-_LONGEST_OUTPUT:],
            "suspects": [
                {"file": each.file, "line": each.line, "score": round(each.score, 3)}
                for each in self.suspects[:_MOST_SUSPECTS]
            ],
            "functions": dict(self._functions()),
            "tried": {name: words[:_LONGEST_LINE] for name, words in self.tried.items()},
        }
        return {name: value for name, value in said.items() if value}

    def _functions(self) -> Iterator[tuple[str, str]]:
        """Yield whole functions, one cut through says nothing."""
        room = _MOST_OF_FUNCTIONS
        for name, text in self.functions.items():
            if len(text) <= room:
                room -= len(text)
                yield name, text

    def _fault(self, fault: Fault | None, depth: int = 0) -> Json:
        if fault is None or depth > _MOST_CAUSES:
            return None
        said: dict[str, Json] = {
            "type": fault.type,
            "message": fault.message[:_LONGEST_TEXT],
            # The innermost are the last.
            "frames": [self._frame(each) for each in fault.frames[-_MOST_FRAMES:]],
            "cause": self._fault(fault.cause, depth + 1),
        }
        return {name: value for name, value in said.items() if value}

    def _frame(self, frame: Frame) -> Json:
        file, text = self._source(frame)
        said: dict[str, Json] = {"file": file, "line": frame.line, "function": frame.function}
        if text and frame.line:
            lines = text.splitlines()
            first = max(0, frame.line - 1 - _AROUND)
            shown = lines[first : frame.line + _AROUND]
            said["source"] = [
                f"{first + 1 + place}: {line[:_LONGEST_LINE]}" for place, line in enumerate(shown)
            ]
        elif frame.code:
            said["code"] = frame.code[:_LONGEST_TEXT]
        return said

    def _source(self, frame: Frame) -> tuple[str, str]:
        """Return the file of a frame as the repository calls it, with its text if that is here.

        A service runs somewhere else: the longest name that the frame's file ends with is taken.
        """
        path = frame.file.replace("\\", "/")
        names = [name for name in self.sources if f"/{path}".endswith(f"/{name}")]
        if not names:
            return frame.file, ""
        name = max(names, key=len)
        return name, self.sources[name]
