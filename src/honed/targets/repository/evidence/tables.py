"""What the database that a repository's services ask says of its tables."""

from collections.abc import Collection
from itertools import groupby
from typing import Final

from honed.config import Settings
from honed.errors import ConfigurationError
from honed.repair.refactor.asking.lookups import Column, Table
from honed.storage.db import Database
from honed.storage.queries import load_queries
from honed.targets.postgres.connection import reading
from honed.targets.registry import TargetRecord, connection_url, get_target

QUERIES: Final = load_queries("honed.targets.repository.evidence", "tables.sql")


def read_tables(
    record: TargetRecord, store: Database, settings: Settings, names: Collection[str]
) -> list[Table]:
    """Return everything in a repository's database that has one of some names.

    Args:
        record: of the repository; its option ``database`` names another target.

        store: honed's own database.

        settings: give the time limits.

        names: of tables, as the catalog has them, in whatever schema.

    Raises:
        ConfigurationError: its row names no database.
        UnknownTarget: there is no target of that name.
        TargetUnavailable: the database does not answer.
        MissingPrivilege: it lets nobody read its catalog.
        StatementCut: a time limit passed.
    """
    named = str(record.options.get("database", ""))
    if not named:
        msg = "nobody has said which database its services ask"
        raise ConfigurationError(msg, hint="add the repository with --database")
    database = get_target(store, named)
    if database.sort != "postgres":
        msg = f"the target {named} is no database"
        raise ConfigurationError(msg, hint="name a target of PostgreSQL with --database")
    with reading(connection_url(database), settings) as connection:
        rows = connection.execute(QUERIES["list_columns"], {"names": sorted(names)}).fetchall()
    return [
        Table(
            schema, table, {e["name"]: Column(e["name"], e["type"], e["is_unique"]) for e in some}
        )
        for (schema, table), some in groupby(rows, lambda each: (each["schema"], each["table"]))
    ]
