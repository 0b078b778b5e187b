"""`honed target undo-all`: a target is as it was before honed, or what is left is named."""

import os
import subprocess
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from honed.core.step import Step
from honed.core.verdict import State
from honed.improvement.transition import Move, transition
from honed.loop.cycle import Options
from honed.loop.effects import Direction, effects_of
from honed.storage.server import Server
from honed.testing.commandline import CommandLine
from honed.testing.pets import INDEX_OWNER, STATISTICS, Claim, PetShop

FREE = Options(dry_run=False, require_approval=False)
UNDO = ("target", "undo-all", "pets")
#: Together with the owner's index a set.
INDEX_BOTH = Step(
    description="index the name and the owner",
    do=("CREATE INDEX CONCURRENTLY honed_both ON public.pet (name, owner)",),
    undo=("DROP INDEX CONCURRENTLY IF EXISTS public.honed_both",),
    inspect="SELECT CASE WHEN to_regclass('public.honed_both') IS NULL THEN 'absent'"
    " ELSE 'done' END",
    in_transaction=False,
)
TARGET = Step(
    description="look closer at the owner",
    do=("ALTER TABLE public.pet ALTER owner SET STATISTICS 500",),
    undo=("ALTER TABLE public.pet ALTER owner SET STATISTICS -1",),
)
STORAGE = Step(
    description="vacuum earlier",
    do=("ALTER TABLE public.pet SET (autovacuum_vacuum_scale_factor = 0.02)",),
    undo=("ALTER TABLE public.pet SET (autovacuum_vacuum_scale_factor = 0.5)",),
)
#: Can be done, and not undone while something hangs on it.
STUCK = Step(
    description="make a table that something hangs on",
    do=("CREATE TABLE public.base (n int)",),
    undo=("DROP TABLE public.base",),
    inspect="SELECT CASE WHEN to_regclass('public.base') IS NULL THEN 'absent' ELSE 'done' END",
)


def setting_of(shop: PetShop) -> Step:
    """Return the step that changes a setting of the target's database."""
    database = sql.Identifier(shop.production.client.info.dbname)
    do = sql.SQL("ALTER DATABASE {} SET work_mem = '12MB'").format(database)
    undo = sql.SQL("ALTER DATABASE {} SET work_mem = '5MB'").format(database)
    return Step("more memory", do=(do.as_string(None),), undo=(undo.as_string(None),))


def apply(shop: PetShop, *steps: Step, keep: bool = True) -> int:
    """Apply a claim, and keep it whatever production says; return its number."""
    claim = Claim(f"claim {len(shop.improvements())}", steps)
    shop.kind.claims = (claim,)
    shop.read(10)
    shop.ask(FREE)
    shop.work_until(lambda: bool(shop.improvements()) and newest(shop) == claim.subject)
    shop.work_until(lambda: shop.improvements()[-1].state is State.WATCHING)
    number = shop.improvements()[-1].improvement_id
    if keep:
        with shop.store.transaction() as conn:
            transition(conn, shop.parts.signer, number, Move(State.KEPT), fence=None)
    return number


def newest(shop: PetShop) -> str:
    return shop.improvements()[-1].subject


def state_of(shop: PetShop, server: Server) -> tuple[str, list[object]]:
    """Return the schema as pg_dump writes it, and what it does not write, byte for byte."""
    command = [str(server.program("pg_dump")), "--schema-only", "-d", shop.production.url]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    # The key of a dump is random.
    lines = [line for line in done.stdout.splitlines() if "restrict " not in line]
    rows: list[object] = []
    for query in (
        "SELECT setdatabase, setrole, setconfig::text FROM pg_db_role_setting ORDER BY 1, 2",
        "SELECT oid::regclass::text, reloptions::text FROM pg_class WHERE oid >= 16384 ORDER BY 1",
        "SELECT attrelid::regclass::text, attname, attstattarget FROM pg_attribute ORDER BY 1, 2",
    ):
        rows += [tuple(row.values()) for row in shop.production.client.execute(query.encode())]
    return "\n".join(lines), rows


def undone(shop: PetShop) -> list[str]:
    """Return what was undone, in that order."""
    with shop.store.transaction() as conn:
        found = [e for i in shop.improvements() for e in effects_of(conn, i.improvement_id)]
    undos = [each for each in found if each.direction is Direction.UNDO]
    return [each.step.description for each in sorted(undos, key=lambda each: each.effect_id)]


