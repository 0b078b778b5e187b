"""What may run in a sandbox: what it sees, how much it may take, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

#: Why something ended: by itself, for one of its limits, or by a signal that nobody here sent.
EndedBy: TypeAlias = Literal["exit", "cpu", "wall", "memory", "output", "signal"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one run may take. All limits hold always; none can be switched off."""

    #: CPU time of each process, and of all together.
    cpu_s: float = 60.0
    #: From the start until everything is killed.
    wall_s: float = 60.0
    #: Address space of each process, and resident memory of all together; not ``/tmp``. Memory that
    #: is in no process is refused where calls can be filtered (``seccomp``).
    memory_bytes: int = 1 << 30
    #: Processes and threads at one moment.
    processes: int = 64
    #: The largest file.
    file_bytes: int = 64 << 20
    #: Open files of each process.
    open_files: int = 256
    #: All of ``/tmp``, and again as much of ``/dev/shm``: both lie in memory.
    tmp_bytes: int = 64 << 20
    #: Standard output and standard error, each.
    output_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Box:
    """What a program in a sandbox sees beside the system's ``/usr``; nothing else is there.

    A program's user is another one than honed's where honed is root: it reads what everybody may
    read, and writes into what was lent to it (``account.lend``).
    """

    #: The interpreter; its environment and the installation below that can be read.
    python: Path
    #: Files and folders that can be read, where they are.
    reads: tuple[Path, ...] = ()
    #: Folders that can be written, and where they appear inside.
    writes: Mapping[Path, str] = field(default_factory=lambda: MappingProxyType({}))
    #: Unix sockets that can be connected to, where they are: those of disposable servers.
    sockets: tuple[Path, ...] = ()
    #: Variables beside those that every box has; of honed's own none is seen.
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    #: Where the program starts, inside.
    folder: str = "/tmp"  # noqa: S108 - a private one


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended and what it said."""

    #: The exit code; 128 and the signal's number where a signal ended it.
    code: int
    out: bytes
    err: bytes
    #: CPU time of everything that ran, some 20 ms for making the box included.
    cpu_s: float
    wall_s: float
    ended_by: EndedBy

    @property
    def is_success(self) -> bool:
        """Whether it ended by itself, with code 0."""
        return self.ended_by == "exit" and self.code == 0
