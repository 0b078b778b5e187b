"""Copying production into the lab: schema, rows (or a sample, or none) and statistics."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from honed.errors import ConfigurationError, EvaluatorFailed
from honed.targets.postgres.carry import carry_known_statistics, carry_statistics
from honed.targets.postgres.dump import dumped
from honed.targets.postgres.production import (
    Activity,
    Production,
    Relation,
    Snapshot,
    quoted,
    shares,
)
from honed.targets.postgres.rows import RowCopy
from honed.targets.postgres.shadow import COPYING, OWNER, QUERIES, Shadow


@dataclass(frozen=True, slots=True)
class Copied:
    """What the lab's copy of production is."""

    #: Digest of production's schema when it was copied.
    fingerprint: str
    #: When the copying began.
    taken_at: datetime
    #: Host, port and database it came from, without user and password.
    source: str
    #: Rows copied.
    rows: int
    #: Share of rows copied of the tables that were sampled, by qualified name; empty: all complete.
    sampled: Mapping[str, float]
    #: What could not be restored, one sentence each: an extension that is not installed here.
    missing: tuple[str, ...]
    #: Seconds that the copying took.
    seconds: float
    #: How each table was written when it was copied, and when it was analysed.
    activity: Mapping[str, Activity] = field(default_factory=dict, repr=False)
    #: Bytes that sampled tables and their indexes have in production, by qualified name.
    sizes: Mapping[str, int] = field(default_factory=dict, repr=False)

    def to_marker(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {**asdict(self), "taken_at": self.taken_at.isoformat()}

    @classmethod
    def from_marker(cls, value: Mapping[str, Any]) -> "Copied":
        """Return what ``to_marker`` wrote."""
        activity = {name: Activity(**item) for name, item in value["activity"].items()}
        taken_at = datetime.fromisoformat(value["taken_at"])
        missing = tuple(value["missing"])
        return cls(**{**value, "activity": activity, "taken_at": taken_at, "missing": missing})


@dataclass(frozen=True, slots=True)
class Outlined:
    """What a database without rows is made of."""

    #: Bytes that tables, materialised views and indexes have in production, by qualified name.
    sizes: Mapping[str, int]
    #: What could not be restored, one sentence each.
    missing: tuple[str, ...]


class Copying:
    """One copying of production to a new database of the shadow server.

    Args:
        production: is only read.

        shadow: where to copy to.

        snapshot: the moment of production that is copied.

        database: its name there.
    """

    def __init__(
        self,
        production: Production,
        shadow: Shadow,
        snapshot: Snapshot,
        *,
        database: str = COPYING,
    ) -> None:
        self._production = production
        self._shadow = shadow
        self._snapshot = snapshot
        self._database = database
        self._missing: list[str] = []

    def copy(self, limit_bytes: int) -> Copied:
        """Copy everything, and return what the copy is; it is not published yet.

        Raises:
            TargetUnavailable, MissingPrivilege: production went away, or does not let us read.
            DiskFull: there is no room.
            EvaluatorFailed: the shadow server went away.
            ConfigurationError: production is newer than the programs here.
        """
        started, taken_at = time.monotonic(), datetime.now(UTC)
        relations = self._snapshot.relations()
        sampled = shares(relations, limit_bytes)
        if sampled and not self._shadow.restores_statistics:
            msg = "a database this large is sampled, which needs programs of PostgreSQL 18"
            raise ConfigurationError(msg, hint="leave postgres_bin empty")
        self._create_database()
        # Of columns that are sampled, or empty, the planner would see what is there alone.
        methods = frozenset() if sampled else self._methods(relations)
        with self._schema(methods):
            rows = self._fill(relations, sampled)
        carry_statistics(
            self._production, self._shadow, self._snapshot, database=self._database, sampled=sampled
        )
        return Copied(
            fingerprint=self._snapshot.fingerprint(),
            taken_at=taken_at,
            source=self._production.source,
            rows=rows,
            sampled=sampled,
            missing=(*self._missing, *_hidden(relations)),
            seconds=time.monotonic() - started,
            activity=self._snapshot.activity(),
            sizes=_sizes(relations, sampled),
        )

    def outline(self) -> Outlined:
        """Copy the schema and what the planner knows of the rows, but no row.

        Raises:
            TargetUnavailable, MissingPrivilege: production went away, or does not let us read.
            DiskFull: there is no room.
            EvaluatorFailed: the shadow server went away.
            ConfigurationError: production is newer than the programs here, or they are too old.
        """
        if not self._shadow.restores_statistics:
            msg = "statistics can be carried over with programs of PostgreSQL 18 or later alone"
            raise ConfigurationError(msg, hint="leave postgres_bin empty")
        self._create_database()
        with self._schema():
            pass
        relations = self._snapshot.relations()
        sizes = {item.name: item.file_bytes for item in relations}
        carry_known_statistics(
            self._production, self._shadow, self._snapshot, database=self._database, sampled=sizes
        )
        return Outlined(sizes, tuple(self._missing))

    def _create_database(self) -> None:
        row = self._snapshot.rows("describe_database")[0]
        try:
            self._create_like(row["encoding"], row["description"])
        except EvaluatorFailed as error:
            if not isinstance(error.__cause__, _UNKNOWN_LOCALE):
                raise
            name = row["description"]["datcollate"]
            self._missing.append(f"the collation {name} is not here: text sorts by bytes instead")
            self._create_like(row["encoding"], {"datcollate": "C", "datctype": "C"})

    def _create_like(self, encoding: str, description: Mapping[str, Any]) -> None:
        provider = _PROVIDERS[description.get("datlocprovider", "c")]
        # The column was called daticulocale before PostgreSQL 17.
        locale = description.get("datlocale") or description.get("daticulocale")
        options: dict[str, str | None] = {
            "ENCODING": encoding,
            "LC_COLLATE": description["datcollate"],
            "LC_CTYPE": description["datctype"],
            "LOCALE_PROVIDER": provider,
            "ICU_LOCALE": locale if provider == "icu" else None,
            "BUILTIN_LOCALE": locale if provider == "builtin" else None,
        }
        words = [
            sql.SQL("{} {}").format(sql.SQL(name), sql.Literal(value))
            for name, value in options.items()
            if value is not None
        ]
        with self._shadow.errors("creating the copy"):
            self._shadow.session.execute(
                _CREATE.format(
                    sql.Identifier(self._database), sql.Identifier(OWNER), sql.SQL(" ").join(words)
                )
            )

    @staticmethod
    def _methods(relations: Sequence[Relation]) -> frozenset[str]:
        return frozenset(item.method for item in relations if item.sort != "i") - {"heap"}

    @contextmanager
    def _schema(self, methods: frozenset[str] = frozenset()) -> Iterator[None]:
        """Restore what comes before the rows; when they are there, what comes after them.

        Tables are kept by ``methods`` where the lab's server has them all, else as heaps.
        """
        self._create_extensions()
        keeps_methods = bool(methods) and self._has_methods(methods)
        options = ("--schema-only", "--format=custom", "--compress=0")
        with dumped(self._production, self._shadow, self._snapshot, *options) as dump:
            self._missing += dump.restore("pre-data", self._database, keeps_methods=keeps_methods)
            yield
            self._missing += dump.restore("post-data", self._database)
        self._add_foreign_keys()

    def _fill(self, relations: Sequence[Relation], sampled: Mapping[str, float]) -> int:
        rows = RowCopy(self._production, self._shadow, self._snapshot, sampled=sampled)
        copied = rows.copy([item for item in relations if item.sort == "r"])
        self._missing += rows.missing
        self._refresh_views(relations)
        return copied

    def _create_extensions(self) -> None:
        available = {row["name"] for row in self._shadow.rows("list_available_extensions")}
        with self._shadow.connect(self._database) as connection:
            for row in self._snapshot.rows("list_extensions"):
                if row["name"] not in available:
                    self._missing.append(f"the extension {row['name']} is not installed here")
                    continue
                names = {name: sql.Identifier(value) for name, value in row.items()}
                with self._tolerating(f"the extension {row['name']}"):
                    if row["in_schema"] != "pg_catalog":
                        connection.execute(
                            _CREATE_SCHEMA.format(**names, owner=sql.Identifier(OWNER))
                        )
                    connection.execute(_CREATE_EXTENSION.format(**names))

    def _has_methods(self, methods: frozenset[str]) -> bool:
        with self._shadow.connect(self._database) as connection:
            rows = connection.execute(QUERIES["list_methods"], {}).fetchall()
        lacking = sorted(methods - {row["name"] for row in rows})
        self._missing += [
            f"the access method {each} is not here: tables are kept in rows" for each in lacking
        ]
        return not lacking

    def _refresh_views(self, relations: Sequence[Relation]) -> None:
        with self._shadow.connect(self._database, user=OWNER) as connection:
            for item in relations:
                if item.sort == "m" and item.is_filled:
                    with self._tolerating(f"the materialised view {item.name}"):
                        connection.execute(_REFRESH_VIEW.format(quoted(item.name)))

    def _add_foreign_keys(self) -> None:
        """Add foreign keys without looking at the rows; the planner believes them all the same."""
        with self._shadow.connect(self._database, user=OWNER) as connection:
            for row in self._snapshot.rows("list_foreign_keys"):
                definition: str = row["definition"]
                if not definition.endswith(("NOT VALID", "NOT ENFORCED")):
                    definition += " NOT VALID"
                statement = _ADD_CONSTRAINT.format(
                    quoted(row["of_table"]), sql.Identifier(row["name"]), quoted(definition)
                )
                with self._tolerating(f"the foreign key {row['name']}"):
                    connection.execute(statement)

    @contextmanager
    def _tolerating(self, what: str) -> Iterator[None]:
        """Note an error of one statement as something that is missing, and go on."""
        try:
            with self._shadow.errors(what):
                yield
        except EvaluatorFailed as error:
            if not isinstance(error.__cause__, psycopg.Error) or error.__cause__.sqlstate is None:
                raise
            self._missing.append(str(error))


_CREATE = sql.SQL("CREATE DATABASE {} TEMPLATE template0 OWNER {} {}")
_CREATE_SCHEMA = sql.SQL("CREATE SCHEMA IF NOT EXISTS {in_schema} AUTHORIZATION {owner}")
_CREATE_EXTENSION = sql.SQL("CREATE EXTENSION IF NOT EXISTS {name} SCHEMA {in_schema}")
_REFRESH_VIEW = sql.SQL("REFRESH MATERIALIZED VIEW {}")
_ADD_CONSTRAINT = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}")

#: ``pg_database.datlocprovider``.
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}
_UNKNOWN_LOCALE = (psycopg.DataError, psycopg.ProgrammingError, psycopg.NotSupportedError)


def _hidden(relations: Sequence[Relation]) -> Iterator[str]:
    for item in relations:
        if item.hides_rows:
            yield f"row security hides rows of {item.name} from the observing role"


def _sizes(relations: Sequence[Relation], sampled: Mapping[str, float]) -> dict[str, int]:
    return {
        item.name: item.file_bytes
        for item in relations
        if item.name in sampled or item.of_table in sampled
    }
