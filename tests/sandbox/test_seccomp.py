"""The kernel refuses a box's programs what nothing in it needs, and nothing that Python needs."""

import errno
import platform
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from honed.sandbox import probe as probing
from honed.sandbox.box import Ended, Limits
from honed.sandbox.probe import probe
from honed.sandbox.seccomp import denied_calls, program

PYTHON = Path(sys.executable)
MIB = 1 << 20
InBox = Callable[..., Ended]
Said = Callable[[str], str]

filtered = pytest.mark.skipif(
    program(platform.machine()) is None, reason="no filter of system calls for this machine"
)
#: A page of each mapping stays, and the kernel keeps all of it.
_MAPPINGS = """
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
for _ in range(10):
    at = libc.mmap(None, 60 * MIB, 3, {flags}, {number}, 0)
    if at == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    ctypes.memset(at, 1, 60 * MIB)
    libc.munmap(at + 4096, 60 * MIB - 4096)
"""
#: Ways to keep memory that is in no process's resident set.
HOARDS = {
    "memfds": """
kept = []
for _ in range(10):
    kept.append(os.memfd_create("x"))
    for _ in range(60):
        os.write(kept[-1], b"x" * MIB)
""",
    "SysV shared memory": """
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
for _ in range(10):
    number = libc.shmget(0, 60 * MIB, 0o600)
    if number < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    at = libc.shmat(number, None, 0)
    ctypes.memset(at, 1, 60 * MIB)
    libc.shmdt(ctypes.c_void_p(at))
""",
    "shared mappings of which a page is left": _MAPPINGS.format(number=-1, flags=0x21),
    "shared mappings of /dev/zero": _MAPPINGS.format(
        number="os.open('/dev/zero', os.O_RDWR)", flags=0x01
    ),
}
#: What programs of all kinds do.
USUAL = {
    "threads": """
import threading
done = []
each = [threading.Thread(target=done.append, args=(n,)) for n in range(4)]
[one.start() for one in each], [one.join() for one in each]
assert sorted(done) == [0, 1, 2, 3]
""",
    "programs": """
import subprocess, sys
assert subprocess.check_output([sys.executable, "-I", "-c", "print(1)"]) == b"1\\n"
assert subprocess.check_output("echo 1 | cat", shell=True) == b"1\\n"
""",
    "processes and what they share": """
import multiprocessing
from multiprocessing import shared_memory
def fill(count, array, name):
    with count.get_lock():
        count.value += 1
        array[0] += 2.0
    block = shared_memory.SharedMemory(name)
    block.buf[0] = 7
    block.close()
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    block = shared_memory.SharedMemory(create=True, size=64)
    count, array = context.Value("i", 0), context.Array("d", 4)
    all = [context.Process(target=fill, args=(count, array, block.name)) for _ in range(3)]
    [one.start() for one in all], [one.join() for one in all]
    assert (count.value, array[0], block.buf[0]) == (3, 6.0, 7)
    block.close(), block.unlink()
    with context.Pool(2) as pool:
        assert pool.map(abs, [-1, 2]) == [1, 2]
""",
    "an event loop": """
import asyncio
async def main():
    made = await asyncio.create_subprocess_exec("echo", "1", stdout=-1)
    return (await made.communicate())[0], await asyncio.to_thread(str, 2)
assert asyncio.run(main()) == (b"1\\n", "2")
""",
    "sqlite": """
import sqlite3
database = sqlite3.connect("/tmp/x.db")
database.execute("pragma journal_mode = wal")
database.execute("create table t (n)"), database.execute("insert into t values (42)")
database.commit()
assert database.execute("select n from t").fetchone() == (42,)
""",
    "names of hosts": "import socket; assert socket.getaddrinfo('localhost', 80)",
    "numpy": """
import os
os.environ["OPENBLAS_NUM_THREADS"] = "2"
import numpy
numbers = numpy.random.default_rng(0).normal(size=(300, 300))
assert numpy.allclose(numbers @ numpy.linalg.inv(numbers), numpy.eye(300))
""",
    "zeros": "assert open('/dev/zero', 'rb').read(4) == bytes(4)",
    "a private mapping": "import mmap; mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE)[0] = 1",
    "a shared mapping of a file": """
import mmap
with open("/tmp/x", "w+b") as file:
    file.truncate(4096)
    mmap.mmap(file.fileno(), 4096)[0] = 1
    assert file.read(1) == b"\\x01"
""",
}


@filtered
@pytest.mark.parametrize("way", HOARDS)
def test_memory_that_is_in_no_process_is_refused(in_box: InBox, way: str) -> None:
    hoard = f"import ctypes, mmap, os\nMIB = 1 << 20\n{HOARDS[way]}"
    ended = in_box(hoard, limits=Limits(memory_bytes=200 * MIB, wall_s=60.0))
    assert (ended.ended_by, ended.code) == ("exit", 1), ended
    assert b"OSError" in ended.err or b"PermissionError" in ended.err


