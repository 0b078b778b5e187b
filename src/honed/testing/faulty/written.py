"""A side of a repository that is only text: what would run its code fails."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from honed.core.gate import TestRun


@dataclass(frozen=True)
class Written:
    """Files by path; implements ``honed.core.gate.Side``."""

    files: Mapping[str, str]

    def with_files(self, files: Mapping[str, str]) -> "Written":
        """Return the same with ``files`` over it."""
        return Written({**self.files, **files})

    def within(self, cpu_s: float) -> "Written":
        """Return the same: nothing of it is run."""
        del cpu_s
        return self

    def run_tests(self, tests: Sequence[str] = (), *, lines: bool = False) -> TestRun:
        """Fail: nothing of it is run."""
        raise AssertionError(tests)

    def read(self, path: str) -> str | None:
        """Return a file's text."""
        return self.files.get(path)

    def paths(self) -> Collection[str]:
        """Return every file's path."""
        return self.files.keys()
