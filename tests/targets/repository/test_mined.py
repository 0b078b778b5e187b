"""What people changed twice is tried in the next search, in any repository, and tells no code."""

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from honed.core.canonical import canonical_json
from honed.errors import NotAllowed
from honed.kinds.fix_failing_test import FixFailingTest
from honed.repair.mining.pattern import name_of
from honed.repair.suite import Budget
from honed.storage.db import Database
from honed.targets.repository.evidence.mined import patterns
from honed.targets.repository.evidence.searches import Vain
from honed.targets.repository.search_again import search_again
from honed.targets.repository.source import Source
from honed.testing.repository_worlds import (
    RepositoryPlan,
    RepositoryWorld,
    make_repository_world,
    require_sandbox,
)

PAGES = "def pages(lines, height):\n    return round(lines / height)\n"
BOXES = "def boxes(stock):\n    count = round(stock.pieces() / stock.size)\n    return count\n"
UP = "-(-lines // height)"
PATTERN = "round($0 / $1) -> -(-$0 // $1)"


@pytest.fixture
def world(store: Database, tmp_path: Path) -> RepositoryWorld:
    files = {"shop/pages.py": PAGES, "shop/boxes.py": BOXES, "shop/row.py": "a = b[1:]\n"}
    return make_repository_world(RepositoryPlan(files), store, tmp_path)


def commit(world: RepositoryWorld, message: str, files: Mapping[str, str]) -> str:
    """Commit files with a message."""
    world.checkout.commit({path: text.encode() for path, text in files.items()})
    world.checkout.git("commit", "--quiet", "--amend", "--allow-empty", "-m", message)
    return world.checkout.git("rev-parse", "HEAD")


def repair_pages(world: RepositoryWorld, message: str = "Fix the pages") -> str:
    text = PAGES.replace("round(lines / height)", "-(-lines // height)")
    return commit(world, message, {"shop/pages.py": text})


def repair_boxes(world: RepositoryWorld, message: str = "Correct the boxes") -> str:
    text = BOXES.replace("round(stock.pieces() / stock.size)", "-(-stock.pieces() // stock.size)")
    return commit(world, message, {"shop/boxes.py": text})


def learned(world: RepositoryWorld) -> tuple[str, ...]:
    """Return the patterns of use once honed has looked at the branch."""
    head = world.target.shape().commit
    world.target._learned(head)
    return patterns(world.store)


def support(world: RepositoryWorld) -> list[dict[str, Any]]:
    with replace(world.store, role="honed_viewer").transaction() as conn:
        return conn.execute(
            "SELECT * FROM honed.mined_template_support ORDER BY pattern"
        ).fetchall()


def test_two_commits_make_a_template_and_one_does_not(world: RepositoryWorld) -> None:
    assert learned(world) == ()
    repair_pages(world)
    assert learned(world) == ()
    (row,) = support(world)
    assert (row["pattern"], row["commits"], row["is_supported"]) == (PATTERN, 1, False)
    repair_boxes(world)
    assert learned(world) == (PATTERN,)
    # One of them calls what is divided: that is more special, and nobody else did it.
    (row, other) = support(world)
    assert (other["commits"], other["is_supported"]) == (1, False)
    assert (row["name"], row["commits"], row["improvements"], row["repositories"]) == (
        name_of(PATTERN),
        2,
        0,
        1,
    )
    bench = world.target.bench(Budget(seconds=1.0))
    assert bench.patterns == (PATTERN,)


def test_each_commit_is_read_once(world: RepositoryWorld) -> None:
    repair_pages(world)
    learned(world)
    with world.store.transaction() as conn:
        before = conn.execute("SELECT * FROM honed.mined_history").fetchall()
    learned(world)
    with world.store.transaction() as conn:
        conn.execute("UPDATE honed.mined_history SET engine = 'another'")
    learned(world)
    (row,) = support(world)
    assert row["commits"] == 1, "what reads it is another, the commit is not"
    with world.store.transaction() as conn:
        after = conn.execute("SELECT * FROM honed.mined_history").fetchall()
    assert [each["commit"] for each in after] == [each["commit"] for each in before]


