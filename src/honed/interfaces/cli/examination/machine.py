"""What honed needs of the machine that it runs on."""

import difflib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from honed.config import Settings
from honed.interfaces.cli.examination.check import Check, Status, guarded
from honed.interfaces.cli.output import megabytes
from honed.targets.registry import is_password_variable

#: What honed runs of PostgreSQL's programs.
_PROGRAMS = ("postgres", "initdb", "pg_dump", "pg_restore")
#: A trial holds a copy of the target and three clones of it: baseline, candidate and control.
_COPIES = 4
#: Below it even honed's own store is in danger.
_LEAST_FREE_MB = 500


def without_settings() -> Iterator[Check]:
    """Yield what can be seen whatever the settings are."""
    yield _variables()
    yield _sandbox()
    yield _cpu_times()


def with_settings(settings: Settings) -> Iterator[Check]:
    """Yield what the settings name."""
    yield guarded("postgresql programs", _programs, settings)
    yield _disk(settings)
    yield _duckdb()
    yield guarded("ledger key", _key, settings)


def _variables() -> Check:
    """Look for misspelt settings; the settings themselves pass over what they do not know."""
    known = {f"HONED_{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith("HONED_") and name not in known and not is_password_variable(name)
    )
    if not unknown:
        return Check("environment", Status.OK, "every HONED_ variable is a setting")
    close = difflib.get_close_matches(unknown[0], known, 1)
    fix = f"is it {close[0]}?" if close else "`honed config show` lists the settings"
    return Check("environment", Status.WARN, f"{', '.join(unknown)}: no such setting", fix)


def _sandbox() -> Check:
    from honed.sandbox.probe import probe

    found = probe()
    if found.is_safe:
        return Check("sandbox", Status.OK, f"{found.level}: a hostile program could not get out")
    seen = f"no generated code is run, because {'; '.join(found.reasons)}"
    fix = "install bubblewrap; docs/howto/run-generated-code.md says where else it may fail"
    return Check("sandbox", Status.WARN, seen, fix)


def _cpu_times() -> Check:
    if Path("/proc/self/schedstat").exists():
        return Check("cpu times", Status.OK, "trials measure the CPU time of backends")
    return Check(
        "cpu times",
        Status.WARN,
        "there is no /proc/<pid>/schedstat, so trials measure elapsed time, which is noisier",
        "run honed on Linux, or expect longer trials",
    )


def _programs(settings: Settings) -> Check:
    from honed.storage.programs import find_programs, server_account

    folder = find_programs(settings.postgres_bin, server_account())
    missing = [name for name in _PROGRAMS if not (folder / name).is_file()]
    if missing:
        fix = "set postgres_bin to a folder that has them all"
        return Check(
            "postgresql programs", Status.FAIL, f"{folder} lacks {', '.join(missing)}", fix
        )
    done = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    said = done.stdout.strip() or "it does not start"
    status = Status.OK if done.returncode == 0 else Status.FAIL
    fix = "" if status is Status.OK else "set postgres_bin to programs that run here"
    return Check("postgresql programs", status, f"{said}, in {folder}", fix)


def _disk(settings: Settings) -> Check:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    wanted_mb = _COPIES * settings.copy_limit_mb
    seen = f"{megabytes(free)} free for {settings.home}"
    if free < _LEAST_FREE_MB * 2**20:
        return Check("disk", Status.FAIL, seen, "free some, or set HONED_HOME to another disk")
    if free < wanted_mb * 2**20:
        fix = f"trials may want {wanted_mb} MB: lower copy_limit_mb, or free some"
        return Check("disk", Status.WARN, seen, fix)
    return Check("disk", Status.OK, seen)


def _duckdb() -> Check:
    from honed.targets.postgres.archives.engine import is_installed

    if is_installed():
        return Check("duckdb", Status.OK, "partitions can be archived")
    fix = "pip install 'honed[columnar]', where they should be"
    return Check("duckdb", Status.WARN, "not installed: no partition is archived", fix)


def _key(settings: Settings) -> Check:
    from honed.ledger.keys import Signer

    if not settings.key_file.exists():
        return Check(
            "ledger key", Status.OK, f"honed makes it when it first runs: {settings.key_file}"
        )
    key_id = Signer.load(settings.key_file).key_id
    return Check("ledger key", Status.OK, f"{key_id[:16]}, in {settings.key_file}")
