"""Copying rows from production to the lab, table by table, two at a time."""

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from psycopg import sql
from psycopg.abc import Buffer

from honed.errors import EvaluatorFailed
from honed.storage.db import Connection
from honed.targets.postgres.production import Production, Relation, Snapshot, quoted, reading
from honed.targets.postgres.shadow import COPYING, OWNER, Shadow

#: Connections to production that copy at once; more would be felt there.
_READERS = 2

_COPY_ALL = sql.SQL("COPY {table} ({columns}) TO STDOUT /* honed */")
_COPY_SAMPLE = sql.SQL(
    "COPY (SELECT {columns} FROM ONLY {table} TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1))"
    " TO STDOUT /* honed */"
)
# An access method of an extension need not know pages: columns have no samples of them.
_COPY_SOME = sql.SQL(
    "COPY (SELECT {columns} FROM ONLY {table} WHERE random() * 100 < {percent})"
    " TO STDOUT /* honed */"
)
_SET_SNAPSHOT = sql.SQL("SET TRANSACTION SNAPSHOT {} /* honed */")
# Emptied in the same transaction, a table can be filled with frozen rows: no VACUUM afterwards.
_EMPTY = sql.SQL("TRUNCATE ONLY {table}")
_FILL = sql.SQL("COPY {table} ({columns}) FROM STDIN (FREEZE)")


class RowCopy:
    """Copies the rows of tables that exist in the lab already.

    Args:
        sampled: share of rows to copy, by qualified name; other tables are copied whole. A sample
            of a heap consists of whole pages; rows that belong together in two tables are not kept
            together.
    """

    def __init__(
        self,
        production: Production,
        shadow: Shadow,
        snapshot: Snapshot,
        *,
        sampled: Mapping[str, float],
    ) -> None:
        self._production = production
        self._shadow = shadow
        self._snapshot = snapshot
        self._sampled = sampled
        self._todo: queue.SimpleQueue[Relation] = queue.SimpleQueue()
        self._stopping = threading.Event()
        #: Why tables could not be filled, one sentence each.
        self.missing: list[str] = []

    def copy(self, tables: Sequence[Relation]) -> int:
        """Copy the rows of ``tables``, large ones first, and return how many there were.

        Raises:
            TargetUnavailable, MissingPrivilege: production went away, or does not let us read.
            DiskFull: there is no room.
            EvaluatorFailed: the shadow server went away.
        """
        for table in sorted(tables, key=lambda item: -item.size_bytes):
            if table.columns:
                self._todo.put(table)
        with ThreadPoolExecutor(_READERS) as pool:
            running = [pool.submit(self._work) for _ in range(_READERS)]
            return sum(done.result() for done in running)

    def _work(self) -> int:
        copied = 0
        try:
            with (
                self._production.connect() as source,
                self._shadow.connect(COPYING, user=OWNER) as sink,
            ):
                with reading():
                    source.execute(_SET_SNAPSHOT.format(sql.Literal(self._snapshot.name)))
                while not self._stopping.is_set():
                    copied += self._copy_table(self._todo.get_nowait(), source, sink)
        except queue.Empty:
            pass
        except BaseException:
            self._stopping.set()
            raise
        return copied

    def _copy_table(self, table: Relation, source: Connection, sink: Connection) -> int:
        try:
            with self._shadow.errors(f"copying {table.name}"), sink.transaction():
                return self._pipe(table, source, sink)
        except EvaluatorFailed as error:
            if sink.closed:
                raise
            self.missing.append(str(error))
            return 0

    def _pipe(self, table: Relation, source: Connection, sink: Connection) -> int:
        names = {
            "table": quoted(table.name),
            "columns": sql.SQL(", ").join(map(sql.Identifier, table.columns)),
            "percent": sql.Literal(100 * self._sampled.get(table.name, 1.0)),
        }
        read = self._reading(table).format(**names)
        with sink.cursor() as writer:
            writer.execute(_EMPTY.format(**names))
            with writer.copy(_FILL.format(**names)) as to_lab:
                for block in _blocks(source, read):
                    to_lab.write(block)
            return writer.rowcount

    def _reading(self, table: Relation) -> sql.SQL:
        if table.name not in self._sampled:
            return _COPY_ALL
        return _COPY_SAMPLE if table.method == "heap" else _COPY_SOME


def _blocks(source: Connection, read: sql.Composed) -> Iterator[Buffer]:
    # A generator, so that only errors of production pass through ``reading``.
    with reading(), source.cursor() as reader, reader.copy(read) as rows:
        yield from rows
