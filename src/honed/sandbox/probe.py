"""Whether there is a sandbox that holds: a hostile program is let loose in it, and looked at."""

import contextlib
import functools
import hashlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from honed.errors import ConfigurationError, SandboxError, SandboxMissing
from honed.sandbox.box import Box, Limits
from honed.sandbox.command import VARIABLES
from honed.sandbox.running import Running
from honed.sandbox.scratch import scratch
from honed.sandbox.seccomp import denied_calls, program

#: Small, so that trying to pass them is quick.
_LIMITS: Final = Limits(
    cpu_s=20.0,
    wall_s=30.0,
    memory_bytes=512 << 20,
    processes=16,
    file_bytes=8 << 20,
    tmp_bytes=4 << 20,
)
_NONE: Final = "none"
_INSTALL: Final = "bubblewrap is not installed"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_VERDICT: Final = "sandbox.json"
_OTHERS_MAY_WRITE: Final = 0o022
#: What kernels and containers that forbid namespaces make bubblewrap say, and what to do.
_ADVICE: Final = {
    "setting up uid map": "allow bwrap user namespaces by an AppArmor profile of its own",
    "No permissions to creat": "this container or kernel forbids user namespaces: run it with"
    " them allowed, or run honed outside of it",
    "PR_SET_SECCOMP": "this container or kernel forbids filters of system calls (seccomp): run it"
    " with them allowed, or run honed outside of it",
    "Operation not permitted": "this container forbids what a sandbox is made of: run it with"
    " user namespaces and mounts allowed, or run honed outside of it",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found."""

    #: Whether generated code may run.
    is_safe: bool
    #: What keeps it in: ``bubblewrap 0.8.0``, or ``none``; and that calls are not filtered, where
    #: no filter is made for this machine: memory in memfds has no limit there then.
    level: str
    #: Why it is not safe; empty: it is.
    reasons: tuple[str, ...] = ()


def probe(folder: Path | None = None) -> Probe:
    """Return whether there is a sandbox that holds on this machine, by trying to break out of it.

    A good verdict holds until the machine starts again, bubblewrap is another one, or something
    else is tried; it is kept in this process, and in ``folder`` for other ones. It takes about half
    a second otherwise.

    Not guaranteed: that nothing breaks out. It is the attempts in ``inside/hostile.py`` that fail.
    """
    if sys.platform != "linux":
        return Probe(is_safe=False, level=_NONE, reasons=("a sandbox needs Linux",))
    state = _state()
    if state is None:
        return Probe(is_safe=False, level=_NONE, reasons=(_INSTALL,))
    try:
        return _safe(state, folder)
    except _Unsafe as found:
        return found.probe


def require() -> Probe:
    """Return what keeps code in.

    Raises:
        SandboxMissing: nothing does.
    """
    found = probe()
    if not found.is_safe:
        msg = f"no generated code is run here: {'; '.join(found.reasons)}"
        raise SandboxMissing(msg)
    return found


class _Unsafe(Exception):
    """Carries a bad verdict past the cache: what was bad may be put right."""

    def __init__(self, found: Probe) -> None:
        super().__init__()
        self.probe = found


@functools.cache
def _safe(state: str, folder: Path | None) -> Probe:
    found = (folder and _kept(folder, state)) or _tried()
    if not found.is_safe:
        raise _Unsafe(found)
    if folder:
        _keep(folder, state, found)
    return found


def _state() -> str | None:
    """Return what a verdict depends on; None: there is no bubblewrap."""
    path = shutil.which("bwrap")
    if path is None:
        return None
    status = Path(path).stat()
    boot_id = _BOOT_ID.read_text().strip()
    tried = hashlib.sha256(_script() + (program(platform.machine()) or b"")).hexdigest()[:16]
    return f"{boot_id} {os.geteuid()} {path} {status.st_mtime_ns} {status.st_size} {tried}"


def _tried() -> Probe:
    with _host() as told:
        argv = [sys.executable, "-I", "-", json.dumps(told)]
        try:
            with Running(Box(Path(sys.executable)), argv, _LIMITS) as running:
                ended = running.finish(_script())
        except (SandboxError, ConfigurationError) as error:
            return _unsafe(_advised(str(error)))
        if not ended.is_success:
            words = ended.err.decode(errors="replace").strip()[-500:]
            return _unsafe(f"the probe failed ({ended.ended_by}, code {ended.code}): {words}")
        through = json.loads(ended.out)["through"]
        reasons = [f"a program in the sandbox {what}" for what in through]
        if _is_left(told["mark"]):
            reasons.append("a program in the sandbox leaves processes behind")
    return _unsafe(*reasons) if reasons else Probe(is_safe=True, level=_level())


def _script() -> bytes:
    return resources.files("honed.sandbox.inside").joinpath("hostile.py").read_bytes()


def _unsafe(*reasons: str) -> Probe:
    return Probe(is_safe=False, level=_NONE, reasons=reasons)


@contextlib.contextmanager
def _host() -> Iterator[dict[str, Any]]:
    """Offer what a program in a sandbox must not reach, and tell it where that is."""
    mark = f"honed-probe-{uuid.uuid4().hex}"
    with (
        scratch() as folder,
        socket.socket() as tcp,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        # Open to everybody, so that only the sandbox is in the way.
        folder.chmod(0o755)
        secret = folder / "secret"
        secret.write_text("secret")
        secret.chmod(0o644)
        tcp.bind(("127.0.0.1", 0))
        unix.bind(str(folder / "socket"))
        (folder / "socket").chmod(0o777)
        abstract.bind(f"\0{mark}")
        for each in (tcp, unix, abstract):
            each.listen()
        yield {
            "tcp": tcp.getsockname()[1],
            "socket": str(folder / "socket"),
            "abstract": mark,
            "secret": str(secret),
            "pid": os.getpid(),
            "variables": sorted(VARIABLES),
            "calls": dict(denied_calls(platform.machine())),
            "mark": mark,
            "limits": asdict(_LIMITS),
        }


def _is_left(mark: str) -> bool:
    """Return whether a process lives that has ``mark`` among its arguments, this one apart."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark.encode() in path.read_bytes():
                return True
    return False


def _advised(words: str) -> str:
    for sign, advice in _ADVICE.items():
        if sign in words:
            return f"{words}; {advice}"
    return words


def _level() -> str:
    done = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=False)  # noqa: S607
    version = done.stdout.strip() or "bubblewrap"
    machine = platform.machine()
    if program(machine) is None:
        return f"{version} without a filter of system calls, which is not made for {machine}"
    return version


def _kept(folder: Path, state: str) -> Probe | None:
    """Return the verdict that was kept, if it is about this state and nobody else wrote it."""
    path = folder / _VERDICT
    try:
        status = path.lstat()
        if status.st_uid != os.geteuid() or status.st_mode & _OTHERS_MAY_WRITE:
            return None
        kept = json.loads(path.read_text())
        return Probe(is_safe=True, level=str(kept["level"])) if kept["state"] == state else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(folder: Path, state: str, found: Probe) -> None:
    with contextlib.suppress(OSError):
        new = folder / f"{_VERDICT}.{os.getpid()}"
        new.write_text(json.dumps({"state": state, "level": found.level}))
        new.chmod(0o600)
        new.replace(folder / _VERDICT)
