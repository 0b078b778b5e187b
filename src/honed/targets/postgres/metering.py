"""What one statement costs on the shadow server, in CPU seconds of the backend that runs it."""

import contextlib
import select
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psycopg
from psycopg import pq, sql
from psycopg.pq.abc import PGresult

from honed.errors import DiskFull, EvaluatorFailed
from honed.targets.postgres.answer import Answer
from honed.targets.postgres.clone import Clone
from honed.targets.postgres.complaint import complaint
from honed.targets.postgres.shadow import READER

#: Pause between two looks at how much CPU a running statement has used; a tick of the kernel.
_POLL_S = 0.004
#: A statement that waits or gets no processor is cut after so many times the cut by the clock.
_PATIENCE = 5
_CANCELED, _DISK_FULL = b"57014", b"53100"
#: Rows that are read at once.
_AT_ONCE = 5000
_FETCH = b"FETCH FORWARD %d FROM honed" % _AT_ONCE
_SET, _RESET = "SELECT set_config(%(name)s, %(value)s, false)", sql.SQL("RESET {}")


class CpuMeter:
    """CPU time of one backend on this machine, in nanoseconds as the scheduler counts it.

    It is the process's CPU clock (``clock_getcpuclockid(3)``), which shows the same number as the
    first field of ``/proc/<pid>/schedstat``. While the backend runs, it advances with the kernel's
    tick (4 ms). Once the backend has answered, it is exact: of 2,400 readings, a third of them with
    four busy loops on two processors, none changed by more than 0.09 ms afterwards, the median by
    0. Neighbours do not enter it, but they make caches cold.

    Where there is no such clock (not Linux), it is elapsed time: ``is_cpu`` is False then.
    """

    def __init__(self, pid: int) -> None:
        # The number that the kernel gives to the CPU clock of a whole process: its macro
        # MAKE_PROCESS_CPUCLOCK with CPUCLOCK_SCHED, in include/linux/posix-timers_types.h.
        self._clock = (~pid << 3) | 2
        self.is_cpu = True
        try:
            time.clock_gettime_ns(self._clock)
        except OSError:
            self.is_cpu = False

    def read_s(self) -> float:
        """Return the seconds until now; only differences mean something."""
        if not self.is_cpu:
            return time.perf_counter()
        try:
            return time.clock_gettime_ns(self._clock) / 1e9
        except OSError as error:
            msg = "the backend that was measured is gone"
            raise EvaluatorFailed(msg) from error


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a statement."""

    #: CPU seconds of planning and running it, without sending rows.
    cost_s: float
    #: Rows that it returned; of a cut one 0.
    rows: int
    is_cut: bool
    #: What it returned, where that was asked for and it was not cut.
    answer: Answer | None = None
    #: What of the cost planning it took; of a cut one 0.
    planning_s: float = 0.0


class MeteredSession:
    """A connection to a clone on which statements run to the end and return nothing.

    A statement runs as a cursor that is moved past its last row in a transaction that only reads,
    so that neither making text of the rows nor sending them is measured. Its plan is that of the
    plain statement: the cursor is told that all rows are wanted.

    Args:
        clone: where statements run.

        cut_s: CPU seconds after which a statement is cut, at most; one that waits is cut after
            five times that by the clock.
    """

    def __init__(self, clone: Clone, *, cut_s: float) -> None:
        self._clone = clone
        self.cut_s = cut_s
        settings = {
            "default_transaction_read_only": "on",
            "cursor_tuple_fraction": "1.0",
            "statement_timeout": f"{cut_s * _PATIENCE * 1000:.0f}",
        }
        self._connection = clone.shadow.connect(clone.database, user=READER, settings=settings)
        self._meter = CpuMeter(self._connection.info.backend_pid)
        self._used: dict[str, str] = {}
        self._seen = clone.visibility
        #: Statements that were planned since indexes came or went; None: none ever did.
        self._planned: set[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_cpu(self) -> bool:
        """Whether costs are CPU seconds; False: elapsed seconds."""
        return self._meter.is_cpu

    @property
    def is_alive(self) -> bool:
        """Whether the connection is still there."""
        return not self._connection.closed

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def use(self, settings: Mapping[str, str]) -> None:
        """Give later statements ``settings``, and what the session began with for all others.

        Raises:
            EvaluatorFailed: there is no such setting, or it does not take the value.
        """
        with self._clone.shadow.errors("changing settings"):
            for name in self._used.keys() - settings.keys():
                self._connection.execute(_RESET.format(sql.Identifier(name)))
            for name, value in settings.items():
                if self._used.get(name) != value:
                    self._connection.execute(_SET, {"name": name, "value": value})
        self._used = dict(settings)

    def run(self, statement: str, *, cut_s: float | None = None, reads: bool = False) -> Run:
        """Run ``statement`` once.

        Args:
            statement: one statement without parameters.

            cut_s: cut this one earlier than the others; a cut one costs exactly that.

            reads: also read what it returns. Its cost then includes sending that.

        Raises:
            EvaluatorFailed: it failed, or the server went away.
            DiskFull: there is no room for its temporary files.
        """
        limit_s = min(cut_s or self.cut_s, self.cut_s)
        with self._clone.shadow.errors("replaying"):
            if not self._learn(statement):
                return Run(cost_s=limit_s, rows=0, is_cut=True)
            self._connection.execute("BEGIN READ ONLY")
            started = self._meter.read_s()
            declare = b"DECLARE honed NO SCROLL CURSOR FOR " + statement.encode()
            is_cut = self._finish(declare, started + limit_s) is None
            planning_s = self._meter.read_s() - started
            through = self._read if reads else self._move
            answer = None if is_cut else through(started + limit_s)
            cost_s = self._meter.read_s() - started
            self._roll_back()
        if answer is None or cost_s >= limit_s:
            return Run(cost_s=limit_s, rows=0, is_cut=True)
        said = answer if reads else None
        return Run(cost_s, answer.rows, is_cut=False, answer=said, planning_s=planning_s)

    def _learn(self, statement: str) -> bool:
        """Plan ``statement`` if indexes came or went since it was planned the last time.

        The session reads the catalog again then, which costs a statement of a few milliseconds as
        much as its work. Return whether it can be planned in time.
        """
        if self._clone.visibility != self._seen:
            self._seen, self._planned = self._clone.visibility, set()
        if self._planned is None or statement in self._planned:
            return True
        self._connection.execute("BEGIN READ ONLY")
        end = self._meter.read_s() + self.cut_s
        is_planned = self._finish(b"EXPLAIN " + statement.encode(), end) is not None
        self._roll_back()
        self._planned.add(statement)
        return is_planned

    def _move(self, end: float) -> Answer | None:
        """Move past the last row, and return how many there were; None: it was cut."""
        moved = self._finish(b"MOVE FORWARD ALL IN honed", end)
        return None if moved is None else Answer(_count(moved))

    def _read(self, end: float) -> Answer | None:
        """Read all rows, some at a time, so that memory is bounded; None: it was cut."""
        answer, is_over = Answer(0), False
        while not is_over:
            fetched = self._finish(_FETCH, end)
            if fetched is None:
                return None
            types = [fetched.ftype(column) for column in range(fetched.nfields)]
            answer = answer.with_rows(_rows(fetched), types)
            is_over = fetched.ntuples < _AT_ONCE
        return answer

    def _finish(self, command: bytes, end: float) -> PGresult | None:
        """Run one command, not beyond ``end`` on the meter; return its result, None if cut."""
        server = self._connection.pgconn
        server.send_query_params(command, None)
        is_told = False
        while server.is_busy():
            select.select([server.socket], [], [], _POLL_S)
            server.consume_input()
            if not is_told and self._meter.read_s() >= end and server.is_busy():
                self._connection.cancel_safe()
                is_told = True
        result = server.get_result()
        while server.get_result() is not None:
            pass
        return self._checked(result)

    def _checked(self, result: PGresult | None) -> PGresult | None:
        if result is None:
            msg = "replaying: the shadow server went away"
            raise EvaluatorFailed(msg)
        if result.status in {pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK}:
            return result
        state = result.error_field(pq.DiagnosticField.SQLSTATE)
        if state == _CANCELED:
            return None
        words = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
        said = complaint(state.decode() if state else None, words.decode(errors="replace"))
        with contextlib.suppress(psycopg.Error):
            self._roll_back()
        if state == _DISK_FULL:
            msg = f"the disk of {self._clone.shadow.folder} is full"
            raise DiskFull(msg)
        raise EvaluatorFailed(said)

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.errors.QueryCanceled:
            # The statement ended by itself, and the request to cancel it hit us instead.
            self._connection.execute("ROLLBACK")


def _count(result: PGresult) -> int:
    return int((result.command_status or b"0").split()[-1])


def _rows(result: PGresult) -> Iterator[list[bytes | None]]:
    for row in range(result.ntuples):
        yield [result.get_value(row, column) for column in range(result.nfields)]
