"""`honed fix`: what is refused and what to do about it, and what an answer makes of a doubt."""

import ast
import re
import shlex
import statistics
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from honed.approval.policy import write_policy
from honed.backlog.draft import Draft
from honed.backlog.store import get, take_in
from honed.backlog.ticket import TicketSource
from honed.core.forge import Proposal
from honed.improvement.record import improvements
from honed.interfaces.cli.withheld import withheld_words
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import NewChange
from honed.targets.repository.requests.forges import limits_of
from honed.testing.commandline import CommandLine
from honed.testing.repositories import Checkout
from honed.testing.repository_worlds import (
    RAISED_ELSEWHERE,
    RepositoryPlan,
    RepositoryWorld,
    make_repository_world,
    raised,
    require_sandbox,
)
from honed.testing.sender import sending
from honed.wiring import PolicyUse, open_app

#: Even counts fail by a quotient that is no whole number; tests know odd ones alone.
EVEN_COUNT = RepositoryPlan(
    {
        "shop/__init__.py": "",
        "shop/rides.py": (
            "def median(minutes: list[int]) -> float:\n"
            "    ordered = sorted(minutes)\n"
            "    half = len(ordered) // 2\n"
            "    if len(ordered) % 2:\n"
            "        return ordered[half]\n"
            "    return (ordered[len(ordered) / 2 - 1] + ordered[half]) / 2\n"
        ),
        "tests/test_rides.py": (
            "from shop.rides import median\n\n\n"
            "def test_one():\n    assert median([7]) == 7\n\n\n"
            "def test_three():\n    assert median([12, 5, 30]) == 12\n"
        ),
    },
    raised=[
        raised(
            "TypeError",
            "list indices must be integers or slices, not float",
            {
                "filename": "shop/rides.py",
                "module": "shop.rides",
                "function": "median",
                "lineno": 6,
                "context_line": "    return (ordered[len(ordered) / 2 - 1] + ordered[half]) / 2",
                "vars": {
                    "minutes": ["12", "30", "9", "41"],
                    "ordered": ["9", "12", "30", "41"],
                    "half": "2",
                },
            },
        )
    ],
)
SEEN = datetime(2026, 1, 1, tzinfo=UTC)
SAMPLE = Draft(
    source=TicketSource.EXCEPTION,
    subject="f" * 32,
    title="TypeError: no index",
    first_seen_at=SEEN,
    last_seen_at=SEEN,
    project="shop",
)


def test_a_ticket_of_no_repository_is_refused_with_what_would_help(
    cli: CommandLine, store: Database
) -> None:
    cli.text("ticket", "add", "A wish of nobody's code")
    refusal = cli.refusal("fix", "--ticket", "1")
    assert "is about no target and no project, so it is for people" in refusal
    assert "`honed ticket resolve 1 --reason ...`" in refusal
    cli.text("ticket", "add", "Search forgets the filter", "--project", "cart")
    refusal = cli.refusal("fix", "--ticket", "2", "--dry-run")
    assert "is about the project cart, which is of no repository" in refusal
    assert "--sort repository --url ... --project cart` adds the one" in refusal
    for name in ("here", "there"):
        record = TargetRecord(name, f"/srv/{name}", "", "repository", {"project": "cart"})
        add_target(store, record)
    refusal = cli.refusal("fix", "--ticket", "2")
    assert "is of several repositories: here, there" in refusal
    assert "`honed target remove NAME`" in refusal


def test_a_ticket_that_is_not_there_is_refused(cli: CommandLine) -> None:
    assert "there is no ticket 7" in cli.refusal("fix", "--ticket", "7")


@pytest.mark.slow
def test_what_was_searched_in_vain_is_said_of_this_ticket_alone(
    cli: CommandLine, store: Database, tmp_path: Path
) -> None:
    require_sandbox()
    checkout = Checkout(tmp_path / "shop")
    files = RAISED_ELSEWHERE.files
    checkout.commit({path: text.encode() for path, text in files.items()})
    url = str(checkout.folder)
    with sending(store) as sender:
        for event in (*RAISED_ELSEWHERE.raised, raised("OSError", "no route")):
            sender.event(**event)
    options = {"tests": ["tests"], "branch": "main", "project": "shop"}
    add_target(store, TargetRecord("shop", url, url, "repository", options))
    cli.text("scan")
    first = cli("fix", "--ticket", "1", "--dry-run")
    second = cli("fix", "--ticket", "2", "--dry-run")
    for done in (first, second, cli("fix", "--ticket", "1", "--dry-run", "--again")):
        assert done.exit_code == 1
        assert done.output.count("searched in vain") == 1
    with store.transaction() as conn:
        rows = conn.execute("SELECT cause FROM honed.code_search").fetchall()
    assert len(rows) == 2


def test_what_is_no_answer_is_refused_with_how_to_say_it(cli: CommandLine) -> None:
    for said, why, hint in (
        (("--returns", "full"), "--returns full: full is no literal", "--returns \"'full'\""),
        (("--returns", "f(1)"), "f(1) is no literal", "needs a test by hand"),
        (("--returns", "1 +"), "it is not Python's", "write it as Python does"),
        (("--raises", "NotSold"), "--raises NotSold: it is no exception", "shop.errors.NotSold"),
        (("--raises", "KeyError", "--returns", "1"), "either returns or raises", "leave out"),
        (("--call", "total([])"), "which call is meant", "add --returns or --raises"),
    ):
        refusal = cli.refusal("fix", "--ticket", "1", *said)
        assert why in refusal
        assert hint in refusal
    assert "there is no ticket 7" in cli.refusal("fix", "--ticket", "7", "--returns", "1")


