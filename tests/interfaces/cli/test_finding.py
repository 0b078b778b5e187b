"""`honed finding`: what was seen, how often, and what was claimed because of it."""

import pytest

from honed.storage.db import Database
from honed.testing.commandline import CommandLine


@pytest.fixture
def finding_ids(store: Database, target_id: int) -> list[int]:
    """Return the ids of an open finding, a heavier open one, and one that is gone."""
    with store.transaction() as conn:
        rows = conn.execute(
            """
            INSERT INTO honed.finding (target_id, type, subject, title, evidence, weight, closed_at)
            VALUES (%(target_id)s, 'stale_statistics', 'part', 'part was never analyzed',
                    '{"rows": 7}', 0.1, NULL),
                   (%(target_id)s, 'slow_statement', 'q1', 'SELECT takes half of the time',
                    '{"calls": 3}', 0.5, NULL),
                   (%(target_id)s, 'slow_statement', 'q2', 'gone by now', '{}', 0.9, honed.now())
            RETURNING finding_id
            """,
            {"target_id": target_id},
        ).fetchall()
    return [row["finding_id"] for row in rows]


def test_open_findings_are_listed_heaviest_first(cli: CommandLine, finding_ids: list[int]) -> None:
    light, heavy, gone = finding_ids
    assert [each["finding_id"] for each in cli.json("finding", "list")] == [heavy, light]
    everything = cli.json("finding", "list", "--all")
    assert [each["finding_id"] for each in everything] == [heavy, light, gone]
    assert len(cli.json("finding", "list", "--limit", "1")) == 1
    assert cli.json("finding", "list", "--target", "another") == []
    assert "50.0 %" in cli.text("finding", "list", "--target", "shop")


@pytest.mark.usefixtures("finding_ids")
def test_a_narrow_terminal_has_room_for_the_title(cli: CommandLine, store: Database) -> None:
    title = "60% of the time goes into: SELECT state, count(*) FROM orders WHERE customer = $1"
    with store.transaction() as conn:
        conn.execute("UPDATE honed.finding SET title = %s", (title,))
    _, said = cli.typed("", "finding", "list", columns=80)
    titles, first, *more = said.splitlines()
    assert titles.split() == ["id", "target", "type", "share", "title"]
    start = titles.index("title")
    assert " ".join(line[start:].strip() for line in (first, *more)).startswith(title)


def test_a_finding_is_shown_with_its_evidence(cli: CommandLine, finding_ids: list[int]) -> None:
    shown = cli.json("finding", "show", str(finding_ids[0]))
    assert shown["evidence"] == {"rows": 7}
    text = cli.text("finding", "show", str(finding_ids[0]))
    assert "part was never analyzed" in text
    assert '"rows": 7' in text


def test_a_finding_that_is_not_there_is_refused(cli: CommandLine) -> None:
    refusal = cli.refusal("finding", "show", "7")
    assert refusal == "there is no finding 7 | `honed finding list` shows them"


def test_without_a_finding_the_list_says_what_to_do(cli: CommandLine) -> None:
    assert "`honed cycle` looks now" in cli.text("finding", "list")
