"""One program in a box, from its start until nothing of it is left."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from honed.core.canonical import Json
from honed.errors import SandboxEnded, SandboxFailed, SandboxMissing
from honed.sandbox.box import Box, Ended, EndedBy, Limits
from honed.sandbox.command import command
from honed.sandbox.guard import Guard
from honed.sandbox.heeding import heed
from honed.sandbox.streams import Streams
from honed.sandbox.tree import tree_use

#: How often a run's tree is looked at, and the largest share of time that looking may take.
_LOOK_S: Final = 0.1
_LOOK_SHARE: Final = 0.05
#: From killing the box to killing what made it, which then takes the box along.
_PATIENCE_S: Final = 2.0
#: A shell adds it to the number of the signal that ended a program.
_SIGNALLED: Final = 128
_LAST_WORDS: Final = 2_000
_STATUS_BYTES: Final = 4_096
#: Of honed's environment nothing reaches even the programs around the box.
_ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class Running:
    """A program in a box. At the end of the ``with`` block all of it is dead.

    It dies with this process, too, and when whoever waits for it is told to stop (``heeding``).
    Limits on the time and memory of the whole are looked at while
    it is asked or finished; those of each process are the kernel's, always. It is one thread's.
    """

    def __init__(self, box: Box, argv: Sequence[str], limits: Limits) -> None:
        """Start ``argv``.

        Raises:
            SandboxMissing: the programs that make a box are not installed.
            SandboxFailed: they cannot be started, as with arguments that are too long.
            ConfigurationError: the box would see too much, or what it names is not there.
        """
        self._limits = limits
        self._started = time.monotonic()
        self._next_look = self._started + _LOOK_S
        self._process, self._streams, self._status = _spawn(box, argv, limits)
        self._guard: Guard | None = None
        #: The box's first process, once it is there: who kills that kills all.
        self._first_fd: int | None = None
        self._killed: tuple[EndedBy, float] | None = None
        self._is_made = True
        #: As it was last looked at: the kernel does not add up what is killed.
        self._seen_cpu_s = 0.0
        self._ended: Ended | None = None
        try:
            self._guard = Guard()
            self._begin()
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Kill what is left."""
        self.kill()

    def ask(self, question: Json, *, timeout_s: float | None = None) -> Json:
        """Return what the program answers to one line of JSON, with one line of JSON.

        Raises:
            SandboxEnded: it ended, met a limit, took longer than ``timeout_s``, or its answer is no
                JSON; nothing of it lives then.
        """
        said = self._streams.said["out"]
        self._streams.send(json.dumps(question).encode() + b"\n")
        until = None if timeout_s is None else time.monotonic() + timeout_s
        self._follow(lambda: b"\n" in said, until)
        line, found, rest = bytes(said).partition(b"\n")
        if not found:
            raise self._unanswered()
        said[:] = rest
        try:
            answer: Json = json.loads(line)
        except (ValueError, RecursionError):
            self.kill()
            msg = "what ran in the sandbox answered something that is no JSON"
            raise SandboxEnded(msg, ended_by="output") from None
        return answer

    def finish(self, stdin: bytes = b"") -> Ended:
        """Say the last to the program, and return how it ended, when all of it is gone.

        Raises:
            SandboxFailed: the box could not be made.
        """
        if self._ended is None:
            self._streams.send(stdin, is_last=True)
            self._follow(lambda: False, None)
            self._ended = self._reap()
        if not self._is_made:
            msg = f"the sandbox could not be made: {_last(self._ended.err)}"
            raise SandboxFailed(msg)
        return self._ended

    def kill(self) -> None:
        """Kill all of it and wait until it is gone; nothing if it is gone already."""
        if self._ended is None:
            self._kill("signal")
            self.finish()

    def _begin(self) -> None:
        """Let the program begin once the box is there and guarded."""
        said = self._streams.said["out"]
        self._follow(lambda: self._first_fd is not None and b"\n" in said, None)
        if self._first_fd is not None and b"\n" in said:
            del said[: said.index(b"\n") + 1]
            self._streams.send(b"\n")

    def _follow(self, is_done: Callable[[], bool], until: float | None) -> None:
        """Move what is said until ``is_done`` or all is gone; whoever passes a limit is killed."""
        deadline = self._started + self._limits.wall_s
        until = deadline if until is None else min(until, deadline)
        while not is_done() and not self._streams.is_over:
            if not self._killed:
                heed()
            now = time.monotonic()
            if now >= until:
                self._kill("wall")
            self._look(now)
            next_s = self._next_look if self._killed else min(self._next_look, until)
            self._streams.move(timeout_s=next_s - now)
            self._find_first()
            self._keep_output()

    def _look(self, now: float) -> None:
        if now < self._next_look:
            return
        use = tree_use(self._process.pid, memory_limit_bytes=self._limits.memory_bytes)
        self._seen_cpu_s = max(self._seen_cpu_s, use.cpu_s)
        if use.memory_bytes > self._limits.memory_bytes:
            self._kill("memory")
        elif use.cpu_s > self._limits.cpu_s:
            self._kill("cpu")
        took_s = time.monotonic() - now
        self._next_look = now + max(_LOOK_S, took_s / _LOOK_SHARE)
        if self._killed and now > self._killed[1] + _PATIENCE_S:
            self._process.kill()

    def _keep_output(self) -> None:
        most = self._limits.output_bytes
        for said in self._streams.said.values():
            if len(said) > most:
                del said[most:]
                self._kill("output")

    def _find_first(self) -> None:
        """Take hold of the box's first process, as soon as bubblewrap has told its number."""
        if self._first_fd is not None:
            return
        line, found, _rest = self._told().partition(b"\n")
        if found:
            # Its number cannot be another's: bubblewrap, who will wait for it, lives or has just
            # ended, and then there is nothing to kill.
            first = int(json.loads(line)["child-pid"])
            with contextlib.suppress(ProcessLookupError):
                self._first_fd = os.pidfd_open(first)
                if self._guard:
                    self._guard.watch(first)
            if self._killed:
                self._kill(self._killed[0])

    def _told(self) -> bytes:
        return os.pread(self._status, _STATUS_BYTES, 0)

    def _kill(self, reason: EndedBy) -> None:
        self._killed = self._killed or (reason, time.monotonic())
        if self._first_fd is None:
            # It cannot be killed half-made; it does not begin, but ends.
            self._streams.hang_up()
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._first_fd, signal.SIGKILL)

    def _reap(self) -> Ended:
        said = self._streams.said
        self._streams.close()
        if self._guard:
            self._guard.release()
        _pid, status, use = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._first_fd is not None:
            os.close(self._first_fd)
            self._first_fd = None
        code = _exit_code(self._told())
        os.close(self._status)
        self._is_made = code is not None or self._killed is not None
        code = _SIGNALLED + signal.SIGKILL if code is None else code
        cpu_s = max(use.ru_utime + use.ru_stime, self._seen_cpu_s)
        reason = self._killed[0] if self._killed else self._reason(code, cpu_s)
        wall_s = time.monotonic() - self._started
        return Ended(code, bytes(said["out"]), bytes(said["err"]), cpu_s, wall_s, reason)

    def _reason(self, code: int, cpu_s: float) -> EndedBy:
        sign = code - _SIGNALLED
        is_slow = sign == signal.SIGKILL and cpu_s >= self._limits.cpu_s
        if sign == signal.SIGXCPU or is_slow:
            return "cpu"
        return "signal" if sign in set(signal.Signals) else "exit"

    def _unanswered(self) -> SandboxEnded:
        ended = self.finish()
        msg = f"what ran in the sandbox did not answer ({ended.ended_by}, code {ended.code})"
        words = _last(ended.err)
        return SandboxEnded(f"{msg}: {words}" if words else msg, ended_by=ended.ended_by)