def test_an_answer_to_what_no_exception_asked_is_refused(
    cli: CommandLine, store: Database, tmp_path: Path
) -> None:
    world = make_repository_world(replace(EVEN_COUNT, raised=()), store, tmp_path)
    cli.text("ticket", "add", "A wish", "--target", world.target.name)
    refusal = cli.refusal("fix", "--ticket", "1", "--returns", "1")
    assert "ticket 1 is about no exception of a repository" in refusal
    assert "write a test" in refusal
    with store.transaction() as conn:
        ticket_id, _ = take_in(conn, SAMPLE, found_by="exceptions")
    for call, why in (("sum_up([1])", "no function sum_up"), ("median(x)", "x is no value")):
        refusal = cli.refusal("fix", "--ticket", str(ticket_id), "--call", call, "--returns", "1")
        assert f"the call {call} cannot be asserted" in refusal
        assert why in refusal
    refusal = cli.refusal("fix", "--ticket", str(ticket_id), "--returns", "1")
    assert "the captured call cannot be made again: no event of it was captured" in refusal
    assert "`--call 'total([1, 2])'`" in refusal
    said = ("--call", "median([1])", "--raises", "shop.prices.NotSold")
    refusal = cli.refusal("fix", "--ticket", str(ticket_id), *said)
    assert "--raises shop.prices.NotSold: " in refusal
    assert cli.json("ticket", "show", str(ticket_id))["answers"] == []


def test_what_keeps_a_ticket_from_being_tried_is_said_with_what_ends_it(
    store: Database, tmp_path: Path
) -> None:
    world = make_repository_world(replace(EVEN_COUNT, raised=()), store, tmp_path)
    target = world.target
    settings = target.settings.model_copy(update={"store_url": store.url})
    with store.transaction() as conn:
        first, second = (
            take_in(conn, replace(SAMPLE, subject=each * 32), found_by="exceptions")[0]
            for each in "ab"
        )
        said = Proposal("improvement/1", "main", "Settle it", "Why.")
        new = NewChange(target.target_id, said, "a", "1" * 64, "2" * 40, "3" * 40, ticket_id=first)
        number = changes.open_change(conn, new, limits_of(settings)).change_id

    def why(ticket_id: int) -> str:
        with open_app(settings, policy=PolicyUse.BEGIN) as app:
            with app.parts.store.transaction() as conn:
                ticket = get(conn, ticket_id)
            return withheld_words(app, target.name, ticket)

    assert why(first) == f"request {number} about it is open: `honed forge show {number}`"
    assert why(second) == ""
    with store.transaction() as conn:
        changes.close(conn, number, "not so")
    asking = f"`honed ticket reopen {first} --reason ...`"
    assert why(first).startswith(f"a person closed request {number} about it: ")
    assert why(first).endswith(asking)
    assert "nothing is proposed to this repository until 20" in why(second)
    assert "(forge_cooldown_hours)" in why(second)
    with store.transaction() as conn:
        conn.execute(b"SELECT honed.reopen_ticket(%s, 'try it again')", (first,))
    assert why(first) == "", "a person has asked for it"


@pytest.mark.slow
def test_an_answer_settles_what_was_in_doubt(store: Database, tmp_path: Path) -> None:
    require_sandbox()
    world = make_repository_world(EVEN_COUNT, store, tmp_path, autonomy="supervised")
    settings = world.target.settings
    with store.transaction() as conn:
        write_policy(conn, settings)
    env = {"HONED_STORE_URL": store.url, "HONED_HOME": str(settings.home)}
    cli = CommandLine({**env, "HONED_AUTONOMY": "supervised"})
    cli.text("scan")
    done = cli("fix", "--ticket", "1")
    assert done.exit_code == 1, cli.text("improvement", "show", "1")
    # What is printed is typed, with what is right in the place of VALUE.
    (line,) = re.findall(r"`honed (fix --ticket 1 --call .+ --returns) VALUE`", done.stdout)
    assert line in cli.text("improvement", "show", "1")
    asked = shlex.split(line)
    minutes = ast.literal_eval(asked[4].removeprefix("median(").removesuffix(")"))
    assert f"What is right: median({minutes})?" in done.stdout
    right = statistics.median(minutes)
    done = cli(*asked, str(right))
    assert done.exit_code == 0, done.output
    said = f"shop.rides.median(minutes={minutes})"
    assert f"ticket 1: {said} returns {right}" in done.stderr
    with store.transaction() as conn:
        digest = improvements(conn)[0].digest
    cli.text("improvement", "approve", "2", "--digest", digest)
    cli.text("cycle", "shop", "--apply")

    test, code = published(world)
    assert f"    assert median(minutes={minutes}) == " in test
    assert "// 2 - 1" in code
    assert f"{said}\treturns {right}" in cli.text("ticket", "show", "1")


def published(world: RepositoryWorld) -> tuple[str, str]:
    """Return the test and the code of the only branch that is proposed."""
    (branch,) = world.branches() - {"main"}
    files = world.checkout.git("diff", "--name-only", "main", branch).split()
    (test,) = (each for each in files if each.startswith("tests/"))
    show = partial(world.checkout.git, "show")
    return show(f"{branch}:{test}"), show(f"{branch}:shop/rides.py")
