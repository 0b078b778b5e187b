"""What was archived by the loop answers, is verified against the record, and comes back."""

import re
import shlex
from pathlib import Path

import pytest

from honed.core.verdict import State
from honed.improvement.transition import Move, transition
from honed.kinds.columnstore import DAMAGED_ARCHIVE, ColumnStore
from honed.ledger.log import read_entries
from honed.ledger.statement import unseal
from honed.loop.cycle import Options
from honed.targets.postgres.archives.files import list_archives
from honed.targets.postgres.columnstore.partitions import read_partitions
from honed.targets.postgres.columnstore.steps import archive_steps, drop_steps, read_definition
from honed.testing.commandline import CommandLine
from honed.testing.pets import SHOP, Claim, PetShop

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "archive-cold-partitions.md"

VISITS = (
    (
        "CREATE TABLE visit (visit_id integer, day date NOT NULL, fee numeric)"
        " PARTITION BY RANGE (day)"
    ),
    "CREATE TABLE visit_2024 PARTITION OF visit FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
    "CREATE TABLE visit_2025 PARTITION OF visit FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
    "CREATE INDEX ON visit (visit_id)",
    (
        "INSERT INTO visit SELECT n, date '2024-01-01' + n % 700, n / 8.0"
        " FROM generate_series(1, 7000) n"
    ),
)
ALL_ROWS, ROWS_OF_2024 = 7000, 3660
FREE = Options(dry_run=False, require_approval=False)


def commands() -> list[list[str]]:
    """Return the command lines of the how-to, without `honed`."""
    text = HOWTO.read_text(encoding="utf-8")
    bodies = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[1:] for body in bodies for line in body.splitlines()]


def visits(shop: PetShop) -> int:
    (row,) = shop.production.client.execute("SELECT count(*) AS n FROM visit").fetchall()
    count: int = row["n"]
    return count


@pytest.fixture
def archived(pet_shop: PetShop) -> PetShop:
    """Return a shop of which the loop has archived and dropped a partition, by two improvements."""
    for statement in VISITS:
        pet_shop.production.client.execute(statement.encode())
    target = pet_shop.target
    (partition,) = read_partitions(target)
    apply(pet_shop, Claim("archive", tuple(archive_steps(partition, SHOP))))
    (archive,) = list_archives(pet_shop.settings.archives)
    definition = read_definition(target, "public", "visit_2024")
    apply(pet_shop, Claim("drop", tuple(drop_steps(archive, definition))))
    return pet_shop


def apply(shop: PetShop, claim: Claim) -> None:
    """Apply a claim, and keep it whatever production says."""
    known = len(shop.improvements())
    shop.kind.claims = (claim,)
    shop.read(10)
    shop.ask(FREE)
    shop.work_until(lambda: len(shop.improvements()) > known)
    shop.work_until(lambda: shop.improvements()[-1].state is State.WATCHING)
    number = shop.improvements()[-1].improvement_id
    with shop.store.transaction() as conn:
        transition(conn, shop.parts.signer, number, Move(State.KEPT), fence=None)


def test_the_how_to_does_what_it_says(cli: CommandLine, archived: PetShop) -> None:
    production = archived.production.client
    assert visits(archived) == ALL_ROWS - ROWS_OF_2024
    proposed, listed, asked, counted, verified, record, kept, undo = commands()
    assert "archive" in cli.text(*proposed)
    assert "visit_2024" in cli.text(*listed)
    assert str(ROWS_OF_2024) in cli.text(*asked)
    assert cli.json(*counted[:-1])["rows"] == [[ROWS_OF_2024]]
    assert "every file is what was archived" in cli.text(*verified)
    cli.text(*record)
    assert "drop" in cli.text(*kept)
    cli.text(*undo)
    assert visits(archived) == ALL_ROWS
    (row,) = production.execute("SELECT sum(fee) AS fees FROM visit").fetchall()
    assert row["fees"] == ALL_ROWS * (ALL_ROWS + 1) / 16
    assert list_archives(archived.settings.archives) == []
    assert "nothing is archived" in cli.text("archive", "verify")


def test_what_was_made_is_in_the_record_and_what_was_changed_is_told(
    cli: CommandLine, archived: PetShop
) -> None:
    (archive,) = list_archives(archived.settings.archives)
    key = archived.parts.signer.public_key
    with archived.store.transaction() as conn:
        said = [unseal(each.envelope.encode(), key) for each in read_entries(conn, 0, 10_000)]
    told = [each.detail.get("archive_sha256") for each in said]
    assert archive.sha256 in told
    assert "not one statement" in cli.refusal("archive", "query", SHOP, "DROP VIEW visit")
    # Gone, although nothing has taken it back.
    folder, elsewhere = archive.folder, archived.settings.archives.parent / "elsewhere"
    folder.rename(elsewhere)
    for done in (cli("archive", "verify"), cli("archive", "verify", "--json")):
        assert done.exit_code == 1
        assert "holds no archive" in done.stdout, done.stderr
    (finding,) = ColumnStore().look(archived.target)
    assert (finding.type, finding.subject) == (DAMAGED_ARCHIVE, f"{SHOP}/public.visit_2024")
    elsewhere.rename(folder)
    assert "every file is what was archived" in cli.text("archive", "verify")
    # A whole archive, but not the one that honed has made.
    manifest = archive.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"rows":3660', '"rows":3661'))
    done = cli("archive", "verify")
    assert done.exit_code == 1
    assert "the record knows nothing of this archive" in done.stdout
    archive.paths[0].write_bytes(b"")
    done = cli("archive", "verify", "--json")
    assert done.exit_code == 1
    assert "is not what was archived" in done.stdout
    manifest.write_text("{")
    for done in (cli("archive", "verify"), cli("archive", "verify", "--json")):
        assert done.exit_code == 1
        assert "that can be read" in done.stdout
    assert cli.json("archive", "list") == []
    assert "nothing of other is archived" in cli.refusal("archive", "query", "other", "SELECT 1")
