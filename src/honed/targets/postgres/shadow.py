"""The shadow server of a lab: its roles, its databases, and what its errors mean."""

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from honed.config import Settings
from honed.errors import DiskFull, EvaluatorFailed, ServerFailed, StatementCut
from honed.storage.cluster import SUPERUSER
from honed.storage.db import Connection
from honed.storage.queries import load_queries
from honed.storage.server import Server
from honed.targets.postgres.archives.runner import Archivist
from honed.targets.postgres.complaint import complaint_of

QUERIES = load_queries(__package__, "lab.sql")

#: Owns every table of the copy. No superuser: what comes from a target is not trusted here.
OWNER = "honed_owner"
#: Replays and plans statements; its transactions only read.
READER = "honed_reader"

#: The copy of production that clones are made of; nobody can connect to it.
COPY = "copy"
#: The copy while it is made; a leftover of that name is thrown away.
COPYING = "copying"

_CREATE_MARKER = "CREATE TABLE IF NOT EXISTS lab_copy (marker jsonb NOT NULL)"
_CREATE_BUFFERCACHE = "CREATE EXTENSION IF NOT EXISTS pg_buffercache"
_EMPTY_BUFFERS = "SELECT FROM pg_buffercache_evict_all()"
#: Restores statistics, keeps them when an index is built, and can empty its buffers.
_VERSION_18 = 180000
_MEGABYTE = 1024 * 1024
#: With less than this the disk counts as full: a segment of the write-ahead log has 16 MB.
_LITTLE_SPACE_BYTES = 17 * _MEGABYTE


