"""What a hostile program tries, once each; prints as JSON what it got through with.

Arguments: one JSON object with ``tcp`` (port on the host's loopback), ``socket`` and ``abstract``
(Unix sockets of the host), ``secret`` (a file), ``pid`` (the host's), ``variables`` (that it may
have), ``calls`` (numbers of system calls by name that shall be refused; none: calls are not
filtered, and what only a filter stops is not tried), ``mark`` (stays in the command line of what is
left behind), the ``limits`` that shall stop it, and ``attempts``: the only ones that are made,
where it is there.
"""

import ctypes
import errno
import json
import mmap
import os
import socket
import subprocess
import sys
from typing import Any

_Told = dict[str, Any]

_CLONE_NEWUSER = 0x10000000
_AF_VSOCK = 40
_MIB = 1 << 20
#: Nobody ever writes to it.
_NEVER, _HELD = os.pipe()


def _reaches_tcp(told: _Told) -> None:
    socket.create_connection(("127.0.0.1", told["tcp"]), 1).close()


def _reaches_socket(told: _Told) -> None:
    socket.socket(socket.AF_UNIX).connect(told["socket"])


def _reaches_abstract_socket(told: _Told) -> None:
    socket.socket(socket.AF_UNIX).connect("\0" + told["abstract"])


def _reads_secret(told: _Told) -> None:
    with open(told["secret"]) as file:
        file.read()


def _reads_shadow(told: _Told) -> None:
    with open("/etc/shadow") as file:
        file.read()


def _writes_system(told: _Told) -> None:
    with open("/usr/honed-probe", "w"):
        pass


def _writes_root(told: _Told) -> None:
    with open("/honed-probe", "w"):
        pass


def _sees_processes(told: _Told) -> None:
    others = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    # Itself and who waits for it.
    if len(others) <= 2:
        raise PermissionError


def _signals_host(told: _Told) -> None:
    os.kill(told["pid"], 0)


def _sees_variables(told: _Told) -> None:
    if set(os.environ) <= set(told["variables"]):
        raise PermissionError


def _makes_namespace(told: _Told) -> None:
    if ctypes.CDLL(None).unshare(_CLONE_NEWUSER) != 0:
        raise PermissionError


def _mounts(told: _Told) -> None:
    if ctypes.CDLL(None).mount(b"x", b"/tmp", b"tmpfs", 0, None) != 0:
        raise PermissionError


def _has_open_files(told: _Told) -> None:
    # Three streams, the pipe above, and what lists them.
    if len(os.listdir("/proc/self/fd")) <= 6:
        raise PermissionError


def _takes_memory(told: _Told) -> None:
    bytearray(told["limits"]["memory_bytes"])


def _fills_tmp(told: _Told) -> None:
    _fill("/tmp", told["limits"]["tmp_bytes"])


def _fills_shared_memory(told: _Told) -> None:
    _fill("/dev/shm", told["limits"]["tmp_bytes"])


def _fill(folder: str, limit: int) -> None:
    chunk = b"x" * _MIB
    for number in range(limit // _MIB + 1):
        with open(f"{folder}/{number}", "wb") as file:
            file.write(chunk)


def _writes_large_file(told: _Told) -> None:
    with open("/tmp/large", "wb") as file:
        file.truncate(told["limits"]["file_bytes"] + 1)


def _hides_memory_in_memfds(told: _Told) -> None:
    os.close(os.memfd_create("hidden"))


def _hides_memory_in_segments(told: _Told) -> None:
    libc = ctypes.CDLL(None)
    segment = libc.shmget(0, _MIB, 0o600)
    if segment < 0:
        raise PermissionError
    libc.shmctl(segment, 0, None)


def _hides_memory_in_mappings(told: _Told) -> None:
    mmap.mmap(-1, _MIB).close()


def _hides_memory_behind_zeros(told: _Told) -> None:
    zeros = os.open("/dev/zero", os.O_RDWR)
    try:
        mmap.mmap(zeros, _MIB).close()
    finally:
        os.close(zeros)


def _calls_machine_beneath(told: _Told) -> None:
    socket.socket(_AF_VSOCK, socket.SOCK_STREAM).close()


def _makes_refused_calls(told: _Told) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for number in told["calls"].values():
        ctypes.set_errno(0)
        # Without arguments that make sense: who is not refused is told something else.
        libc.syscall(ctypes.c_long(number), *[ctypes.c_long(0)] * 6)
        if ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
            return
    raise PermissionError


def _forks_without_end(told: _Told) -> None:
    children = []
    try:
        for _ in range(told["limits"]["processes"] + 1):
            child = os.fork()
            if child == 0:
                os.read(_NEVER, 1)
                os._exit(0)
            children.append(child)
    finally:
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)


def _leave_something(told: _Told) -> int:
    """Start what would outlive its parents and return its number; who probes looks for it."""
    sleeper = [sys.executable, "-I", "-c", "import time; time.sleep(60)", told["mark"]]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(sleeper, start_new_session=True, stdout=nowhere, stderr=nowhere).pid


_ATTEMPTS = {
    "opens a TCP connection to the host": _reaches_tcp,
    "connects to a Unix socket of the host": _reaches_socket,
    "connects to an abstract socket of the host": _reaches_abstract_socket,
    "reads a file of the host": _reads_secret,
    "reads /etc/shadow": _reads_shadow,
    "writes to /usr": _writes_system,
    "writes to /": _writes_root,
    "sees processes of the host": _sees_processes,
    "signals a process of the host": _signals_host,
    "sees honed's environment": _sees_variables,
    "makes a namespace of its own": _makes_namespace,
    "mounts": _mounts,
    "has inherited open files": _has_open_files,
    "takes more memory than its limit": _takes_memory,
    "fills /tmp beyond its limit": _fills_tmp,
    "fills /dev/shm beyond its limit": _fills_shared_memory,
    "writes a larger file than its limit": _writes_large_file,
    "forks beyond its limit": _forks_without_end,
}
#: What only a filter of system calls stops.
_FILTERED = {
    "hides memory in memfds": _hides_memory_in_memfds,
    "hides memory in SysV shared memory": _hides_memory_in_segments,
    "hides memory in shared mappings": _hides_memory_in_mappings,
    "hides memory in mappings of /dev/zero": _hides_memory_behind_zeros,
    "opens a socket to the machine beneath": _calls_machine_beneath,
    "makes a system call that shall be refused": _makes_refused_calls,
}


def main() -> None:
    """Try everything, and say what worked."""
    told = json.loads(sys.argv[1])
    known = {**_ATTEMPTS, **(_FILTERED if told["calls"] else {})}
    names = told.get("attempts", list(known))
    through = []
    for name in names:
        try:
            known[name](told)
        except (OSError, MemoryError):
            continue
        through.append(name)
    left = _leave_something(told)
    print(json.dumps({"tried": len(names), "through": through, "left": left}))


if __name__ == "__main__":
    main()
