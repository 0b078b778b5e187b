"""The words of a repair: what is repaired, what that may cost, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Suite:
    """A folder of Python with tests, some of which fail."""

    #: The folder; nothing is ever written to it.
    root: Path
    #: The Python that has what the tests need, and pytest.
    python: Path
    #: Arguments of pytest that name the tests to run: node ids, files or folders.
    tests: tuple[str, ...]
    #: Node ids of the tests that must pass; empty for all that fail on the base.
    failing: tuple[str, ...] = ()
    #: CPU time after which one test has failed.
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Budget:
    """What a repair may cost; with the same seed, counts and enough time it is the same repair."""

    seconds: float = 60.0
    processes: int = 2
    seed: int = 0
    most_candidates: int = 20_000


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Replace the bytes from ``start`` to ``end`` of a file by ``text``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Patch:
    """A change of one file after which all tests pass."""

    #: Relative to the suite's root.
    path: str
    before: str
    after: str
    #: Names of the templates, joined by ``+``.
    template: str
    edits: tuple[Edit, ...]
    #: Logarithm of how natural it is; higher is better, differences count.
    score: float
    #: Patches of the same cluster did the same on every input that was tried.
    cluster: int


@dataclass(frozen=True, slots=True)
class Question:
    """An input on which patches disagree: the answer says which of them is right."""

    function: str
    #: Python's text of each argument.
    arguments: tuple[str, ...]
    #: By number of cluster what its patches return.
    outputs: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a repair."""

    #: Best first.
    patches: tuple[Patch, ...]
    #: Why the first patch should not be published; empty where it may.
    abstained: str
    question: Question | None = None
    #: Counts and times: ``candidates``, ``seconds``, ``first_patch_s`` ...
    examined: Mapping[str, float] = field(default_factory=dict)
