"""Candidates: the values of settings that are worth trying for a workload."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

#: Settings that are looked at. Left out is what replay on one backend cannot measure: what parallel
#: workers do, and which plan a prepared statement keeps (``plan_cache_mode``).
NAMES = (
    "work_mem",
    "hash_mem_multiplier",
    "jit",
    "random_page_cost",
    "effective_cache_size",
    "enable_nestloop",
    "enable_mergejoin",
    "enable_seqscan",
)

#: Below this share of blocks found in the server's buffers, production waits for its disk. A clone
#: does not, so that it would be wrong about settings that trade one way of reading for another.
_IN_MEMORY = 0.99
#: Nobody's memory is short of so much for each sort, kB.
_HARMLESS_KB = 64 * 1024
#: A sort may take such a share of the server's buffers: the only sign of how much memory it has.
_SHARE_OF_BUFFERS = 4
_WORK_MEM_KB = (4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024)
_MULTIPLIERS = (4.0, 8.0)
_PAGE_COSTS = (2.0, 1.1)
_METHODS = ("enable_nestloop", "enable_mergejoin", "enable_seqscan")
_UNITS_KB = {"": 1.0, "kB": 1.0, "MB": 1024.0, "GB": 1024.0**2, "TB": 1024.0**3, "B": 1 / 1024}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|TB|)")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One value of one setting."""

    name: str
    #: As it is written.
    value: str
    #: Whether it does nothing to a statement whose plan stays.
    acts_by_plan: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of the server's memory."""

    buffers_bytes: int
    #: Share of blocks that production finds in its buffers.
    hit_share: float

    @property
    def most_work_mem_kb(self) -> float:
        """The most that one sort or hash table may take.

        Each connection may run several at once. What the machine has is not known, only what the
        server was given for its buffers, by custom a quarter of it.
        """
        return max(_HARMLESS_KB, self.buffers_bytes / 1024 / _SHARE_OF_BUFFERS)


def candidates(now: Mapping[str, str], memory: Memory) -> Iterator[Candidate]:
    """Yield the values to try, those that take the least first.

    Args:
        now: what the sessions have, by name, as it was written.

        memory: of the server.
    """
    yield from _memory_candidates(now, memory)
    if now.get("jit") == "on":
        yield Candidate("jit", "off", acts_by_plan=False)
    if memory.hit_share < _IN_MEMORY:
        return
    for value in _PAGE_COSTS:
        if value < float(now["random_page_cost"]):
            yield Candidate("random_page_cost", f"{value:g}", acts_by_plan=True)
    # By custom half of the memory, of which the buffers are a quarter.
    cache_kb = memory.buffers_bytes // 1024 * 2
    if cache_kb > pages_as_kb(now["effective_cache_size"]):
        value_mb = cache_kb // 1024
        yield Candidate("effective_cache_size", f"{value_mb}MB", acts_by_plan=True)
    for name in _METHODS:
        if now.get(name) == "on":
            yield Candidate(name, "off", acts_by_plan=True)


def _memory_candidates(now: Mapping[str, str], memory: Memory) -> Iterator[Candidate]:
    work_mem_kb, multiplier = as_kb(now["work_mem"]), float(now.get("hash_mem_multiplier", 1))
    for kb in _WORK_MEM_KB:
        if work_mem_kb < kb <= memory.most_work_mem_kb:
            yield Candidate("work_mem", f"{kb // 1024}MB", acts_by_plan=False)
    for value in _MULTIPLIERS:
        if multiplier < value and value * work_mem_kb <= memory.most_work_mem_kb:
            yield Candidate("hash_mem_multiplier", f"{value:g}", acts_by_plan=False)


def as_kb(text: str) -> float:
    """Return the kilobytes of ``work_mem`` as it may be written: ``4096``, ``4MB``.

    Raises:
        ValueError: it is no size.
    """
    return _size_kb(text, plain_kb=1.0)


def pages_as_kb(text: str) -> float:
    """Return the kilobytes of ``effective_cache_size``, whose plain number counts pages of 8 kB.

    Raises:
        ValueError: it is no size.
    """
    return _size_kb(text, plain_kb=8.0)


def _size_kb(text: str, *, plain_kb: float) -> float:
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        msg = f"{text} is no size"
        raise ValueError(msg)
    number, unit = found.groups()
    return float(number) * (_UNITS_KB[unit] if unit else plain_kb)