@pytest.mark.parametrize("what", USUAL)
def test_what_programs_usually_do_works(in_box: InBox, what: str) -> None:
    limits = Limits(memory_bytes=4 << 30, wall_s=120.0)
    ended = in_box(USUAL[what], limits=limits)
    assert ended.is_success, ended.err.decode()


@filtered
@pytest.mark.parametrize("family", [17, 31, 38, 40], ids=["packet", "bluetooth", "alg", "vsock"])
def test_a_socket_is_of_a_family_that_namespaces_hold(said: Said, family: int) -> None:
    ask = f"""
import socket
try:
    socket.socket({family}, socket.SOCK_STREAM)
except OSError as error:
    print(error.errno)
"""
    assert said(ask) == str(errno.EAFNOSUPPORT)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only there is another way to call")
@pytest.mark.parametrize("number", [0x4000_0000 | 39, 0x4000_0000 | 319])
def test_a_call_that_is_made_in_another_way_ends_the_program(in_box: InBox, number: int) -> None:
    ended = in_box(f"import ctypes; ctypes.CDLL(None).syscall({number}, 0, 0, 0)")
    assert (ended.ended_by, ended.code) == ("signal", 128 + 31)


@filtered
def test_where_no_filter_is_made_the_level_says_so(
    sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "without" not in sandbox
    before = probing._state()
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    # A verdict about a box with a filter says nothing about one without.
    assert probing._state() != before
    found = probe()
    assert found.is_safe
    assert found.level.endswith("without a filter of system calls, which is not made for riscv64")


ALLOW, KILL, REFUSE = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
EPERM, ENOSYS, EAFNOSUPPORT = REFUSE | 1, REFUSE | 38, REFUSE | 97
MACHINES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Return what the kernel would do: a machine of the few instructions that the filter has."""
    text = program(machine)
    assert text
    named = MACHINES[machine] if architecture is None else architecture
    call = struct.pack("=IIQ6Q", number, named, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("=HBBI", text))
    held = at = 0
    while True:
        code, then, otherwise, value = steps[at]
        at += 1
        match code:
            case 0x20:
                (held,) = struct.unpack_from("=I", call, value)
            case 0x54:
                held &= value
            case 0x06:
                return int(value)
            case 0x15 | 0x35 | 0x45:
                is_met = {0x15: held == value, 0x35: held >= value, 0x45: held & value}[code]
                at += then if is_met else otherwise
            case _:
                pytest.fail(f"there is no instruction {code}")


@pytest.mark.parametrize("machine", MACHINES)
def test_each_denied_call_is_refused_and_its_neighbours_are_not(machine: str) -> None:
    denied = denied_calls(machine)
    absent = {"memfd_create", "memfd_secret", "clone3"}
    for name, number in denied.items():
        is_absent = name in absent or name.startswith("io_uring")
        assert verdict(machine, number) == (ENOSYS if is_absent else EPERM), name
    decided = {"x86_64": {9, 41, 56}, "aarch64": {198, 220, 222}}[machine]
    for number in set(range(600)) - set(denied.values()) - decided:
        assert verdict(machine, number) == ALLOW, number


@pytest.mark.parametrize(
    ("machine", "mmap", "clone", "socket"), [("x86_64", 9, 56, 41), ("aarch64", 222, 220, 198)]
)
def test_arguments_decide(machine: str, mmap: int, clone: int, socket: int) -> None:
    for flags, expected in (
        (0x22, ALLOW),  # private, anonymous
        (0x4022, ALLOW),  # with no place kept for it
        (0x01, ALLOW),  # shared, of a file
        (0x21, EPERM),  # shared, anonymous
        (0x23, EPERM),
        (0x40022, EPERM),  # of huge pages
    ):
        assert verdict(machine, mmap, 0, 4096, 3, flags) == expected, hex(flags)
    assert verdict(machine, clone, 17) == ALLOW  # fork
    assert verdict(machine, clone, 0x3D0F00) == ALLOW  # a thread
    assert verdict(machine, clone, 0x1000_0011) == EPERM  # in a user namespace
    for family in (1, 2, 10, 16):
        assert verdict(machine, socket, family) == ALLOW
    for family in (0, 17, 38, 40, 1 << 31):
        assert verdict(machine, socket, family) == EAFNOSUPPORT


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_machine_kill(machine: str) -> None:
    for architecture in (0x4000_0003, 0x4000_0028, 0):
        assert verdict(machine, 1, architecture=architecture) == KILL
    assert verdict(machine, 0x4000_0001) == KILL


def test_a_machine_that_is_not_known_has_no_filter() -> None:
    assert program("riscv64") is None
    assert denied_calls("riscv64") == {}