def test_only_small_repairs_of_sources_count(world: RepositoryWorld) -> None:
    repair_pages(world, "Round otherwise")
    commit(world, "Fix a test", {"tests/test_pages.py": PAGES})
    commit(world, "Fix a test", {"tests/test_pages.py": PAGES.replace("round(", "(1 + ")})
    longer = BOXES + "".join(f"a{number} = {number}\n" for number in range(13))
    commit(world, "Fix much", {"shop/boxes.py": longer.replace("round(", "(1 + ")})
    commit(world, "Fix\n\nHoned-Claim: x", {"shop/row.py": "a = b\n"})
    undone = commit(world, "Fix what is no fault", {"shop/row.py": "a = b[0:]\n"})
    commit(world, f"Fix\n\nThis reverts commit {undone}.", {"shop/row.py": "a = b\n"})
    assert learned(world) == ()
    assert support(world) == []


def test_a_change_with_its_test_counts_whatever_it_is_called(world: RepositoryWorld) -> None:
    text = PAGES.replace("round(lines / height)", UP)
    commit(world, "Round up", {"shop/pages.py": text, "tests/test_pages.py": "# One more.\n"})
    learned(world)
    assert [row["pattern"] for row in support(world)] == [PATTERN]


def test_what_was_copied_from_another_branch_is_no_second_opinion(world: RepositoryWorld) -> None:
    world.checkout.git("checkout", "--quiet", "-b", "old")
    made = repair_pages(world)
    world.checkout.git("checkout", "--quiet", "main")
    commit(world, "Note", {"note.txt": "x"})
    world.checkout.git("cherry-pick", "--allow-empty", made)
    world.checkout.git("merge", "--quiet", "-m", "Fix: merge", "old")
    assert learned(world) == ()
    (row,) = support(world)
    assert (row["commits"], row["is_supported"]) == (1, False)


def test_what_two_repositories_did_serves_both(
    world: RepositoryWorld, store: Database, tmp_path: Path
) -> None:
    repair_pages(world)
    learned(world)
    plan = RepositoryPlan({"depot/boxes.py": BOXES})
    with store.transaction() as conn:
        conn.execute("UPDATE honed.target SET name = 'first'")
    (tmp_path / "other").mkdir()
    other = make_repository_world(plan, store, tmp_path / "other")
    text = BOXES.replace("round(stock.pieces() / stock.size)", "-(-stock.pieces() // stock.size)")
    commit(other, "Fix", {"depot/boxes.py": text})
    assert learned(other) == learned(world) == (PATTERN,)
    assert [(row["pattern"], row["repositories"]) for row in support(world)] == [
        (PATTERN, 2),
        ("round($0() / $1) -> -(-$0() // $1)", 1),
    ]
    with store.transaction() as conn:
        kept = conn.execute("SELECT * FROM honed.mined_template").fetchall()
    said = json.dumps(kept, default=str)
    assert not any(word in said for word in ("stock", "pieces", "height", "lines", "shop", "depot"))


def test_what_changes_have_in_common_counts_for_all_of_them(world: RepositoryWorld) -> None:
    files = {"shop/a.py": "x = len(rows) - 1\n", "shop/b.py": "y = (left + right) - 1\n"}
    commit(world, "Begin", files)
    commit(world, "Fix", {"shop/a.py": "x = len(rows)\n"})
    commit(world, "Fix", {"shop/b.py": "y = (left + right)\n"})
    assert learned(world) == ("$0 - 1 -> $0",)
    assert [row["pattern"] for row in support(world)] == [
        "$0 + $1 - 1 -> $0 + $1",
        "$0 - 1 -> $0",
        "len($0) - 1 -> len($0)",
    ]


