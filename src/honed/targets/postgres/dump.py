"""PostgreSQL's own programs that carry a schema and its statistics from production to the lab."""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from honed.errors import (
    ConfigurationError,
    DiskFull,
    EvaluatorFailed,
    HonedError,
    MissingPrivilege,
    TargetUnavailable,
)
from honed.targets.postgres.production import Production, Snapshot
from honed.targets.postgres.shadow import OWNER, Shadow

#: Entries of a dump that are not restored: they reach out of the database, need a superuser, or
#: (foreign keys) are added without looking at every row.
_LEFT_OUT = re.compile(
    r"^\d+; \d+ \d+ (?:EXTENSION|EVENT TRIGGER|PUBLICATION|SUBSCRIPTION|FOREIGN DATA WRAPPER"
    r"|SERVER|USER MAPPING|FK CONSTRAINT|PROCEDURAL LANGUAGE) "
)
_FAILED_ENTRY = re.compile(
    r"^pg_restore: error: could not execute query: ERROR: +(.*)$", re.MULTILINE
)
_BROKEN_CONNECTION = re.compile("server closed the connection|connection to server|no connection")
_RESTORE_OPTIONS = (
    "--no-owner",
    "--no-privileges",
    "--no-tablespaces",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-comments",
    "--jobs=2",
)


class Dump:
    """What pg_dump wrote of one snapshot of production; in a private folder that is removed."""

    def __init__(self, shadow: Shadow, file: Path) -> None:
        self._shadow = shadow
        self._file = file

    def restore(self, section: str, database: str, *, keeps_methods: bool = False) -> list[str]:
        """Restore ``pre-data`` or ``post-data``, and return what failed in the server's words.

        Args:
            section: which.

            database: where to.

            keeps_methods: tables have their access methods; else they are heaps.

        Raises:
            DiskFull: there is no room.
            EvaluatorFailed: the shadow server went away.
        """
        program = self._shadow.server.program("pg_restore")
        contents = self._run([str(program), "--list", str(self._file)]).stdout
        wanted = self._file.with_suffix(f".{section}")
        wanted.write_text(
            "\n".join(line for line in contents.splitlines() if not _LEFT_OUT.match(line))
        )
        command = [str(program), f"--section={section}", f"--use-list={wanted}", *_RESTORE_OPTIONS]
        command += [] if keeps_methods else ["--no-table-access-method"]
        command += ["-d", self._shadow.server.url(database, OWNER), str(self._file)]
        return _FAILED_ENTRY.findall(self._run(command).stderr)

    def run_script(self, database: str) -> None:
        """Run a plain dump as the owner; single statements may fail.

        Raises:
            DiskFull: there is no room.
            EvaluatorFailed: the shadow server went away.
        """
        program = self._shadow.server.program("psql")
        url = self._shadow.server.url(database, OWNER)
        self._run([str(program), "-Xq", "-o", "/dev/null", "-d", url, "-f", str(self._file)])

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "No space left on device" in done.stderr:
            msg = f"the disk of {self._shadow.folder} is full"
            raise DiskFull(msg)
        if done.returncode < 0 or _BROKEN_CONNECTION.search(done.stderr):
            msg = f"the copy could not be restored: {done.stderr.strip()[-300:]}"
            raise EvaluatorFailed(msg)
        return done


@contextmanager
def dumped(
    production: Production, shadow: Shadow, snapshot: Snapshot, *options: str
) -> Iterator[Dump]:
    """Hand out what pg_dump writes with ``options``.

    Raises:
        TargetUnavailable: production does not answer, or a table stayed locked.
        MissingPrivilege: the observing role may not read a table.
        ConfigurationError: production is newer than the programs here.
        DiskFull: there is no room.
    """
    where, environment = production.arguments()
    with tempfile.TemporaryDirectory(dir=shadow.folder, prefix="dump-") as folder:
        file = Path(folder) / "dump"
        command = [str(shadow.server.program("pg_dump")), *options, "-d", where, "-f", str(file)]
        command += [
            f"--snapshot={snapshot.name}",
            f"--lock-wait-timeout={production.lock_timeout_ms}",
        ]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise _dump_error(done.stderr, shadow)
        yield Dump(shadow, file)


def _dump_error(words: str, shadow: Shadow) -> HonedError:
    if "No space left on device" in words:
        return DiskFull(f"the disk of {shadow.folder} is full")
    message = words.strip().partition("\n")[0].removeprefix("pg_dump: error: ")
    if "permission denied" in words:
        return MissingPrivilege(message)
    if "server version mismatch" in words:
        hint = "set postgres_bin to programs that are as new as the target's server"
        return ConfigurationError(f"the target is newer than pg_dump here: {message}", hint=hint)
    return TargetUnavailable(message)
