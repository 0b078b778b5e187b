"""`honed ledger` and `honed verify`: read, proven, exported, and found out when tampered with."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg import sql

from honed.config import Settings
from honed.core.canonical import digest
from honed.core.verdict import State
from honed.ledger.bundle import verify_bundle
from honed.ledger.keys import PublicKey, Signer
from honed.storage.db import Connection, Database
from honed.testing.commandline import CommandLine
from honed.testing.improvements import Improvements


@pytest.fixture
def signer(honed_home: Path) -> Signer:
    """Return the key in the test's home, which signs what the fixtures make."""
    return Signer.load_or_create(Settings(home=honed_home).key_file)


@pytest.fixture
def entries(improvements: Improvements) -> int:
    """Return how many entries an improvement that was kept has left in the record."""
    kept = improvements.create(State.KEPT)
    with improvements.store.transaction() as conn:
        (row,) = conn.execute("SELECT size FROM honed.log_head")
    assert kept.state is State.KEPT
    return int(row["size"])


@contextmanager
def tampering(store: Database) -> Iterator[Connection]:
    """Hand out a transaction of a superuser who has turned off what refuses changes."""
    with store.transaction() as conn:
        for table in ("log_entry", "log_node", "log_parent", "log_head"):
            conn.execute(
                sql.SQL("ALTER TABLE honed.{} DISABLE TRIGGER ALL").format(sql.Identifier(table))
            )
        yield conn


def test_an_untouched_record_verifies(cli: CommandLine, entries: int, tmp_path: Path) -> None:
    report = cli.json("verify")
    assert (report["size"], report["checkpoints"]) == (entries, 0)
    assert f"as it was signed: {entries} entries" in cli.text("verify")
    assert "no checkpoint covers them" in cli("verify").stderr
    file = str(tmp_path / "checkpoints")
    assert cli.json("ledger", "checkpoint", "--file", file)["size"] == entries
    assert cli.json("verify", "--checkpoints", file)["covered"] == entries
    assert "no checkpoint" not in cli("verify", "--checkpoints", file).stderr


def test_a_checkpoint_is_kept_in_the_home_unless_told_otherwise(
    cli: CommandLine, entries: int, honed_home: Path, tmp_path: Path
) -> None:
    cli.text("ledger", "checkpoint")
    assert (honed_home / "ledger.checkpoints").is_file()
    assert cli.json("verify")["covered"] == entries
    cli.env["HONED_CHECKPOINT_FILE"] = str(tmp_path / "elsewhere")
    assert cli.json("verify")["covered"] == 0
    cli.text("ledger", "checkpoint")
    assert (tmp_path / "elsewhere").is_file()


def test_checkpoints_that_are_not_there_are_missed(
    cli: CommandLine, improvements: Improvements, tmp_path: Path
) -> None:
    past = replace(improvements.store, fake_now=datetime.now(UTC) - timedelta(hours=2))
    replace(improvements, store=past).create(State.KEPT)
    assert "holds no checkpoints" in cli.refusal("verify")
    cli.text("ledger", "checkpoint")
    assert "as it was signed" in cli.text("verify")
    cli.env["HONED_CHECKPOINT_FILE"] = str(tmp_path / "mistyped")
    assert "mistyped holds no checkpoints" in cli.refusal("verify")
    assert cli("verify").exit_code == 3


def test_whoever_has_the_public_key_alone_is_told_that_there_are_no_checkpoints(
    cli: CommandLine, improvements: Improvements, tmp_path: Path
) -> None:
    past = replace(improvements.store, fake_now=datetime.now(UTC) - timedelta(hours=2))
    replace(improvements, store=past).create(State.KEPT)
    pem = tmp_path / "key.pem"
    pem.write_text(cli.text("ledger", "key"))
    cli.env["HONED_HOME"] = str(tmp_path / "elsewhere")
    assert "no checkpoint covers them" in cli("verify", "--public-key", str(pem)).stderr
    assert cli("verify", "--public-key", str(pem)).exit_code == 0


def test_a_changed_entry_is_named_and_the_exit_code_is_3(
    cli: CommandLine, store: Database, entries: int
) -> None:
    assert entries > 2
    with tampering(store) as conn:
        conn.execute("UPDATE honed.log_entry SET event = 'refuted' WHERE leaf_index = 2")
    done = cli("verify")
    assert done.exit_code == 3
    assert "entry 2" in done.stderr
    assert "entry 2" in cli.refusal("verify")


def test_entries_that_are_cut_off_are_missed(
    cli: CommandLine, store: Database, entries: int, tmp_path: Path
) -> None:
    file = str(tmp_path / "checkpoints")
    cli.text("ledger", "checkpoint", "--file", file)
    with tampering(store) as conn:
        conn.execute("TRUNCATE honed.log_entry, honed.log_node, honed.log_parent")
        conn.execute("UPDATE honed.log_head SET size = 0, frontier = '{}'")
    assert cli("verify").exit_code == 0
    refusal = cli.refusal("verify", "--checkpoints", file)
    assert f"0 entries, but {entries} were signed" in refusal