class Shadow:
    """A private PostgreSQL server in ``folder`` that may lose everything at any time.

    Nothing is written to disk for sure, because whatever a crash of the machine spoils can be
    copied again. Several processes may use it at once; each has a session by which the others see
    that it lives.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self._settings = settings
        self.server = Server(
            folder / "data", binaries=settings.postgres_bin, options=_server_options(settings)
        )
        self._name = ""
        self._numbers = count(1)
        self._session: Connection | None = None

    @property
    def _application(self) -> str:
        return f"honed lab {self._name}"

    @property
    def version(self) -> int:
        """The server's version as ``server_version_num``: 180006."""
        return self.session.info.server_version

    @property
    def restores_statistics(self) -> bool:
        """Whether production's statistics can be carried over."""
        return self.version >= _VERSION_18

    @property
    def session(self) -> Connection:
        """The connection to the database ``postgres`` that shows the others that we live."""
        if self._session is None:
            msg = "the shadow server was not started"
            raise EvaluatorFailed(msg)
        return self._session

    def start(self) -> None:
        """Make the server run, drop what dead processes left behind, and be seen.

        Raises:
            ServerFailed: it does not start, even on an empty directory.
            DiskFull: there is no room for it.
        """
        if self._session is not None and self._is_alive(self._session):
            return
        self._forget_after_reboot()
        try:
            self.server.start()
        except ServerFailed:
            # A machine that lost power spoils what was never written for sure.
            if not self.server.data_dir.exists():
                raise
            shutil.rmtree(self.server.data_dir)
            self.server.start()
        # A new name each time: clones from before are leftovers, as if we had died.
        self._name = uuid.uuid4().hex[:8]
        self._session = self.connect(application_name=self._application)
        with self.errors("the shadow server was set up"):
            self._create_roles()
            self.session.execute(_CREATE_MARKER)
            with contextlib.suppress(psycopg.NotSupportedError, psycopg.errors.UndefinedFile):
                self.session.execute(_CREATE_BUFFERCACHE)
            self.drop_leftovers()

    def stop(self) -> None:
        """Leave; stop the server where no other process uses it."""
        if self._session is None:
            return
        alone = True
        with contextlib.suppress(EvaluatorFailed):
            alone = not self.rows("count_other_labs", name=self._application)[0]["others"]
        self._session.close()
        self._session = None
        if alone:
            self.server.stop()

    def connect(
        self,
        database: str = "postgres",
        *,
        user: str = SUPERUSER,
        application_name: str = "honed",
        settings: Mapping[str, str] | None = None,
    ) -> Connection:
        """Return a new connection in autocommit mode.

        Raises:
            EvaluatorFailed: the server does not answer.
        """
        where: dict[str, Any] = dict(conninfo_to_dict(self.server.url(database, user)))
        where["options"] = " ".join(
            f"-c {name}={value}" for name, value in (settings or {}).items()
        )
        with self.errors("connecting to the shadow server"):
            return psycopg.connect(
                **where,
                application_name=application_name,
                client_encoding="utf8",
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=None,
            )

    def rows(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        """Return the rows of a named query of ``lab.sql`` on the database ``postgres``."""
        with self.errors(query.replace("_", " ")):
            cursor = self.session.execute(QUERIES[query], parameters)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Say what an error of this server means for an experiment.

        Raises:
            DiskFull: there is no room.
            StatementCut: a time limit ended the statement.
            EvaluatorFailed: everything else; the message begins with ``doing``.
        """
        try:
            yield
        except psycopg.errors.DiskFull as error:
            raise DiskFull(self._full_disk()) from error
        except psycopg.errors.QueryCanceled as error:
            msg = f"{doing}: it took too long"
            raise StatementCut(msg) from error
        except psycopg.Error as error:
            if error.sqlstate is None and self._has_no_space():
                raise DiskFull(self._full_disk()) from error
            msg = f"{doing}: {complaint_of(error)}"
            raise EvaluatorFailed(msg) from error

    def read_marker(self) -> dict[str, Any] | None:
        """Return what was said of the copy, None where there is no complete copy."""
        found = self.rows("read_marker")
        return found[0]["marker"] if found else None

    def write_marker(self, marker: Mapping[str, Any] | None) -> None:
        """Say what the copy is; None: it is not to be used."""
        with self.errors("marking the copy"), self.session.transaction():
            self.session.execute(QUERIES["delete_marker"])
            if marker is not None:
                self.session.execute(QUERIES["write_marker"], {"marker": Jsonb(marker)})

    def publish(self, marker: Mapping[str, Any]) -> None:
        """Make the database ``copying`` the copy, instead of the one before."""
        self.write_marker(None)
        self.drop(COPY)
        with self.errors("publishing the copy"), self.session.transaction():
            self._run("ALTER DATABASE {name} RENAME TO {other}", COPYING, COPY)
            self._run("ALTER DATABASE {name} ALLOW_CONNECTIONS false", COPY)
            self.session.execute(QUERIES["write_marker"], {"marker": Jsonb(marker)})

    @contextmanager
    def opened_copy(self) -> Iterator[str]:
        """Let connections to the copy for a while; its marker is to be written anew after it."""
        self.write_marker(None)
        with self.errors("opening the copy"):
            self._run("ALTER DATABASE {name} ALLOW_CONNECTIONS true", COPY)
        try:
            yield COPY
        finally:
            with self.errors("closing the copy"):
                self._run("ALTER DATABASE {name} ALLOW_CONNECTIONS false", COPY)

    @contextmanager
    def replacing(self) -> Iterator[None]:
        """Hold the only right to replace the copy; waits until nobody is making a clone."""
        self.rows("lock_copy")
        try:
            yield
        finally:
            with contextlib.suppress(EvaluatorFailed):
                self.rows("unlock_copy")

    def new_name(self, label: str) -> str:
        """Return a name for a new database, by which others see that it is ours while we live."""
        plain = re.sub("[^a-z0-9]+", "_", label.lower())[:24]
        return f"clone_{self._name}_{next(self._numbers)}_{plain}"

    def create_clone(self, label: str) -> str:
        """Create a database that is equal to the copy, and return its name."""
        name = self.new_name(label)
        self.rows("share_copy")
        try:
            with self.errors("cloning the copy"):
                # FILE_COPY does not go through the buffers, so that the clone does not empty them.
                self._run(
                    "CREATE DATABASE {name} TEMPLATE {other} OWNER {owner} STRATEGY file_copy",
                    name,
                    COPY,
                )
        except DiskFull:
            self.drop(name)
            raise
        finally:
            with contextlib.suppress(EvaluatorFailed):
                self.rows("unshare_copy")
        return name

    def drop(self, name: str) -> None:
        """Drop the database ``name``, whoever uses it; nothing if it is not there."""
        with self.errors(f"dropping {name}"):
            self._run("DROP DATABASE IF EXISTS {name} WITH (FORCE)", name)
        shutil.rmtree(self._archives(name), ignore_errors=True)

    def archivist(self, database: str) -> Archivist:
        """Return who carries out steps of archives on ``database``.

        Archives are read where production's are, and written beside the data of this server.
        """
        settings = self._settings
        scratch = self._archives(database)
        return Archivist(settings.archives, settings.archive_memory_mb, scratch)

    def drop_leftovers(self) -> None:
        """Drop clones whose process is gone."""
        for row in self.rows("list_leftovers"):
            self.drop(row["name"])

    @property
    def forgets_pages(self) -> bool:
        """Whether pages can be dropped from the server's buffers."""
        return self.version >= _VERSION_18

    def forget_pages(self, database: str, files: Sequence[int]) -> None:
        """Drop the pages of the relations that lie in ``files`` from the server's buffers."""
        self.rows("forget_pages", database=database, files=list(files))

    def empty_buffers(self) -> None:
        """Drop every page from the server's buffers, where PostgreSQL 18 or later can do that."""
        if self.forgets_pages:
            with self.errors("emptying the buffers"):
                self.session.execute(_EMPTY_BUFFERS)

    def use_settings(self, settings: Mapping[str, str]) -> None:
        """Give ``settings`` to every later connection of the owner and of the reader.

        Settings that this server does not know are left out.
        """
        known = {row["name"] for row in self.rows("list_known_settings")}
        with self.errors("taking over settings"), self.session.transaction():
            for role in (OWNER, READER):
                self._run("ALTER ROLE {name} RESET ALL", role)
            for name in settings.keys() & known:
                # The server reads a list (search_path) as one name where it is given as a literal.
                value = {"name": name, "value": settings[name]}
                self.session.execute(QUERIES["set_locally"], value)
                for role in (OWNER, READER):
                    self._run("ALTER ROLE {name} SET {other} FROM CURRENT", role, name)

    def _run(self, statement: LiteralString, name: str, other: str = "") -> None:
        self.session.execute(
            sql.SQL(statement).format(
                name=sql.Identifier(name), other=sql.Identifier(other), owner=sql.Identifier(OWNER)
            )
        )

    def _create_roles(self) -> None:
        for statement in _ROLES:
            with contextlib.suppress(psycopg.errors.DuplicateObject, psycopg.errors.SyntaxError):
                self._run(statement, OWNER, READER)

    def _forget_after_reboot(self) -> None:
        """Throw the data away if the machine started again since the server was started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        note, now = self.folder / "boot_id", _boot_id()
        if note.exists() and note.read_text() != now and self.server.data_dir.exists():
            shutil.rmtree(self.server.data_dir)
        note.write_text(now)

    @staticmethod
    def _is_alive(session: Connection) -> bool:
        try:
            session.execute("SELECT")
        except psycopg.Error:
            session.close()
            return False
        return True

    def _archives(self, database: str) -> Path:
        return self.folder / "archives" / database

    def _has_no_space(self) -> bool:
        return shutil.disk_usage(self.folder).free < _LITTLE_SPACE_BYTES

    def _full_disk(self) -> str:
        return f"the disk of {self.folder} is full"


_ROLES: Sequence[LiteralString] = (
    "CREATE ROLE {name} LOGIN",
    "CREATE ROLE {other} LOGIN BYPASSRLS",
    # To plan (not to run) a statement that writes, one needs the privilege to write.
    "GRANT pg_read_all_data, pg_write_all_data TO {other}",
    # To measure writes without triggers; the parameter cannot be granted before PostgreSQL 15.
    "GRANT SET ON PARAMETER session_replication_role TO {name}",
)


def _server_options(settings: Settings) -> dict[str, str]:
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MEGABYTE
    return {
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "1h",
        "log_checkpoints": "off",
        # The log would keep what statements say, and with it production's data.
        "log_min_error_statement": "panic",
        "log_min_messages": "fatal",
        # Nothing may run beside a measurement, nor change statistics that were carried over.
        "autovacuum": "off",
        # CPU is measured in one backend.
        "max_parallel_workers_per_gather": "0",
        "max_parallel_maintenance_workers": "0",
        "shared_buffers": f"{max(128, min(2048, memory_mb // 8))}MB",
        "maintenance_work_mem": f"{max(64, min(512, memory_mb // 32))}MB",
        "max_locks_per_transaction": "256",
        "max_connections": "40",
        "statement_timeout": f"{settings.build_timeout_s * 1000:.0f}",
    }


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return ""
