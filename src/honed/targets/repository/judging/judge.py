"""The judge of a change: runs of tests in a sandbox, each in a fresh copy of one side."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from honed.core.canonical import Json
from honed.core.change import CodeChange
from honed.core.gate import TestRun
from honed.errors import ConfigurationError, EvaluatorFailed
from honed.sandbox.account import lend
from honed.sandbox.box import Box, Ended, Limits
from honed.sandbox.run import run
from honed.sandbox.scratch import scratch
from honed.targets.repository.judging.own_code import code_digest
from honed.targets.repository.judging.report import (
    LARGEST_TEXT_BYTES,
    read_report,
    read_run,
    why_it_ended,
)

#: Where a copy of the repository appears in the sandbox, and where the run tells how it went.
_ROOT: Final = "/code"
_INSIDE: Final = Path(__file__).parent / "inside"
_RUNNER: Final = _INSIDE / "run_tests.py"
#: A cache would outlive the copy; and what a judge sees of tests is no result to report.
_WITHOUT: Final = ("-p", "no:cacheprovider", "-p", "no:honed")
#: What judges a change: gates, what they let run, compare and weigh, and the sandbox.
_JUDGES: Final = (
    "experiments",
    "gates",
    "repair",
    "sandbox",
    "stats",
    "targets/repository/judging",
)
_WALL_TIMES: Final = 10.0


@dataclass(frozen=True, slots=True)
class Court:
    """How tests of one repository are run."""

    #: The Python that has what they need, and pytest.
    python: Path
    limits: Limits
    #: Arguments of pytest that name all tests; none: what its configuration says.
    tests: tuple[str, ...] = ()
    #: Sockets of disposable servers that tests may speak to, and variables that say so.
    sockets: tuple[Path, ...] = ()
    environment: Mapping[str, str] | None = None
    #: A folder with releases of packages that are seen before those of ``python``; None: there is
    #: none. Links of paths (``.pth``) in it are not followed.
    packages: Path | None = None


@dataclass(frozen=True)
class Checkout:
    """One side of a change; implements ``honed.core.gate.Side``.

    Args:
        folder: the repository's files as they were at the base.

        files: what lies over them: text by path, None where a file is gone.

        court: how tests are run.
    """

    folder: Path
    files: Mapping[str, str | None]
    court: Court

    def run_tests(self, tests: Sequence[str] = (), *, lines: bool = False) -> TestRun:
        """Return what ``tests`` come to; without any, all; see ``Side``.

        A run that takes too long, or writes no report, has an ``error`` and no outcome that counts.

        Raises:
            SandboxMissing: there is no sandbox, so nothing is run.
            SandboxFailed: it could not be made.
        """
        with self._copy() as folder:
            ended = self._run(folder, tests or self.court.tests, lines=lines)
            return read_run(folder / "report" / "report.json", ended)

    def ask(
        self,
        script: Path,
        request: Mapping[str, Json],
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> Any:  # noqa: ANN401 - JSON that nobody vouches for
        """Return what a script says of a fresh copy; like all that code says, it may be anything.

        Args:
            script: of honed's own, without honed's packages; everything in its folder is seen.

            request: it finds this in the file that ``HONED_ASKED`` names, and writes its answer to
                the one that ``HONED_REPORT`` does.

            variables: of its environment, beside those.

        Raises:
            EvaluatorFailed: it gave no answer.
            SandboxMissing: there is no sandbox, so nothing is run.
        """
        with self._copy() as folder:
            asked = folder / "asked.json"
            asked.write_text(json.dumps(request), encoding="utf-8")
            ended = self._start(folder, script, asked, {**variables, "HONED_ASKED": str(asked)})
            try:
                return json.loads(read_report(folder / "report" / "report.json"))
            except (OSError, ValueError, RecursionError) as error:
                msg = f"{script.parent.name}/{script.name} gave no answer: {why_it_ended(ended)}"
                raise EvaluatorFailed(msg) from error

    def read(self, path: str) -> str | None:
        """Return a file's text; None: there is none in the repository, or it is no text."""
        if path in self.files:
            return self.files[path]
        # What a run of tests says that it ran, and where a service says it failed, may be any path.
        if _leads_out(path):
            return None
        place = self.folder / path
        try:
            is_large = place.stat().st_size > LARGEST_TEXT_BYTES
            if not place.is_file() or place.is_symlink() or is_large:
                return None
            # Ends of lines as they are: what is changed is changed to the byte.
            return place.read_bytes().decode()
        except (OSError, ValueError):
            # No text, or no name that a file can have.
            return None

    def within(self, cpu_s: float) -> "Checkout":
        """Return the same side, of which no run may take more processor time than that."""
        limits = self.court.limits
        narrower = replace(
            limits,
            cpu_s=min(limits.cpu_s, cpu_s),
            # A busy machine gives a run a share of its time.
            wall_s=min(limits.wall_s, _WALL_TIMES * cpu_s),
        )
        return replace(self, court=replace(self.court, limits=narrower))

    def paths(self) -> frozenset[str]:
        """Return every file's path from the root."""
        return self._base_paths - {p for p, text in self.files.items() if text is None} | {
            path for path, text in self.files.items() if text is not None
        }

    def with_files(self, files: Mapping[str, str]) -> "Checkout":
        """Return the same side with ``files`` over it, text by path.

        Raises:
            ConfigurationError: a path leads out of the repository.
        """
        for path in files:
            _check_path(path)
        return replace(self, files={**self.files, **files})

    @cached_property
    def _base_paths(self) -> frozenset[str]:
        found = (place for place in self.folder.rglob("*") if place.is_file())
        relative = (place.relative_to(self.folder) for place in found)
        return frozenset(path.as_posix() for path in relative if ".git" not in path.parts)

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        """Hand out a folder with a fresh copy of the side, ``work``, and an empty ``report``."""
        with scratch() as folder:
            work = folder / "work"
            shutil.copytree(self.folder, work, symlinks=True, ignore=shutil.ignore_patterns(".git"))
            for path, text in self.files.items():
                _place(work, path, text)
            (folder / "report").mkdir()
            lend(work)
            lend(folder / "report")
            folder.chmod(0o711)
            yield folder

    def _run(self, folder: Path, tests: Sequence[str], *, lines: bool) -> Ended:
        # In a file, because there may be more of them than a command line holds.
        arguments = [*_WITHOUT, "-q", "--tb=short", "--rootdir", _ROOT, *tests]
        (folder / "tests.json").write_text(json.dumps(arguments), encoding="utf-8")
        environment = {
            "HONED_TESTS": str(folder / "tests.json"),
            **({"HONED_LINES": "1"} if lines else {}),
        }
        return self._start(folder, _RUNNER, folder / "tests.json", environment)

    def _start(
        self, folder: Path, script: Path, asked: Path, environment: Mapping[str, str]
    ) -> Ended:
        """Return how a script ended in the sandbox, on the copy in ``folder``."""
        court = self.court
        packages = (court.packages,) if court.packages else ()
        box = Box(
            court.python,
            reads=(script.parent, asked, *packages),
            writes={folder / "work": _ROOT, folder / "report": "/report"},
            sockets=court.sockets,
            environment={
                **(court.environment or {}),
                **({"PYTHONPATH": str(court.packages)} if packages else {}),
                "HONED_REPORT": "/report/report.json",
                "HONED_ROOT": _ROOT,
                **environment,
            },
            folder=_ROOT,
        )
        return run(box, [str(court.python), "-P", str(script)], limits=court.limits)


