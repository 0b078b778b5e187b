"""What the how-to about the backlog says to type does what it says."""

import re
import shlex
from pathlib import Path

from honed.storage.db import Database
from honed.testing.commandline import CommandLine

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "work-through-the-backlog.md"
CONSOLE = re.compile(r"^ *```console\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
IN_PSQL = re.compile(r"`(SELECT [^`]+)`")


def test_the_backlog_is_worked_through(
    cli: CommandLine, store: Database, target_id: int, tmp_path: Path
) -> None:
    text = HOWTO.read_text(encoding="utf-8")
    with store.transaction() as conn:
        conn.execute(
            "INSERT INTO honed.finding (target_id, type, subject, title, weight)"
            " VALUES (%s, 'slow_statement', 'q1', 'SELECT takes a fifth of the time', 0.2)",
            (target_id,),
        )
    (tmp_path / "cart.py").write_text("import os\n")
    cli.env["HONED_CODE_PATH"] = str(tmp_path)
    lines = [line.strip() for body in CONSOLE.findall(text) for line in body.splitlines()]
    said = [cli.text(*shlex.split(line)[1:]) for line in lines if line.startswith("honed ")]
    assert "SELECT takes a fifth of the time" in said[1]
    assert "+3  source: performance" in said[2]
    assert [each["event"] for each in cli.json("ticket", "show", "1")["events"]] == [
        "created",
        "edited",
        "rejected",
        "reopened",
        "resolved",
    ]
    titles = [each["title"] for each in cli.json("ticket", "list")]
    assert titles == [
        "cart.py has code that nothing uses: 1 unused names",
        "Search forgets the filter",
    ]


def test_what_psql_is_told_works(cli: CommandLine, store: Database) -> None:
    cli.text("ticket", "add", "slow")
    statements = IN_PSQL.findall(HOWTO.read_text(encoding="utf-8"))
    assert len(statements) == 3
    with store.transaction() as conn:
        for statement in statements:
            conn.execute(statement.encode())