def test_entries_are_listed_shown_and_followed(cli: CommandLine, entries: int) -> None:
    listed = cli.json("ledger", "list", "--limit", "2")
    assert [each["index"] for each in listed] == [entries - 2, entries - 1]
    assert listed[-1]["event"] == "kept"
    assert listed[-1]["leaf_hash"] in cli.text("ledger", "list")
    assert cli.json("ledger", "show", "0")["event"] == "proposed"
    assert "improvement_id" in cli.text("ledger", "show", "0")
    lineage = cli.json("ledger", "graph", str(entries - 1))
    assert {each["index"] for each in lineage["entries"]} >= {0, entries - 1}
    assert "proposed" in cli.text("ledger", "graph", str(entries - 1))
    assert "kept" in cli.text("ledger", "graph", "0", "--descendants")


def test_the_list_names_the_improvement(cli: CommandLine, improvements: Improvements) -> None:
    tried = [improvements.create(State.PROPOSED) for _ in range(2)]
    about = [line.split("\t")[3] for line in cli.text("ledger", "list").splitlines()]
    assert about == [
        "about",
        *(f"improvement {each.improvement_id} (index_optimization)" for each in tried),
    ]


def test_a_record_that_is_not_begun_is_empty(cli: CommandLine) -> None:
    assert cli.text("verify") == "the record is empty\n"
    assert cli.json("verify")["size"] == 0
    assert "the record is empty" in cli.text("ledger", "list")
    assert "the ledger has no entry 0" in cli.refusal("ledger", "show", "0")


def test_an_exported_entry_is_proven_without_a_database(
    cli: CommandLine, entries: int, tmp_path: Path
) -> None:
    file = tmp_path / "entry.json"
    last = str(entries - 1)
    assert f"wrote entry {last}" in cli("ledger", "export", last, "--output", str(file)).stderr
    public_key = PublicKey.from_pem(cli.text("ledger", "key"))
    assert verify_bundle(json.loads(file.read_text()), public_key).event == "kept"
    assert verify_bundle(cli.json("ledger", "export", "0"), public_key).event == "proposed"


def test_the_public_key_is_enough_to_verify(cli: CommandLine, entries: int, tmp_path: Path) -> None:
    pem = tmp_path / "key.pem"
    pem.write_text(cli.text("ledger", "key"))
    cli.env["HONED_HOME"] = str(tmp_path / "elsewhere")
    assert "honed makes it when it first runs" in cli.refusal("verify")
    assert cli.json("verify", "--public-key", str(pem))["size"] == entries
    pem.write_text(Signer.generate().public_key.to_pem())
    assert cli("verify", "--public-key", str(pem)).exit_code == 3


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize("command", ["show", "graph", "export"])
def test_an_unknown_entry_is_a_wrong_command(cli: CommandLine, command: str) -> None:
    assert cli("ledger", command, "4711").exit_code == 2


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ledger", "show", "4711"), "the ledger has no entry 4711"),
        (("ledger", "graph", "4711"), "the ledger has no entry 4711"),
        (("ledger", "export", "4711"), "the ledger has no entry 4711"),
        (("ledger", "show", "--", "-1"), "is not in the range"),
        (("ledger", "checkpoint", "--file", "/proc/here"), "set checkpoint_file"),
        (("ledger", "checkpoint", "--file", "/no/such/folder"), "No such file or directory"),
        (("verify", "--checkpoints", "/nowhere"), "does not exist"),
        (("verify", "--public-key", "/nowhere"), "cannot be read"),
        (("ledger", "export", "0", "--output", "/nowhere/entry"), "cannot be written"),
    ],
)
def test_what_cannot_be_is_refused(
    cli: CommandLine, arguments: tuple[str, ...], words: str
) -> None:
    assert words in cli.refusal(*arguments)


def test_what_a_commit_claims_is_found_by_its_digest(
    cli: CommandLine, improvements: Improvements
) -> None:
    kept, other = (improvements.create(State.KEPT) for _ in range(2))
    assert other.state is State.KEPT
    claim = digest(kept.hypothesis.to_json())
    found = cli.json("ledger", "list", "--about", claim)
    assert [each["event"] for each in found][:2] == ["proposed", "trial_started"]
    assert {each["subject"]["hypothesis"] for each in found} == {claim}
    newest = cli.json("ledger", "list", "--about", claim.upper(), "--limit", "1")
    assert newest == found[-1:]
    assert cli.json("ledger", "list", "--about", "f" * 64) == []
