"""Production whose statements had a better plan, on a server that keeps words to the planner."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, LiteralString

from honed.storage.db import Database
from honed.storage.server import Server
from honed.targets.postgres.plan_pins.search import Found, find_pins
from honed.testing.postgres import Databases
from honed.testing.worlds import PostgresWorld, WorldPlan, _build

JOIN = (
    'SELECT count(*) FROM one AS "the One" JOIN two USING (id)'
    ' WHERE "the One".grp = 199 AND two.grp = 199'
)
#: With parameters, as most applications ask: the server counts it as another statement than one
#: with values.
BOUND = "SELECT max(b.id) FROM one a JOIN two b USING (id) WHERE a.grp = %s AND b.grp = %s"
SCAN = 'SELECT count(note) FROM "Log" AS log WHERE kind = 150'
TABLES: Sequence[LiteralString] = (
    "CREATE TABLE one (id integer, grp integer)",
    "INSERT INTO one SELECT n, n % 200 FROM generate_series(1, 15000) n",
    "CREATE TABLE two AS SELECT * FROM one",
    """
    CREATE TABLE "Log" AS
    SELECT n AS id, n % 2000 AS kind, repeat('x', 60) AS note FROM generate_series(1, 60000) n
    """,
    'CREATE INDEX "by Kind" ON "Log" (kind)',
    "VACUUM ANALYZE one",
    "VACUUM ANALYZE two",
    'VACUUM ANALYZE "Log"',
)
#: As if each row were a group of its own, and all rows of the log of one kind.
WRONG = (
    *(
        "SELECT pg_restore_attribute_stats('schemaname', 'public', 'relname', '" + table + "',"
        " 'attname', 'grp', 'inherited', false, 'n_distinct', (-1)::real)"
        for table in ("one", "two")
    ),
    "SELECT pg_clear_attribute_stats('public', 'Log', 'kind', false)",
    """
    SELECT pg_restore_attribute_stats('schemaname', 'public', 'relname', 'Log', 'attname', 'kind',
                                      'inherited', false, 'n_distinct', 1::real)
    """,
)
KEEP = """
INSERT INTO honed.improvement (target_id, kind, subject, state, hypothesis, steps, priority, risk,
                               applied_at, tried_at)
VALUES (%(target_id)s, 'query_regression', %(subject)s, 'kept', %(hypothesis)s::jsonb,
        %(steps)s::jsonb, 5, 3, honed.now() - interval '8 days', honed.now())
RETURNING improvement_id
"""
FORGET = """
DELETE FROM honed.improvement WHERE target_id = %(target_id)s RETURNING improvement_id
"""
REGRESS = """
INSERT INTO honed.finding (target_id, type, subject, title)
VALUES (%(target_id)s, 'regression', %(statement_id)s, 'slower')
ON CONFLICT DO NOTHING
RETURNING finding_id
"""


@contextmanager
def regressed_world(
    plan: WorldPlan, server: Server, store_server: Server, template: str, folder: Path
) -> Iterator[PostgresWorld]:
    """Hand out a world of ``TABLES`` on ``server`` with three statements that had a better plan."""
    home = Path(mkdtemp(prefix="world-", dir=folder))
    home.chmod(0o755)
    production, stores = Databases(server, []), Databases(store_server, [])
    with ExitStack() as stack:
        stack.callback(production.drop_all)
        stack.callback(stores.drop_all)
        world = _build(plan, Database(production.create()), Database(stores.create(template)), home)
        stack.callback(world.target.lab.close)
        live(world)
        world.findings()
        with world.database.connect(autocommit=True) as connection:
            for statement in WRONG:
                connection.execute(statement.encode())
        live(world)
        yield world


def live(world: PostgresWorld) -> None:
    """Run the application's statements, those with parameters too."""
    world.target.sample()
    with world.database.connect(autocommit=True) as connection:
        for _ in range(world.plan.calls):
            connection.execute(BOUND.encode(), (199, 199)).fetchall()
            for statement in (*world.plan.workload, "SELECT pg_stat_force_next_flush()"):
                connection.execute(statement.encode()).fetchall()
    world.target.sample()


def search(world: PostgresWorld) -> list[Found]:
    """Return the remedies: of the statement with parameters, of the join, of the scan."""
    regressed = [each for each in world.findings() if each.type == "regression"]
    found = find_pins(world.target, regressed)
    texts = {each.statement_id: each.text for each in world.target.workload().statements}
    wanted = ("max", "count(*)", "count(note)")
    return sorted(
        found,
        key=lambda each: next(
            at for at, word in enumerate(wanted) if word in texts[each.cases[0].statement_id]
        ),
    )


def execute(world: PostgresWorld, statement: str) -> None:
    """Run one statement as the owner of everything."""
    with world.database.connect(autocommit=True) as connection:
        connection.execute(statement.encode())


def node_types(
    world: PostgresWorld, statement: str, parameters: tuple[int, ...] | None = None
) -> set[str]:
    """Return the types of the nodes that a statement's plan has in a new session."""
    explain = f"EXPLAIN (FORMAT JSON) {statement}".encode()
    with world.database.connect() as connection:
        rows = connection.execute(explain, parameters).fetchall()
    (plan,) = rows[0]["QUERY PLAN"]

    def types(node: dict[str, Any]) -> set[str]:
        return {node["Node Type"]}.union(*map(types, node.get("Plans", ())))

    return types(plan["Plan"])


def schema(world: PostgresWorld, programs: Path) -> str:
    """Return the dump of the world's schema."""
    command = [str(programs / "pg_dump"), "--schema-only", "--restrict-key=same"]
    written: str = subprocess.run(
        [*command, world.database.url], capture_output=True, text=True, check=True
    ).stdout
    return written
