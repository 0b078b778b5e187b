"""The folders of a server: who owns them, where its socket lies, how a data directory begins."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from honed.errors import DiskFull, ServerFailed
from honed.storage.programs import Account, closed_folder

#: The server's superuser; trusted, because only honed's user and root reach the socket.
SUPERUSER = "postgres"

#: The kernel's limit for a socket's path is 107 bytes; this leaves room for `.s.PGSQL.5432.lock`.
_LONGEST_SOCKET_DIR = 80
_NEWEST_WITHOUT_BUILTIN_LOCALE = 16
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def socket_folder(data_dir: Path) -> Path:
    """Return where the server on ``data_dir`` has its socket: beside it, if the path is short."""
    beside = data_dir.with_name(f"{data_dir.name}.socket")
    if len(os.fsencode(beside)) <= _LONGEST_SOCKET_DIR:
        return beside
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"honed-{os.geteuid()}-{name}"


def prepare_folders(data_dir: Path, account: Account | None) -> None:
    """Create what must be there before a server: the way to ``data_dir`` and the socket's folder.

    Folders that exist are left as they are.

    Raises:
        ServerFailed: a folder cannot be made, or ``account`` may not enter one.
    """
    parent = data_dir.parent
    try:
        for folder in reversed((parent, *parent.parents)):
            if not folder.is_dir():
                folder.mkdir(exist_ok=True)
                folder.chmod(0o755 if account else 0o700)
        make_private(socket_folder(data_dir), account)
    except OSError as error:
        msg = f"no server can be kept in {parent}: {error}"
        raise ServerFailed(msg, hint="choose another folder (HONED_HOME)") from error
    closed = closed_folder(parent, account)
    if closed is not None and account is not None:
        msg = f"the user {account.name}, who runs the server, may not enter {closed}"
        raise ServerFailed(msg, hint="choose a folder that this user may enter (HONED_HOME)")


def make_private(folder: Path, account: Account | None) -> None:
    """Create ``folder``, or take it over if it is ours, so that only ``account`` may enter it.

    Raises:
        ServerFailed: somebody else made it, for instance in a folder that all may write.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    owners = {os.geteuid(), account.uid if account else os.geteuid()}
    if folder.is_symlink() or folder.stat().st_uid not in owners:
        msg = f"{folder} belongs to somebody else"
        raise ServerFailed(msg, hint="remove that folder, or choose another HONED_HOME")
    folder.chmod(0o700)
    if account:
        os.chown(folder, account.uid, account.gid)


def initialize(data_dir: Path, programs: Path, account: Account | None, *, sync: bool) -> None:
    """Make ``data_dir`` an empty data directory of PostgreSQL, wholly or not at all.

    Args:
        data_dir: absent or empty.

        programs: the folder of ``initdb``.

        account: who will own it and run the server.

        sync: whether it must survive a crash of the machine from the start.

    Raises:
        DiskFull: there is no space for it.
        ServerFailed: it cannot be made; the message holds initdb's words.
    """
    unfinished = data_dir.with_name(f"{data_dir.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    make_private(unfinished, account)
    command = [str(programs / "initdb"), "-D", str(unfinished), "-U", SUPERUSER]
    command += ["--auth=trust", "--encoding=UTF8", *_locale(programs, account)]
    done = run_as(account, [*command, *(() if sync else ("--no-sync",))])
    if done.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise start_failure(data_dir, done.stderr.strip())
    try:
        if data_dir.is_dir():
            data_dir.rmdir()
        unfinished.rename(data_dir)
    except OSError as error:
        msg = f"{data_dir} is neither empty nor a data directory of PostgreSQL"
        raise ServerFailed(msg, hint="choose another folder (HONED_HOME)") from error


def run_as(account: Account | None, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as ``account``, in a plain environment, and return what it said."""
    return subprocess.run(
        command,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        cwd="/",
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def launch_as(account: Account | None, command: Sequence[str], *, log: Path, lock: int) -> None:
    """Start a program as ``account`` that goes on when this process dies.

    Args:
        account: who runs it; None: the user of this process.

        command: the program and its arguments.

        log: its words are appended there.

        lock: an open file that the program inherits.
    """
    with log.open("ab") as words:
        # The shell ends at once, so that the program is nobody's child.
        subprocess.run(
            ["/bin/sh", "-c", '"$@" &', "sh", *command],
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            cwd="/",
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=[lock],
            start_new_session=True,
            check=True,
        )


def start_failure(data_dir: Path, words: str) -> ServerFailed | DiskFull:
    """Return the error for a server that did not start, from its last words."""
    if "No space left on device" in words:
        return DiskFull(f"the disk of {data_dir} is full: {words}")
    return ServerFailed(f"the server on {data_dir} did not start: {words}", hint=log_hint(data_dir))


def log_hint(data_dir: Path) -> str:
    """Return where a person reads more."""
    return f"the server's own words are in {data_dir.with_name(f'{data_dir.name}.log')}"


def major_version(words: str) -> int:
    """Return the version in what ``postgres --version`` says: 19 of ``PostgreSQL) 19beta1``.

    Raises:
        ServerFailed: it says none.
    """
    found = _VERSION.search(words)
    if found is None:
        msg = f"these are no programs of PostgreSQL: they call themselves {words.strip()}"
        raise ServerFailed(msg)
    return int(found[1])


def _locale(programs: Path, account: Account | None) -> Sequence[str]:
    words = run_as(account, [str(programs / "postgres"), "--version"]).stdout
    if major_version(words) <= _NEWEST_WITHOUT_BUILTIN_LOCALE:
        return ("--locale=C.UTF-8",)
    return ("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
