"""What is learned from changes: which templates are worth it, and where the same bug is."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from honed.core.change import CodeChange, FileChange
from honed.core.finding import SAME_BUG
from honed.repair.suite import Budget
from honed.storage.db import Database
from honed.targets.repository.evidence.priors import template_priors
from honed.targets.repository.evidence.same_bug import known_bugs, remember, same_bugs
from honed.testing.repository_worlds import RepositoryPlan, RepositoryWorld, make_repository_world

#: Each leaves out its first item; the second has other names, the third is another function.
CART = """def total(prices, rate):
    cents = 0
    for price in prices[1:]:
        if price < 0:
            continue
        cents += price
    return cents * rate
"""
ALIKE = """LIMIT = 3


def weight(parcels, factor):
    # Another comment.
    grams = 0
    for parcel in parcels[1:]:
        if parcel < 0:
            continue
        grams += parcel
    return grams * factor
"""
OTHER = CART.replace("total", "count").replace("cents += price", "cents += 1")
REPAIRED = CART.replace("prices[1:]", "prices")


def improvement(
    store: Database, target_id: int, template: str, state: str, request: str = ""
) -> int:
    """Store what became of a change; ``request``: open, merged, closed, or withdrawn."""
    with store.transaction() as conn:
        (row,) = conn.execute("SELECT count(*) AS n FROM honed.improvement")
        subject = f"cause {row['n']}"
        parameters = {"template": template, "proposer": "template_repair"}
        (made,) = conn.execute(
            "INSERT INTO honed.improvement (target_id, kind, subject, state, hypothesis, priority,"
            " risk) VALUES (%s, 'fix_exception', %s, %s, %s, 3, 4) RETURNING improvement_id",
            (target_id, subject, state, json.dumps({"parameters": parameters})),
        )
        if request:
            ends = {"open": "open", "merged": "merged"}.get(request, "closed")
            conn.execute(
                "INSERT INTO honed.change_request (target_id, improvement_id, root_cause,"
                " patch_digest, branch, base_branch, base_commit, head_commit, title, body, lane,"
                " forge, state, closed_by_person, merge_commit, ended_at) VALUES (%s, %s, %s,"
                " repeat('0', 64), %s, 'main', repeat('0', 40), repeat('0', 40), 'x', '',"
                " 'review', 'local', %s, %s, %s, CASE WHEN %s <> 'open' THEN honed.now() END)",
                (
                    target_id,
                    made["improvement_id"],
                    subject,
                    f"improvement/{row['n']}",
                    ends,
                    request == "closed",
                    "0" * 40 if request == "merged" else "",
                    ends,
                ),
            )
    made_id: int = made["improvement_id"]
    return made_id


def test_templates_are_worth_what_people_made_of_them(
    store: Database, daemon: Database, target_id: int
) -> None:
    for template, state, request in [
        ("guard", "kept", "merged"),
        ("guard", "watching", "merged"),
        ("guard", "watching", "open"),
        ("guard+swap", "rolled_back", "merged"),
        ("swap", "rolled_back", "closed"),
        ("swap", "rejected", ""),
        ("swap", "rolled_back", "withdrawn"),
        ("unseen", "refuted", ""),
    ]:
        improvement(store, target_id, template, state, request)
    # Two let in that stay, one taken back: (2 + 2) / (4 + 3), over 1/2.
    priors = template_priors(daemon)
    assert priors == {"guard": pytest.approx(8 / 7), "swap": pytest.approx(4 / 7)}
    assert template_priors(replace(daemon, role="honed_viewer")) == priors
    with daemon.transaction() as conn:
        found = conn.execute("SELECT * FROM honed.template_prior ORDER BY template").fetchall()
    counted = ["proposed", "merged", "closed_by_person", "reverted", "kept", "alpha", "beta"]
    assert [[row[name] for name in counted] for row in found] == [
        [4, 3, 0, 1, 1, 4, 3],
        [3, 1, 2, 1, 0, 2, 5],
    ]


def test_priors_stay_within_bounds(store: Database, daemon: Database, target_id: int) -> None:
    for _ in range(8):
        improvement(store, target_id, "bad", "rejected")
    for _ in range(20):
        improvement(store, target_id, "good", "kept", "merged")
    priors = template_priors(daemon)
    assert priors["bad"] == 0.5
    assert 1.8 < priors["good"] <= 2.0


def change(before: str, after: str, path: str = "shop/cart.py") -> CodeChange:
    """Return a change of one file."""
    return CodeChange("0" * 40, (FileChange(path, before, after),))


def test_what_was_changed_is_known_by_its_form() -> None:
    (bug,) = known_bugs(change(CART, REPAIRED))
    assert (bug.path, bug.name, bug.form) == ("shop/cart.py", "total", "shape")
    # Only a constant is other: then every function with another constant would be like it.
    (bug,) = known_bugs(change(CART, CART.replace("[1:]", "[2:]")))
    assert bug.form == "exact"


@pytest.mark.parametrize(
    "after", ["", CART.replace("def total", "def sum_up"), "# A comment.\n" + CART]
)
def test_what_is_gone_renamed_or_as_it_was_is_no_bug(after: str) -> None:
    assert list(known_bugs(change(CART, after))) == []


def test_only_the_innermost_function_counts() -> None:
    outer = "def outer(items):\n    a = 1\n    b = 2\n    c = 3\n" + "".join(
        f"    {line}\n" for line in CART.splitlines()
    )
    outer += "    return [total(items, a), b, c]\n"
    (bug,) = known_bugs(change(outer, outer.replace("prices[1:]", "prices")))
    assert bug.name == "outer.total"


@pytest.fixture
def world(store: Database, tmp_path: Path) -> RepositoryWorld:
    files = {
        "shop/cart.py": REPAIRED,
        "shop/basket.py": ALIKE,
        "shop/other.py": OTHER,
        "tests/test_cart.py": CART,
        "docs/cart.txt": CART,
    }
    return make_repository_world(RepositoryPlan(files), store, tmp_path)


def places(world: RepositoryWorld) -> Sequence[str]:
    """Return where the same bug is, as it is now."""
    commit = world.target.shape().commit
    found = list(same_bugs(world.store, world.target.clone(), commit))
    assert all(each.type == SAME_BUG for each in found)
    return [each.subject for each in found]


def test_the_same_bug_is_found_elsewhere_in_any_repository(
    store: Database, world: RepositoryWorld
) -> None:
    assert places(world) == []
    with store.transaction() as conn:
        (elsewhere,) = conn.execute(
            "INSERT INTO honed.target (name, sort, observe_url)"
            " VALUES ('other', 'repository', '/x') RETURNING target_id"
        )
    made = improvement(store, elsewhere["target_id"], "slice", "watching", "merged")
    with world.store.transaction() as conn:
        for _ in range(2):
            remember(conn, 1, change(CART, REPAIRED))
    assert places(world) == ["shop/basket.py: weight as in change 1"]
    commit = world.target.shape().commit
    (finding,) = same_bugs(world.store, world.target.clone(), commit)
    evidence = finding.evidence
    assert (evidence["line"], evidence["end_line"]) == (4, 11)
    assert evidence["files"] == ["shop/basket.py"]
    assert evidence["change"]["repository"] == "other"  # type: ignore[index, call-overload]
    assert "cents" not in json.dumps(evidence), "no code of another repository"
    world.checkout.commit({"shop/basket.py": ALIKE.replace("parcels[1:]", "parcels").encode()})
    assert places(world) == [], "it is repaired"
    world.checkout.commit({"shop/basket.py": ALIKE.encode()})
    assert len(places(world)) == 1
    with store.transaction() as conn:
        conn.execute(
            "UPDATE honed.improvement SET state = 'rolled_back' WHERE improvement_id = %s", [made]
        )
    assert places(world) == [], "what was taken back is no example"


def test_the_next_search_is_told_what_templates_are_worth(
    store: Database, world: RepositoryWorld
) -> None:
    world.target.shape()
    assert dict(world.target.bench(Budget(seconds=1.0)).priors) == {}
    improvement(store, world.target.target_id, "off_by_one", "kept", "merged")
    assert dict(world.target.bench(Budget(seconds=1.0)).priors) == {"off_by_one": 1.2}
