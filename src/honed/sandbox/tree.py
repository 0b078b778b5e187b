"""What a process and everything below it use, seen from outside.

The kernel's limits hold for each process; what all of them use together is watched. Looking costs
CPU time, so who looks does so at intervals, and a limit may be passed for that long.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_PROCESSES: Final = Path("/proc")
#: utime, stime, cutime and cstime among the words after the name (proc_pid_stat(5)).
_TIMES: Final = slice(11, 15)


@dataclass(frozen=True, slots=True)
class Use:
    """What a tree of processes uses at one moment."""

    #: Of everything that lives, and of what ended and was waited for.
    cpu_s: float
    #: Resident; what processes share counts once where that decides.
    memory_bytes: int


def tree_use(root: int, *, memory_limit_bytes: int) -> Use:
    """Return what the process ``root`` and everything below it use.

    What ends meanwhile is left out. Memory is counted exactly only where its quick overestimate
    is beyond the limit: pages that processes share after a fork are in each one's resident set.
    """
    pids = list(_tree(root))
    memory_bytes = sum(map(_resident_bytes, pids))
    if memory_bytes > memory_limit_bytes:
        memory_bytes = sum(map(_proportional_bytes, pids))
    return Use(sum(map(_cpu_s, pids)), memory_bytes)


def _tree(pid: int) -> Iterator[int]:
    waiting = [pid]
    while waiting:
        here = waiting.pop()
        yield here
        try:
            threads = list((_PROCESSES / str(here) / "task").iterdir())
        except OSError:
            continue
        for thread in threads:
            waiting += map(int, _words(thread / "children"))


def _cpu_s(pid: int) -> float:
    # The name may hold blanks and brackets, so words are counted from its end.
    words = _read(_PROCESSES / str(pid) / "stat").rpartition(")")[2].split()
    return sum(map(int, words[_TIMES])) * _TICK_S


def _resident_bytes(pid: int) -> int:
    words = _words(_PROCESSES / str(pid) / "statm")
    return int(words[1]) * _PAGE_BYTES if words else 0


def _proportional_bytes(pid: int) -> int:
    for line in _read(_PROCESSES / str(pid) / "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _words(path: Path) -> list[str]:
    return _read(path).split()


def _read(path: Path) -> str:
    """Return a file's text; empty: the process is gone, or not ours to look into."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