def _spawn(
    box: Box, argv: Sequence[str], limits: Limits
) -> "tuple[subprocess.Popen[bytes], Streams, int]":
    """Start what makes the box; return it, what is said to and by it, and the file of its status.

    The status is a file and no pipe: bubblewrap must not die half-way because nobody reads it.
    """
    with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
        (stdin_fd, stdin), (out, out_fd), (err, err_fd) = (os.pipe() for _ in range(3))
        status = os.memfd_create("honed-status")
        for number in (stdin, out, err, status):
            ours.callback(os.close, number)
        for number in (stdin_fd, out_fd, err_fd):
            theirs.callback(os.close, number)
        what = command(box, argv, limits, status_fd=status)
        for number in what.files:
            theirs.callback(os.close, number)
        try:
            process = subprocess.Popen(
                what.arguments,
                stdin=stdin_fd,
                stdout=out_fd,
                stderr=err_fd,
                pass_fds=(status, *what.files),
                env=_ENVIRONMENT,
                cwd="/",
                # A person's Ctrl-C is for honed, who then ends the box in its way.
                start_new_session=True,
            )
        except FileNotFoundError as error:
            msg = f"there is no {error.filename}, which makes a sandbox"
            raise SandboxMissing(msg) from error
        except (OSError, ValueError) as error:
            # Too long for the kernel, or with a character that no argument may hold.
            msg = f"what makes the sandbox could not be started: {error}"
            hint = "give long or binary input by stdin or by a file, not as an argument"
            raise SandboxFailed(msg, hint=hint) from error
        ours.pop_all()
        return process, Streams(stdin, {"out": out, "err": err}, process.pid), status


def _exit_code(status: bytes) -> int | None:
    """Return the exit code that bubblewrap told; None: nothing ran, or it was killed itself."""
    for line in status.splitlines():
        with contextlib.suppress(ValueError):
            code = json.loads(line).get("exit-code")
            if code is not None:
                return int(code)
    return None


def _last(words: bytes) -> str:
    return words.decode(errors="replace").strip()[-_LAST_WORDS:]
