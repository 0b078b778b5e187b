"""The steps of archiving a partition, and of dropping an archived table."""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

from psycopg import sql

from honed.core.canonical import digest
from honed.core.step import Step
from honed.errors import EvaluatorFailed
from honed.storage.programs import find_programs, server_account
from honed.targets.postgres.archives.files import Archive, folder_of
from honed.targets.postgres.archives.runner import ARCHIVE, act
from honed.targets.postgres.columnstore.partitions import QUERIES, Partition
from honed.targets.postgres.composed import block, text_of
from honed.targets.postgres.detaching import Detachment
from honed.targets.postgres.production import Production
from honed.targets.postgres.target import PostgresTarget
from honed.targets.registry import connection_url

# Rows that came in after the table was emptied would be lost.
_IS_EMPTY = sql.SQL(
    "BEGIN LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;"
    " IF EXISTS (SELECT FROM {table}) THEN"
    " RAISE 'somebody wrote rows into % after it was emptied', {relation}; END IF; END"
)
_DROP = sql.SQL("DROP TABLE {table}")
_IS_GONE = sql.SQL("SELECT CASE WHEN to_regclass({relation}) IS NULL THEN 'done' ELSE 'absent' END")
#: What pg_dump says to its own session and to psql; a step runs in a session of honed's.
_PREAMBLE = re.compile(
    r"\A.*?^SELECT pg_catalog\.set_config\('search_path', '', false\);\n"
    r"(?:SET [a-z_]+ = [^;\n]*;\n)*",
    re.DOTALL | re.MULTILINE,
)
_RESTRICT = re.compile(r"^\\(?:un)?restrict [A-Za-z0-9]+\n", re.MULTILINE)
_RESET = "RESET default_tablespace;\nRESET default_table_access_method;\n"


def archive_steps(partition: Partition, target: str) -> list[Step]:
    """Return the steps that archive a partition and detach it; the table itself stays.

    Args:
        partition: which.

        target: the name of the target.
    """
    about: dict[str, Any] = {
        "folder": folder_of(target, partition.schema, partition.name),
        "schema": partition.schema,
        "table": partition.name,
        "parent": list(partition.parent),
        "bound": partition.bound,
        "claim": digest([partition.qualified_name, partition.bound, partition.storage]),
    }
    export = Step(
        f"copy {partition.qualified_name} to Parquet files and prove that they are equal",
        do=(act("export", **about),),
        undo=(act("remove", **about),),
        inspect=act("archived", **about),
        runner=ARCHIVE,
    )
    detachment = Detachment(
        table=partition.parent,
        part=(partition.schema, partition.name),
        bound=partition.bound,
        condition=partition.condition,
        has_default=partition.has_default,
    )
    return [export, *detachment.steps()]


def drop_steps(archive: Archive, definition: str) -> list[Step]:
    """Return the steps that delete an archived table from the target.

    Args:
        archive: equal to the table.

        definition: the SQL that makes the table again, without rows.
    """
    manifest = archive.manifest
    names = _names(manifest.schema, manifest.table)
    about: dict[str, Any] = {
        "folder": folder_of(manifest.target, manifest.schema, manifest.table),
        "schema": manifest.schema,
        "table": manifest.table,
        "rows": manifest.proof.rows,
        "sha256": archive.sha256,
    }
    name = text_of(names["table"])
    return [
        Step(
            f"prove once more that {name} is equal to its archive, and delete its rows",
            do=(act("empty", **about),),
            undo=(act("load", **about),),
            inspect=act("emptied", **about),
            runner=ARCHIVE,
        ),
        Step(
            f"drop the empty table {name}",
            do=(text_of(block(_IS_EMPTY.format(**names))), text_of(_DROP.format(**names))),
            undo=(definition,),
            inspect=text_of(_IS_GONE.format(**names)),
        ),
    ]


def read_definition(target: PostgresTarget, schema: str, table: str) -> str:
    """Return the SQL that makes a table again with all that belongs to it, without rows.

    As pg_dump says it: columns, constraints, indexes, statistics objects, triggers, comments,
    owner and privileges.

    Raises:
        EvaluatorFailed: pg_dump fails, or says something else than it used to.
    """
    settings = target.settings
    production = Production(connection_url(target.record), settings)
    program = find_programs(settings.postgres_bin, server_account()) / "pg_dump"
    where, environment = production.arguments()
    name = f"{_pattern(schema)}.{_pattern(table)}"
    command = [str(program), "--schema-only", f"--table={name}", "-d", where]
    command.append(f"--lock-wait-timeout={production.lock_timeout_ms}")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    text, is_usual = _PREAMBLE.subn("", done.stdout, count=1)
    if done.returncode or not is_usual:
        msg = f"pg_dump does not say how {name} is made: {done.stderr.strip()[-300:]}"
        raise EvaluatorFailed(msg)
    relation = sql.Identifier(schema, table).as_string(None)
    statistics = "".join(f"{each};\n" for each in _statistics(target, relation))
    return f"{_RESTRICT.sub('', text).strip()}\n{statistics}{_RESET}"


def _statistics(target: PostgresTarget, relation: str) -> Iterator[str]:
    """Yield what makes the extended statistics objects of a table again."""
    for row in target.query(QUERIES["list_statistics"], {"table": relation}):
        name = row["qualified_name"]
        yield row["definition"]
        yield f"ALTER STATISTICS {name} OWNER TO {row['owner']}"
        if row["target"] >= 0:
            yield f"ALTER STATISTICS {name} SET STATISTICS {row['target']}"
        if row["comment"] is not None:
            yield f"COMMENT ON STATISTICS {name} IS {row['comment']}"


def _pattern(name: str) -> str:
    """Return a name as pg_dump takes it: within quotes nothing has a meaning but quotes."""
    return '"' + name.replace('"', '""') + '"'


def _names(schema: str, table: str) -> dict[str, sql.Composable]:
    relation = sql.Identifier(schema, table)
    return {
        "table": relation,
        "relation": sql.Literal(relation.as_string(None)),
    }
