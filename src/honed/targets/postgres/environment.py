"""The environment of a database in classes: enough to judge what was measured there."""

import math
import os
import platform
from collections.abc import Mapping

from honed.core.canonical import Json, digest
from honed.targets.postgres.catalog import Catalog, Table

#: No more tables than this are told one by one, the largest first.
MAX_TABLES = 50

#: Settings that are told one by one; all that move the planner are digested.
_TOLD = (
    "shared_buffers",
    "work_mem",
    "effective_cache_size",
    "random_page_cost",
    "max_parallel_workers_per_gather",
    "jit",
)


def environment_of(catalog: Catalog) -> Mapping[str, Json]:
    """Return version, settings, schema and sizes of a database, and the machine of its trials.

    Sizes are classes, powers of ten for rows and of two for bytes: enough to tell a toy from
    production, too little to tell how a business goes. No value of any row is in it.
    """
    settings: dict[str, Json] = dict(catalog.settings)
    tables = sorted(catalog.tables.values(), key=lambda each: (-each.size_bytes, each.schema))
    return {
        "server_version": catalog.server_version,
        "settings": {name: settings[name] for name in _TOLD if name in settings},
        "settings_sha256": digest(settings),
        "schema_sha256": schema_digest(catalog),
        "size_class": size_class(catalog.size_bytes),
        "tables": {each.qualified_name: _table(each) for each in tables[:MAX_TABLES]},
        "trial_machine": {
            "architecture": platform.machine(),
            "cpus": os.cpu_count() or 0,
            "memory_class": size_class(_memory_bytes()),
        },
    }


def schema_digest(catalog: Catalog) -> str:
    """Return a digest of tables and columns; not of indexes, which a change is mostly about."""
    return digest({name: _columns(table) for name, table in sorted(catalog.tables.items())})


def rows_class(rows: float) -> str:
    """Return the power of ten that a number of rows lies above: ``10^6``; empty: never analyzed."""
    if rows < 0:
        return ""
    return f"10^{math.floor(math.log10(rows))}" if rows >= 1 else "0"


def size_class(size_bytes: int) -> str:
    """Return the power of two that a size lies above: ``2^30`` is 1 to 2 GiB."""
    return f"2^{size_bytes.bit_length() - 1}" if size_bytes > 0 else "0"


def _table(table: Table) -> dict[str, Json]:
    return {
        "rows": rows_class(table.rows),
        "size": size_class(table.size_bytes),
        "columns_sha256": digest(_columns(table)),
    }


def _columns(table: Table) -> list[Json]:
    return [[each.name, each.type, each.not_null] for each in table.columns]


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):  # the machine does not tell
        return 0
