"""Which system calls a box refuses: a filter that the kernel asks at each call (seccomp(2)).

The limits of a box hold for memory that processes have in them, and for its file systems. So what
keeps memory elsewhere is refused, and what only opens ways into the kernel that no test or program
needs. Everything else is allowed: this is a second wall, behind namespaces and limits.
"""

import errno
import functools
import struct
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: Machines that a filter is made for, by uname(2): column of the numbers below, and the word for
#: how a call was made (linux/audit.h). Calls made in another way end the program.
_MACHINES: Final = MappingProxyType(
    {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7), "arm64": (1, 0xC00000B7)}
)
#: Calls that programs do without where a kernel has none: x86_64 and aarch64's number of each
#: (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h of Linux 6.12).
_ABSENT: Final = MappingProxyType(
    {
        # Memory that is a file without a name.
        "memfd_create": (319, 279),
        "memfd_secret": (447, 447),
        # A filter does not see what it is asked for; the C library asks clone then.
        "clone3": (435, 435),
        # Works past filters.
        "io_uring_setup": (425, 425),
        "io_uring_enter": (426, 426),
        "io_uring_register": (427, 427),
    }
)
_FORBIDDEN: Final = MappingProxyType(
    {
        # Memory that outlives who asked for it.
        "shmget": (29, 194),
        "msgget": (68, 186),
        "semget": (64, 190),
        # A pipe keeps pages that the program gave back.
        "vmsplice": (278, 75),
        # Keys are not in namespaces.
        "add_key": (248, 217),
        "request_key": (249, 218),
        "keyctl": (250, 219),
        # Programs in the kernel, and a hold on its time.
        "bpf": (321, 280),
        "perf_event_open": (298, 241),
        "userfaultfd": (323, 282),
        # Other processes' memory.
        "ptrace": (101, 117),
        "process_vm_readv": (310, 270),
        "process_vm_writev": (311, 271),
        # Another view of the file system, or another namespace.
        "mount": (165, 40),
        "umount2": (166, 39),
        "pivot_root": (155, 41),
        "chroot": (161, 51),
        "open_tree": (428, 428),
        "move_mount": (429, 429),
        "fsopen": (430, 430),
        "fsconfig": (431, 431),
        "fsmount": (432, 432),
        "fspick": (433, 433),
        "mount_setattr": (442, 442),
        "unshare": (272, 97),
        "setns": (308, 268),
    }
)
#: Calls whose arguments decide.
_MMAP: Final = (9, 222)
_CLONE: Final = (56, 220)
_SOCKET: Final = (41, 198)

#: Where the filter finds what it judges (struct seccomp_data); arguments: their lower halves.
_NUMBER, _ARCHITECTURE, _ARGUMENTS, _ARGUMENT_BYTES = 0, 4, 16, 8
#: Classic BPF (linux/filter.h): one instruction, and those that are used.
_INSTRUCTION: Final = struct.Struct("=HBBI")
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_NOT_LESS, _IF_ANY_BIT = 0x15, 0x35, 0x45
#: Verdicts (linux/seccomp.h).
_KILL_PROCESS, _ERRNO, _ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000
#: x86_64's calls with 32-bit pointers have this bit.
_X32: Final = 0x4000_0000

_MAP_SHARED_ANONYMOUS: Final = 0x01 | 0x20
_MAP_HUGETLB: Final = 0x0004_0000
#: CLONE_NEW*: cgroups, IPC, network, mounts, processes, users, names.
_NAMESPACES: Final = 0x7E02_0000
#: Those of namespaces: Unix, IPv4, IPv6, netlink. Others, such as a virtual machine's line to its
#: host (vsock(7)), lead out of the box.
_FAMILIES: Final = (1, 2, 10, 16)


@functools.cache
def program(machine: str) -> bytes | None:
    """Return the filter for a ``machine``, as ``bwrap --seccomp`` reads it; None: there is none.

    Args:
        machine: as uname(2) calls it.
    """
    if machine not in _MACHINES or sys.maxsize < 1 << 32 or sys.byteorder != "little":
        return None
    column, architecture = _MACHINES[machine]
    return b"".join(
        (
            _load(_ARCHITECTURE),
            _instruction(_IF_EQUAL, architecture, 1, 0),
            _instruction(_RETURN, _KILL_PROCESS),
            _load(_NUMBER),
            _if(_IF_NOT_LESS, _X32, _KILL_PROCESS),
            *(_if(_IF_EQUAL, each[column], _refuse(errno.ENOSYS)) for each in _ABSENT.values()),
            *(_if(_IF_EQUAL, each[column], _refuse(errno.EPERM)) for each in _FORBIDDEN.values()),
            _for_call(_MMAP[column], _mapping()),
            _for_call(_CLONE[column], _child()),
            _for_call(_SOCKET[column], _socket()),
            _instruction(_RETURN, _ALLOW),
        )
    )


def denied_calls(machine: str) -> Mapping[str, int]:
    """Return the numbers of the calls that are refused whatever they ask for; empty: no filter."""
    if program(machine) is None:
        return {}
    column, _architecture = _MACHINES[machine]
    return {name: each[column] for name, each in {**_ABSENT, **_FORBIDDEN}.items()}


def _mapping() -> bytes:
    """Refuse memory that lasts when its pages are unmapped, or is none of the resident pages.

    A shared mapping without a file is kept whole for as long as one page of it is mapped.
    """
    return (
        _argument(3)
        + _if(_IF_ANY_BIT, _MAP_HUGETLB, _refuse(errno.EPERM))
        + _instruction(_AND, _MAP_SHARED_ANONYMOUS)
        + _if(_IF_EQUAL, _MAP_SHARED_ANONYMOUS, _refuse(errno.EPERM))
    )


def _child() -> bytes:
    return _argument(0) + _if(_IF_ANY_BIT, _NAMESPACES, _refuse(errno.EPERM))


def _socket() -> bytes:
    families = b"".join(_if(_IF_EQUAL, family, _ALLOW) for family in _FAMILIES)
    return _argument(0) + families + _instruction(_RETURN, _refuse(errno.EAFNOSUPPORT))


def _for_call(number: int, judged: bytes) -> bytes:
    """Judge one call, and allow what ``judged`` lets through; others go on."""
    judged += _instruction(_RETURN, _ALLOW)
    return _instruction(_IF_EQUAL, number, 0, len(judged) // _INSTRUCTION.size) + judged


def _if(test: int, value: int, verdict: int) -> bytes:
    return _instruction(test, value, 0, 1) + _instruction(_RETURN, verdict)


def _argument(number: int) -> bytes:
    return _load(_ARGUMENTS + number * _ARGUMENT_BYTES)


def _load(offset: int) -> bytes:
    return _instruction(_LOAD, offset)


def _refuse(number: int) -> int:
    return _ERRNO | number


def _instruction(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """Return one instruction; ``then`` and ``otherwise`` are how many are left out after a test."""
    return _INSTRUCTION.pack(code, then, otherwise, value)
