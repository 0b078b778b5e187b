"""The command line of one box: bubblewrap's arguments, and around them who runs it.

From the outside inwards: a mount namespace in which root shows the box's user what lies in closed
folders (``unshare``), that user (``setpriv``), the box (``bwrap``) with its filter of system calls,
its limits (``prlimit``), the program.
"""

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from honed.errors import ConfigurationError
from honed.sandbox.account import box_account
from honed.sandbox.box import Box, Limits
from honed.sandbox.seccomp import program
from honed.storage.programs import Account, closed_folder

#: Shows closed folders: binds each argument before ``--`` to $1/0, $1/1 and so on.
_SHOW: Final = """
at=$1; shift; n=0
mount -t tmpfs -o mode=0755,size=64k honed "$at"
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir "$at/$n"; else : > "$at/$n"; fi
  mount --rbind "$1" "$at/$n"; n=$((n + 1)); shift
done
shift; exec "$@"
"""
#: Covered in the private namespace: it is on every machine, and no box needs it.
_SHOWN_AT: Final = Path("/sys")
#: The first process of the box says an empty line and waits for one, which comes once the box is
#: guarded; where honed is dead none comes. It must not be replaced by the program: the kernel
#: ignores signals that a first process does not handle, that of too much CPU time as well.
_FIRST: Final = 'echo; read -r go || exit 1; "$@"; exit $?'
_WALLS: Final = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--new-session", "--clearenv"),
    *("--cap-drop", "ALL", "--as-pid-1", "--hostname", "box"),
)
#: Links of a merged /usr, or folders of their own on older systems.
_SYSTEM: Final = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
#: Where nothing else may appear.
_NEEDED: Final = (*_SYSTEM, "/dev/shm", "/etc", "/proc", "/tmp", "/usr")  # noqa: S108
#: What programs need of /etc; none of it is secret.
_ETC: Final = ("alternatives", "ld.so.cache", "localtime", "mime.types", "ssl/certs")
_ENVIRONMENT: Final = {
    "HOME": "/tmp",  # noqa: S108 - a private one
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
}
#: A box that saw one of these would see too much.
_TOO_WIDE: Final = frozenset(
    map(Path, ("/", "/boot", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/sys", "/var"))
)
_POWERFUL_SOCKETS: Final = frozenset({"docker.sock", "containerd.sock", "podman.sock", "crio.sock"})
#: What stays for root's CPU time between the warning signal and the one that cannot be ignored.
_CPU_GRACE_S: Final = 1


#: Every variable that a program in a box has, its shell's included, unless the box adds some.
VARIABLES: Final = frozenset({*_ENVIRONMENT, "PATH", "PWD", "OLDPWD", "LC_CTYPE"})


@dataclass(frozen=True, slots=True)
class Command:
    """What is started for one run."""

    arguments: tuple[str, ...]
    #: Open files that it inherits; whoever starts it closes them then.
    files: tuple[int, ...]


def command(box: Box, argv: Sequence[str], limits: Limits, *, status_fd: int) -> Command:
    """Return what runs ``argv`` in ``box``; bubblewrap tells ``status_fd`` what becomes of it.

    Raises:
        ConfigurationError: the box would see too much, or what it names is not there.
    """
    account = box_account()
    closed = [path for path in _outside(box) if _is_closed(path, account)]
    shown = {path: _SHOWN_AT / str(number) for number, path in enumerate(closed)}
    files = tuple(_file(text.encode()) for text in _texts(account).values())
    filters = tuple(_file(each) for each in (program(platform.machine()),) if each)
    arguments = (
        *_as_account(account, closed),
        *("bwrap", *_WALLS, "--json-status-fd", str(status_fd)),
        *_system(files, account),
        *_private(limits),
        *(word for number in filters for word in ("--seccomp", str(number))),
        *_mounts(box, shown),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", box.folder),
        *_variables(box),
        *("--", "sh", "-c", _FIRST, "sh", *_within(limits), *argv),
    )
    return Command(arguments, (*files, *filters))


def prefixes(python: Path) -> tuple[Path, ...]:
    """Return the folders that an interpreter needs: its environment and what that is made from.

    The interpreter itself is not asked: the files of a virtual environment say it (PEP 405).

    Raises:
        ConfigurationError: it is none, or its folder is one that holds much else.
    """
    found: dict[Path, None] = {}
    links = [_absolute(python)]
    while links[-1].is_symlink() and links[-1] not in links[:-1]:
        links.append(_absolute(links[-1].parent / links[-1].readlink()))
    # Of links that lead to each other this makes a path that is no file.
    links.append(Path(os.path.realpath(links[0])))
    for link in links:
        prefix = link.parent.parent
        found[prefix] = None
        found.update(dict.fromkeys(_homes(prefix / "pyvenv.cfg")))
    if not links[-1].is_file():
        msg = f"{python} is no Python interpreter"
        raise ConfigurationError(msg, hint="name the file, such as .venv/bin/python")
    return tuple(
        prefix for prefix in found if not prefix.is_relative_to("/usr") and prefix != Path("/")
    )


def _homes(config: Path) -> Iterator[Path]:
    """Yield where an environment's interpreter is installed, as its configuration says.

    Raises:
        ConfigurationError: there is none: who can write the file could name any folder.
    """
    if not config.is_file():
        return
    for line in config.read_text(errors="replace").splitlines():
        key, _, value = line.partition("=")
        if key.strip() != "home":
            continue
        home = Path(value.strip())
        if not home.is_absolute() or not any(map(_is_program, home.glob("python*"))):
            msg = f"{config} names {home}, where there is no Python"
            raise ConfigurationError(msg, hint="make the environment again")
        yield _absolute(home).parent


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _outside(box: Box) -> list[Path]:
    """Return everything of the host that a box names, in the order of its mounts."""
    reads = [*prefixes(box.python), *map(_absolute, box.reads)]
    writes = [_absolute(path) for path in box.writes]
    sockets = [_absolute(path) for path in box.sockets]
    for path in (*reads, *writes, *sockets):
        _refuse_wide(path)
    _refuse_hiding(map(Path, box.writes.values()), (*reads, *sockets))
    return list(dict.fromkeys([*reads, *writes, *sockets]))


def _refuse_wide(path: Path) -> None:
    if not path.exists():
        msg = f"there is no {path}, which a sandbox shall see"
        raise ConfigurationError(msg, hint="correct the path")
    # What a link leads to is what the box would see.
    target = path.resolve()
    named = f"{path}" if target == path else f"{path}, which is {target}"
    homes = (Path.home(), Path.home().resolve())
    if any(
        each in _TOO_WIDE or any(home.is_relative_to(each) for home in homes)
        for each in (path, target)
    ):
        msg = f"a sandbox may not see all of {named}"
        raise ConfigurationError(msg, hint="name the folder within it that is needed")
    if _POWERFUL_SOCKETS & {path.name, target.name}:
        msg = f"a sandbox may not see {named}: who speaks to it is root"
        raise ConfigurationError(msg, hint="take it out of the box's sockets")


def _refuse_hiding(inside: Iterable[Path], shown: Sequence[Path]) -> None:
    """Return unless a folder would appear where it hides something that the box needs."""
    needed = (*shown, *map(Path, _NEEDED))
    for place in inside:
        hidden = next((path for path in needed if path.is_relative_to(place)), None)
        if hidden or not place.is_absolute():
            msg = f"a folder may not appear as {place} in a sandbox"
            hint = f"it would hide {hidden}" if hidden else "name the whole path"
            raise ConfigurationError(msg, hint=hint)


def _absolute(path: Path) -> Path:
    """Return it without ``..``; links stay, because that is where the box shows it."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _is_closed(path: Path, account: Account | None) -> bool:
    return closed_folder(path.resolve().parent, account) is not None


def _as_account(account: Account | None, closed: Sequence[Path]) -> Iterator[str]:
    if closed:
        yield from ("unshare", "--mount", "--propagation", "private", "--")
        yield from ("sh", "-euc", _SHOW, "sh", str(_SHOWN_AT), *map(str, closed), "--")
    if account:
        yield from ("setpriv", f"--reuid={account.uid}", f"--regid={account.gid}")
        yield from ("--clear-groups", "--no-new-privs", "--")


def _system(files: Sequence[int], account: Account | None) -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), name)
        elif path.is_dir():
            yield from ("--ro-bind", name, name)
    for name in _ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    for name, number in zip(_texts(account), files, strict=True):
        yield from ("--perms", "0444", "--ro-bind-data", str(number), f"/etc/{name}")


def _private(limits: Limits) -> Iterator[str]:
    # It reads as zeros do, and cannot be mapped: such a mapping would be memory that no limit sees.
    yield from ("--proc", "/proc", "--dev", "/dev", "--dev-bind", "/dev/full", "/dev/zero")
    for place in ("/dev/shm", "/tmp"):  # noqa: S108 - private ones
        yield from ("--perms", "1777", "--size", str(limits.tmp_bytes), "--tmpfs", place)


def _mounts(box: Box, shown: Mapping[Path, Path]) -> Iterator[str]:
    for path in (*prefixes(box.python), *map(_absolute, (*box.reads, *box.sockets))):
        yield from ("--ro-bind", str(shown.get(path, path)), str(path))
    for host, inside in box.writes.items():
        path = _absolute(host)
        yield from ("--bind", str(shown.get(path, path)), inside)


def _variables(box: Box) -> Iterator[str]:
    path = f"{_absolute(box.python).parent}:/usr/local/bin:/usr/bin:/bin"
    for name, value in {**_ENVIRONMENT, "PATH": path, **box.environment}.items():
        yield from ("--setenv", name, value)


def _within(limits: Limits) -> Iterator[str]:
    cpu_s = max(1, int(-(-limits.cpu_s // 1)))
    yield "prlimit"
    yield f"--as={limits.memory_bytes}"
    yield "--core=0"
    yield f"--cpu={cpu_s}:{cpu_s + _CPU_GRACE_S}"
    yield f"--fsize={limits.file_bytes}"
    yield f"--nofile={limits.open_files}"
    yield f"--nproc={limits.processes}"
    yield "--"


def _texts(account: Account | None) -> Mapping[str, str]:
    """Return the files of /etc that every box has."""
    uid, gid = (account.uid, account.gid) if account else (os.geteuid(), os.getegid())
    return {
        "group": f"box:x:{gid}:\n",
        "hosts": "127.0.0.1 localhost box\n::1 localhost\n",
        "passwd": f"box:x:{uid}:{gid}:box:/tmp:/bin/sh\n",
    }


def _file(content: bytes) -> int:
    number = os.memfd_create("honed")
    os.write(number, content)
    os.lseek(number, 0, os.SEEK_SET)
    return number