@dataclass(frozen=True, slots=True)
class CodeJudge:
    """Both sides of a change; implements ``honed.core.gate.Judge``."""

    base: Checkout
    patched: Checkout

    @classmethod
    def of(
        cls, folder: Path, change: CodeChange, court: Court, packages: Path | None = None
    ) -> "CodeJudge":
        """Return the judge of ``change`` on the files of ``folder``, which is only read.

        Both sides have the new files that come with the change, its tests; the rest of it only the
        patched side has.

        Args:
            folder: the repository's files as they were at the base.

            change: what is judged.

            court: how tests are run.

            packages: releases that only the patched side has, of a change that asks for them.

        Raises:
            ConfigurationError: a path leads out of the repository, or a file is not as the change
                says it was.
        """
        base = Checkout(folder, {}, court)
        for file in change.every_file:
            _check_path(file.path)
            if base.read(file.path) != file.before:
                msg = f"{file.path} is not as it was when the change was made"
                raise ConfigurationError(msg, hint="make the change anew on this commit")
        new = {each.path: each.after for each in change.files if each.before is None}
        every = {each.path: each.after for each in change.every_file}
        patched = replace(court, packages=packages) if packages else court
        return cls(replace(base, files=new), replace(base, files=every, court=patched))

    @property
    def digest(self) -> str:
        """A digest of what judges (see ``judge_digest``): it is recorded with the verdict."""
        return judge_digest()


def judge_digest() -> str:
    """Return a digest of the gates, of what they let run, compare and weigh, and of the sandbox."""
    return code_digest(*_JUDGES)


def _check_path(path: str) -> None:
    if _leads_out(path):
        msg = f"{path!r} leads out of the repository"
        raise ConfigurationError(msg, hint="name files from the repository's root")


def _leads_out(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return not parts or path.startswith("/") or not {"..", ".git"}.isdisjoint(parts) or "\\" in path


def _place(work: Path, path: str, text: str | None) -> None:
    place = work / path
    # A link on the way would lead a file elsewhere.
    if place.is_symlink() or place.parent.resolve() != (work.resolve() / path).parent:
        msg = f"{path!r} lies behind a link"
        raise ConfigurationError(msg, hint="a change names real files")
    if text is None:
        place.unlink(missing_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8", newline="")