@pytest.mark.slow
def test_target_is_byte_for_byte_as_before(
    cli: CommandLine, pet_shop: PetShop, postgres_server: Server
) -> None:
    client = pet_shop.production.client
    setting = setting_of(pet_shop)
    client.execute(setting.undo[0].encode())
    client.execute(STORAGE.undo[0].encode())
    before = state_of(pet_shop, postgres_server)
    sets = [(INDEX_OWNER, INDEX_BOTH), (STATISTICS,), (TARGET, STORAGE), (setting,)]
    *kept, last = sets
    numbers = [apply(pet_shop, *steps) for steps in kept]
    numbers.append(apply(pet_shop, *last, keep=False))
    assert state_of(pet_shop, postgres_server) != before
    done = cli(*UNDO, "--yes")
    assert done.exit_code == 0, done.output
    assert state_of(pet_shop, postgres_server) == before
    assert {each.state for each in pet_shop.improvements()} == {State.ROLLED_BACK}
    every = [step.description for steps in sets for step in steps]
    assert undone(pet_shop) == [f"undo: {each}" for each in every[::-1]]
    rows = [line.split() for line in done.stdout.splitlines()]
    shown = [int(row[0]) for row in rows if row[1:2] == ["rolled_back"]]
    assert shown == numbers[::-1]
    assert "nothing of honed's is on pets" in cli.text(*UNDO, "--yes")


@pytest.mark.slow
def test_what_cannot_be_taken_back_is_named_and_holds_up_no_other(
    cli: CommandLine, pet_shop: PetShop
) -> None:
    apply(pet_shop, STATISTICS)
    stuck = apply(pet_shop, STUCK)
    client = pet_shop.production.client
    client.execute("CREATE VIEW guard AS SELECT n FROM base")
    command = replace(cli, env={**cli.env, "HONED_MAX_ATTEMPTS": "1"})
    done = command(*UNDO, "--yes")
    assert done.exit_code == 1
    assert "honed_pet" not in pet_shop.production.objects()
    assert f"improvement {stuck} is still on pets" in done.stderr
    assert "cannot drop table base" in done.stderr
    assert "not everything of honed's on pets could be taken back" in done.stderr
    client.execute("DROP VIEW guard")
    assert cli(*UNDO, "--yes").exit_code == 0
    (row,) = client.execute("SELECT to_regclass('public.base') AS base")
    assert row["base"] is None


@pytest.mark.slow
def test_nothing_is_undone_while_honed_is_stopped(cli: CommandLine, pet_shop: PetShop) -> None:
    apply(pet_shop, STATISTICS)
    cli.text("stop", "--reason", "something is wrong")
    refused = cli(*UNDO, "--yes")
    assert refused.exit_code == 1
    assert "told honed to stop: something is wrong" in refused.stderr
    assert "--start" in refused.stderr
    assert "honed_pet" in pet_shop.production.objects()
    assert cli(*UNDO, "--yes", "--start").exit_code == 0
    assert "honed_pet" not in pet_shop.production.objects()


@pytest.mark.slow
def test_nothing_that_is_approved_begins_any_more(cli: CommandLine, pet_shop: PetShop) -> None:
    pet_shop.configure(max_transaction_s=1e-6)
    pet_shop.read(10)
    with psycopg.connect(pet_shop.production.url) as holder:
        holder.execute("SELECT 1")
        pet_shop.ask(FREE)
        pet_shop.work_until(lambda: any(i.state is State.APPROVED for i in pet_shop.improvements()))
        number = pet_shop.improvement().improvement_id
        assert cli.json(*UNDO, "--yes")["withheld"] == [number]
    pet_shop.work_until(lambda: pet_shop.improvement().state is State.REJECTED)
    assert "honed_pet" not in pet_shop.production.objects()


@pytest.mark.parametrize(("typed", "is_there"), [("n\n", True), ("y\n", False)])
@pytest.mark.slow
def test_a_person_is_asked_on_a_terminal(
    cli: CommandLine,
    pet_shop: PetShop,
    typed: str,
    is_there: bool,  # noqa: FBT001 - a case
) -> None:
    apply(pet_shop, STATISTICS)
    assert "say --yes" in cli.refusal(*UNDO)
    _, said = cli.typed(typed, *UNDO)
    assert "Take everything of honed's on pets back?" in said
    assert ("honed_pet" in pet_shop.production.objects()) is is_there


@pytest.mark.usefixtures("pet_shop")
def test_an_unknown_target_is_refused(cli: CommandLine) -> None:
    assert "ghost" in cli.refusal("target", "undo-all", "ghost", "--yes")
