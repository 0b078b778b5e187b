"""Carrying production's statistics over, so that the lab's planner decides as production's does."""

from collections.abc import Collection, Mapping

from psycopg import sql

from honed.storage.db import Connection
from honed.targets.postgres.dump import dumped
from honed.targets.postgres.production import Production, Relation, Snapshot
from honed.targets.postgres.shadow import OWNER, QUERIES, Shadow

_ANALYZE = sql.SQL("ANALYZE {}")


def carry_statistics(
    production: Production,
    shadow: Shadow,
    snapshot: Snapshot,
    *,
    database: str,
    sampled: Collection[str],
) -> None:
    """Give the planner of ``database`` the statistics and settings that production's planner has.

    The number of rows that the planner reckons with becomes production's, although a fresh copy
    is more compact. Extended statistics cannot be dumped (PostgreSQL 18): their tables are analysed
    here first, so they may be fresher than production's. A shadow server older than 18 cannot
    restore statistics: there every table is analysed.

    Raises:
        TargetUnavailable, MissingPrivilege: production went away, or does not let us read.
        DiskFull: there is no room.
        EvaluatorFailed: the shadow server went away.
    """
    shadow.use_settings(snapshot.planner_settings())
    with (
        shadow.errors("analysing the copy"),
        shadow.connect(database, user=OWNER) as connection,
    ):
        if not shadow.restores_statistics:
            connection.execute("ANALYZE")
            return
        for row in connection.execute(QUERIES["list_tables_with_statistics_objects"], {}):
            table = sql.Identifier(row["schema_name"], row["table_name"])
            connection.execute(_ANALYZE.format(table))
    carry_known_statistics(production, shadow, snapshot, database=database, sampled=sampled)


def carry_known_statistics(
    production: Production,
    shadow: Shadow,
    snapshot: Snapshot,
    *,
    database: str,
    sampled: Collection[str],
) -> None:
    """Give the planner of ``database`` what production's planner knows, and look at no row.

    Production's own views of statistics are read, so that any version will do and the observing
    role suffices; extended statistics are not among what can be carried over.

    Raises:
        TargetUnavailable, MissingPrivilege: production went away, or does not let us read.
        DiskFull: there is no room.
        EvaluatorFailed: the shadow server went away.
    """
    shadow.use_settings(snapshot.planner_settings())
    with shadow.errors("forgetting statistics"), shadow.connect(database) as connection:
        connection.execute(QUERIES["forget_statistics"], {})
    with dumped(production, shadow, snapshot, "--statistics-only") as dump:
        dump.run_script(database)
    with shadow.errors("carrying sizes over"), shadow.connect(database) as connection:
        _set_sizes(connection, {item.name: item for item in snapshot.relations()}, sampled)


def _set_sizes(
    connection: Connection, relations: Mapping[str, Relation], sampled: Collection[str]
) -> None:
    with connection.transaction():
        for row in connection.execute(QUERIES["list_locations"], {}).fetchall():
            item = relations.get(row["name"])
            if item is None or item.sort == "i":
                continue
            # The planner takes rows / pages as density, and multiplies it by the pages of the file.
            # The files of a sampled table grow to production's size in each clone.
            blocks = item.blocks if item.name in sampled else row["blocks"]
            visible = item.all_visible / item.pages if item.pages else 0.0
            numbers = {
                "oid": row["oid"],
                "pages": blocks if item.pages else 0,
                "row_count": item.expected_rows,
                "all_visible": round(visible * blocks),
            }
            connection.execute(QUERIES["write_relation_numbers"], numbers)