def test_two_that_learn_the_same_at_once_wait_for_each_other_one_way(
    world: RepositoryWorld, store: Database
) -> None:
    commit(world, "Begin", {"shop/a.py": "x = len(rows) - 1\n"})
    repair_pages(world)
    commit(world, "Fix", {"shop/a.py": "x = len(rows)\n"})
    both = ["len($0) - 1 -> len($0)", PATTERN]
    keep = "INSERT INTO honed.mined_template (pattern, digest) VALUES (%s, repeat(%s, 64))"
    with ThreadPoolExecutor(1) as pool, store.transaction() as other:
        other.execute(keep, (both[0], "a"))
        learning = pool.submit(learned, world)
        wait_for_lock(store)
        other.execute(f"{keep} ON CONFLICT DO NOTHING", (both[1], "b"))
    assert learning.result() == ()
    assert [row["pattern"] for row in support(world)] == both


def wait_for_lock(store: Database) -> None:
    """Wait until another session of this store waits for a lock."""
    until = time.monotonic() + 30
    with store.connect(autocommit=True) as conn:
        while time.monotonic() < until:
            waits = "wait_event_type = 'Lock' AND datname = current_database()"
            if conn.execute(f"SELECT FROM pg_stat_activity WHERE {waits}").fetchone() is not None:
                return
    pytest.fail("nobody waits for a lock")


def improvement(store: Database, world: RepositoryWorld, merge: str, state: str = "kept") -> int:
    """Store a change of honed's own that was let in by ``merge``."""
    change = {"purpose": "repair", "files": [{"path": "shop/row.py"}, {"path": "tests/t.py"}]}
    with store.transaction() as conn:
        (made,) = conn.execute(
            "INSERT INTO honed.improvement (target_id, kind, subject, state, hypothesis, priority,"
            " risk) VALUES (%s, 'fix_failing_test', 'x', %s, %s, 3, 4) RETURNING improvement_id",
            (world.target.target_id, state, json.dumps({"parameters": {"change": change}})),
        )
        conn.execute(
            "INSERT INTO honed.change_request (target_id, improvement_id, root_cause,"
            " patch_digest, branch, base_branch, base_commit, head_commit, title, body, lane,"
            " forge, state, closed_by_person, merge_commit, ended_at) VALUES (%s, %s, 'x',"
            " repeat('0', 64), 'improvement/x', 'main', repeat('0', 40), %s, 'x', '',"
            " 'review', 'local', 'merged', false, %s, honed.now())",
            (world.target.target_id, made["improvement_id"], "1" * 40, merge),
        )
    made_id: int = made["improvement_id"]
    return made_id


def test_a_change_that_was_let_in_counts_alone_once_it_is_kept(
    store: Database, world: RepositoryWorld
) -> None:
    # Honed proposed another edit; a person let this one in.
    merge = commit(world, "Fix the row", {"shop/row.py": "a = b[1:] if b else b\n"})
    made = improvement(store, world, merge, "watching")
    assert learned(world) == ()
    assert support(world) == [], "it is no commit of somebody else"
    with store.transaction() as conn:
        conn.execute("UPDATE honed.improvement SET state = 'kept'")
    pattern = "$0[1:] -> $0[1:] if $0 else $0"
    assert learned(world) == learned(world) == (pattern,), "though the branch has not moved"
    (row,) = support(world)
    assert (row["commits"], row["improvements"]) == (0, 1)
    with store.transaction() as conn:
        conn.execute(
            "UPDATE honed.improvement SET state = 'rolled_back' WHERE improvement_id = %s", [made]
        )
    assert learned(world) == (), "it was taken back"


def test_what_was_learned_is_only_ever_added_to(world: RepositoryWorld, store: Database) -> None:
    repair_pages(world)
    learned(world)
    for table in ("mined_source", "mined_template", "mined_template_source"):
        for who in (world.store, store):
            with pytest.raises(NotAllowed), who.transaction() as conn:
                conn.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("honed", table)))


