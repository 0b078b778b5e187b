"""What the how-tos say to type does what they say."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from honed.config import Settings
from honed.core.verdict import State
from honed.jobs.delivery import JobContext
from honed.ledger.keys import Signer
from honed.loop.cycle import Options
from honed.storage.db import Database
from honed.testing.commandline import CommandLine
from honed.testing.desk import Desk, Probe
from honed.testing.improvements import Improvements
from honed.testing.pets import SHOP, PetShop

FOLDER = Path(__file__).parents[2] / "docs" / "howto"
FENCED = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
#: The digest in the documents: an example that names nothing.
DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


def blocks(name: str, language: str) -> list[str]:
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    return [body for found, body in FENCED.findall(text) if found == language]


def commands(name: str) -> list[list[str]]:
    """Return the command lines of a how-to, without `honed`."""
    lines = [line.strip() for body in blocks(name, "console") for line in body.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("honed ")]


@pytest.fixture
def signer(honed_home: Path) -> Signer:
    return Signer.load_or_create(Settings(home=honed_home).key_file)


@pytest.fixture
def alice(store: Database) -> Iterator[str]:
    """Return the URL of a login called alice, who is not there yet."""
    yield store.url.replace("postgres@", "alice@")
    with psycopg.connect(store.url, autocommit=True) as conn:
        conn.execute("DROP ROLE alice")


def test_a_change_is_approved_from_psql(
    cli: CommandLine, store: Database, improvements: Improvements, alice: str
) -> None:
    waiting = improvements.create(State.AWAITING_APPROVAL)
    assert waiting.improvement_id == 1
    grant, *statements = blocks("approve-from-psql", "sql")
    with psycopg.connect(store.url, autocommit=True) as conn:
        conn.execute(grant)
    with psycopg.connect(alice, autocommit=True) as conn:
        seen, approved, state = (
            conn.execute(DIGEST.sub(waiting.digest, statement)).fetchall()
            for statement in statements
        )
    assert seen[0][-1] == waiting.digest
    assert len(approved) == 1
    assert state[0][:3] == ("awaiting_approval", "approved", "alice")
    assert cli.json("improvement", "show", "1")["decisions"][0]["decided_by"] == "alice"


def test_a_change_is_decided_on_the_command_line(
    cli: CommandLine, improvements: Improvements
) -> None:
    waiting = improvements.create(State.AWAITING_APPROVAL)
    _, show, approve, reject, rollback = commands("approve-from-psql")
    assert waiting.digest in cli.text(*show)
    cli.text(*(DIGEST.sub(waiting.digest, word) for word in approve))
    cli.text(*reject)
    assert "nothing of improvement 1 is applied" in cli.refusal(*rollback)


def test_dead_letters_are_settled(cli: CommandLine, desk: Desk) -> None:
    def fail(_context: JobContext, _message: Probe) -> None:
        raise OSError

    desk.on_probe = fail
    desk.send(Probe(number=1), Probe(number=2))
    for _ in range(desk.settings.max_attempts):
        desk.work()
        desk.make_due()
    for command in commands("settle-a-dead-letter"):
        cli.text(*command)
    settled = {each["dead_letter_id"]: each["resolution"] for each in cli.json(
        "deadletter", "list", "--all"
    )}  # fmt: skip
    assert settled == {1: "replayed", 2: "discarded"}


@pytest.mark.slow
def test_everything_is_undone(cli: CommandLine, pet_shop: PetShop) -> None:
    before = pet_shop.production.objects()
    pet_shop.turn(Options(dry_run=False, require_approval=False))
    assert pet_shop.production.objects() != before
    undo, stop, show, apply, undo_and_start, listed = (
        [SHOP if word == "shop" else word for word in command]
        for command in commands("undo-everything")
    )
    cli.text(*stop)
    assert [each["improvement_id"] for each in cli.json(*show)] == [1]
    cli.env["HONED_AUTONOMY"] = "observe"
    cli.text(*apply)
    cli.text(*undo_and_start)
    assert [each["improvement_id"] for each in cli.json(*listed)] == [1]
    assert pet_shop.production.objects() == before
    assert "nothing of honed's is on pets" in cli.text(*undo, "--yes")


def test_everything_is_asked_to_be_undone_from_psql(
    store: Database, improvements: Improvements
) -> None:
    applied = [improvements.create(state).improvement_id for state in (State.KEPT, State.WATCHING)]
    improvements.create(State.REFUTED)
    (statement,) = blocks("undo-everything", "sql")
    with psycopg.connect(store.url, autocommit=True) as conn:
        asked = [row[0] for row in conn.execute(statement.encode())]
    assert asked == applied[::-1]


def test_the_record_is_verified(
    cli: CommandLine, improvements: Improvements, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    improvements.create(State.KEPT)
    cli.env["HONED_CHECKPOINT_FILE"] = str(tmp_path / "checkpoints")
    monkeypatch.chdir(tmp_path)
    for command in commands("verify-the-record"):
        cli.text(*command)
    assert (tmp_path / "entry.json").exists()
    assert cli.json("verify")["checkpoints"] == 1


def test_a_writer_is_registered(cli: CommandLine, empty_database: Callable[[], str]) -> None:
    url = empty_database()
    cli.json("target", "add", "shop", "--url", url)
    *_, add, listed = commands("tune-a-writer")
    (question,) = blocks("tune-a-writer", "sql")
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE TABLE orders (order_id integer)")
        conn.execute(cli.text(*add).encode())
        assert conn.execute(question.encode()).fetchall() == [(100,)]
    assert "public.orders" in cli.text(*listed)