def test_new_patterns_let_a_vain_search_be_made_again(world: RepositoryWorld) -> None:
    head = repair_pages(world)
    learned(world)
    world.target.searches.remember("fix_failing_test", "cause", head, Vain("nothing"))
    assert world.target.searches.was_made("fix_failing_test", "cause", head)
    repair_boxes(world)
    learned(world)
    assert not world.target.searches.was_made("fix_failing_test", "cause", head)


_TWO_FAULTS = {
    "shop/__init__.py": "",
    "shop/pages.py": PAGES,
    "shop/boxes.py": BOXES,
    "shop/least.py": "def least(one, other):\n    return one if one > other else other\n",
    "shop/words.py": "def words(count):\n    return 'x'\n",
    "tests/test_two.py": (
        "from shop.least import least\nfrom shop.words import words\n\n\n"
        "def test_less():\n    assert least(1, 2) == 1\n\n\n"
        "def test_more():\n    assert least(2, 1) == 1\n\n\n"
        "def test_same():\n    assert least(2, 2) == 2\n\n\n"
        "def test_words():\n    assert (words(1), words(7)) == ('a pen', 'seven pens')\n"
    ),
}


@pytest.mark.slow
def test_a_search_stays_one_without_the_patterns_that_are_learned_meanwhile(
    store: Database, tmp_path: Path
) -> None:
    require_sandbox()
    world = make_repository_world(RepositoryPlan(_TWO_FAULTS), store, tmp_path, seed=1)
    kind, head = FixFailingTest(), world.target.shape().commit
    claims = kind.propose(world.findings(), world.target)
    assert next(claims).parameters["change"]["files"][0]["path"] == "shop/least.py"  # type: ignore[call-overload, index]  # as it is packed
    repair_pages(world)
    repair_boxes(world)
    assert learned(world) == (PATTERN,)
    assert list(claims) == []

    (vain,) = world.target.searches.on(head)
    assert "test_words" in vain.cause
    assert not world.target.searches.was_made(kind.name, vain.cause, head), "not with the pattern"


TRIPS = """def trips(parcels, van):
    # Whatever is left needs one more.
    return round(len(parcels) / van.room)
"""
_TESTS = """import pytest
from types import SimpleNamespace

from shop.trips import trips


@pytest.mark.parametrize(
    ("count", "room", "wanted"),
    [(1, 3, 1), (3, 2, 2), (4, 3, 2), (10, 4, 3), (9, 3, 3), (0, 5, 0), (7, 7, 1), (100, 30, 4)],
)
def test_trips(count, room, wanted):
    assert trips([None] * count, SimpleNamespace(room=room)) == wanted
"""


@pytest.mark.slow
def test_a_fault_that_only_a_mined_template_repairs(store: Database, tmp_path: Path) -> None:
    require_sandbox()
    files = {
        "shop/__init__.py": "",
        "shop/pages.py": PAGES,
        "shop/boxes.py": BOXES,
        "shop/trips.py": TRIPS,
        "tests/test_trips.py": _TESTS,
    }
    world = make_repository_world(RepositoryPlan(files), store, tmp_path, seed=1)
    kind = FixFailingTest()
    assert list(kind.propose(world.findings(), world.target)) == [], "no built-in template does"

    repair_pages(world)
    repair_boxes(world)
    (claim,) = kind.propose(world.findings(), world.target)

    said: dict[str, Any] = json.loads(canonical_json(claim.parameters))
    assert (said["proposer"], said["template"]) == ("template_repair", name_of(PATTERN))
    assert f"Found by the mined template `{PATTERN}`." in said["change"]["message"]
    (file,) = said["change"]["files"]
    assert file["edits"] == [[2, 3, "    return -(-len(parcels) // van.room)\n"]]
    assert said["search"]["patterns"] == [PATTERN]

    source = Source(world.target.record, world.target.settings)
    found = search_again(said, source)
    assert (found.is_same, found.is_judged) == (True, True), found.words
    said["search"]["patterns"] = []
    assert not search_again(said, source).is_same, "the recipe has what it was found by"
