"""What a request says when it is opened: what proves the change, where that is kept."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from honed.approval.policy import write_policy
from honed.config import Autonomy, Settings
from honed.core.canonical import digest
from honed.core.change import CodeChange, FileChange
from honed.core.gate import GateResult
from honed.core.step import Step
from honed.core.verdict import State
from honed.improvement.record import Improvement, events
from honed.ledger.keys import Signer
from honed.storage.db import Database
from honed.targets.registry import Place
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.publishing.acts import Publication, branch_of, publish_step
from honed.targets.repository.publishing.concerned import authors
from honed.targets.repository.publishing.hand import at_repository
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change
from honed.testing.improvements import Improvements
from honed.testing.repositories import Checkout
from honed.testing.repository_worlds import (
    PRICES,
    WRONG_SLICE,
    RepositoryWorld,
    make_repository_world,
)

GATES = [
    GateResult("red_green", passed=True, reason="red 3 of 3", evidence={"runs": 3}),
    GateResult("coverage", passed=True, reason="1 of 1 line", evidence={"share": 1.0}),
]


@pytest.fixture
def world(store: Database, tmp_path: Path) -> RepositoryWorld:
    return make_repository_world(WRONG_SLICE, store, tmp_path)


@pytest.fixture
def improvement(world: RepositoryWorld, store: Database, signer: Signer) -> Improvement:
    """Return an improvement of the repository that every gate let pass, and a person approved."""
    with store.transaction() as conn:
        write_policy(conn, Settings(autonomy=Autonomy.FULL, require_human_approval=False))
    made = Improvements(store, signer, world.target.target_id).create(State.APPLYING)
    said = json.dumps({"gates": [each.to_json() for each in GATES], "judge": "c" * 64})
    with store.transaction() as conn:
        conn.execute(
            "UPDATE honed.improvement SET evidence = %s WHERE improvement_id = %s",
            (said, made.improvement_id),
        )
    return made


def step_for(world: RepositoryWorld, *, claim: str = "") -> Step:
    base = world.target.shape().commit
    files = (FileChange("shop/prices.py", PRICES, PRICES.replace("prices[1:]", "prices")),)
    change = CodeChange(base, files, ("tests/test_prices.py",), "Count the first price, too")
    wanted = Publication(change, "main", "failing test: total", "Count it, too", "Why.\n", claim)
    return publish_step(world.target.clone(), wanted)


def by(name: str) -> dict[str, str]:
    return {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": f"{name.lower()}@example.org"}


def published(world: RepositoryWorld, step: Step, improvement: Improvement | None) -> Change:
    number = improvement.improvement_id if improvement else None
    place = Place(world.target.record, world.store, number)
    with at_repository(place, world.target.settings, lambda: None) as hand:
        hand.run(step)
    with world.store.transaction() as conn:
        (found,) = changes.changes(conn)
    return found


def test_a_request_tells_the_gates_figures_and_the_entries_of_the_ledger(
    world: RepositoryWorld, improvement: Improvement
) -> None:
    found = published(world, step_for(world), improvement)
    with world.store.transaction() as conn:
        way = {each.to_state: each for each in events(conn, improvement.improvement_id)}
    proven = way[State.PROVEN]
    for words in (
        "Why.\n\n## What the gates say",
        "- passed: `red_green` `red 3 of 3` (`runs = 3`)",
        "- passed: `coverage` `1 of 1 line` (`share = 1`)",
        f"- entry {proven.ledger_index} of the ledger: proven, leaf `{proven.leaf_hash}`",
        f"`honed ledger show {way[State.APPROVED].ledger_index}` checks the signature",
        f"`honed improvement rollback {improvement.improvement_id} --reason ...`",
        "Close this request to say no",
    ):
        assert words in found.body
    assert (found.ledger_index, found.improvement_id) == (
        proven.ledger_index,
        improvement.improvement_id,
    )


def test_again_after_a_crash_it_says_the_same(
    world: RepositoryWorld, improvement: Improvement
) -> None:
    step = step_for(world)
    first, second = (published(world, step, improvement) for _ in range(2))
    assert (first.change_id, first.body) == (second.change_id, second.body)


def test_what_is_in_no_record_claims_no_entry(world: RepositoryWorld) -> None:
    found = published(world, step_for(world), None)
    assert "ledger" not in found.body
    assert found.ledger_index is None


def test_a_commit_names_the_claim_as_the_ledger_does(
    world: RepositoryWorld, improvement: Improvement
) -> None:
    claim = digest(improvement.hypothesis.to_json())
    step = step_for(world, claim=claim)
    found = published(world, step, improvement)
    said = world.checkout.git("show", "-s", "--format=%(trailers)", found.head_commit)
    assert said.strip() == f"Honed-Claim: {claim}"
    with world.store.transaction() as conn:
        (row,) = conn.execute(
            "SELECT envelope::jsonb ->> 'payload' AS payload FROM honed.log_entry"
            " WHERE leaf_index = %s",
            (found.ledger_index,),
        )
        (read,) = conn.execute(
            "SELECT convert_from(decode(%s, 'base64'), 'utf8') AS said", (row["payload"],)
        )
    assert claim in read["said"]


def test_steps_from_before_there_were_claims_make_the_commit_that_they_made(
    world: RepositoryWorld,
) -> None:
    step = step_for(world)
    act = json.loads(step.do[0])
    del act["claim"]
    old = replace(step, do=(json.dumps(act),))
    assert published(world, old, None).head_commit == act["commit"]


def test_who_wrote_the_lines_before_is_named_and_no_address(world: RepositoryWorld) -> None:
    asked = PRICES.replace("prices[1:]", "prices[2:]")
    world.checkout.commit({"shop/prices.py": asked.encode()}, by("Grace"))
    world.checkout.commit({"shop/prices.py": PRICES.encode()}, by("Hedy"))
    found = published(world, step_for(world), None)
    named = found.body.split("## Who wrote these lines before")[1]
    assert "- `Hedy`" in named
    assert "Grace" not in named
    assert "example.org" not in found.body


def changed(before: str | None, after: str | None) -> CodeChange:
    return CodeChange("main", (FileChange("a.py", before, after),))


@pytest.mark.parametrize(
    ("after", "who"),
    [
        ("one\ntwo\nTHREE\n", {"Hedy"}),
        ("one\nthree\n", {"Grace"}),
        # What is new concerns those who wrote around it.
        ("one\nnew\ntwo\nthree\n", {"Ada", "Grace"}),
        ("new\none\ntwo\nthree\n", {"Ada"}),
        ("one\ntwo\nthree\nnew\n", {"Hedy"}),
        (None, {"Ada", "Grace", "Hedy"}),
    ],
)
def test_a_change_concerns_who_wrote_what_it_changes(
    checkout: Checkout, clone: Clone, after: str | None, who: set[str]
) -> None:
    checkout.commit({"a.py": b"one\n"}, by("Ada"))
    checkout.commit({"a.py": b"one\ntwo\n"}, by("Grace"))
    checkout.commit({"a.py": b"one\ntwo\nthree\n"}, by("Hedy"))
    clone.fetch()
    found = authors(clone, changed("one\ntwo\nthree\n", after))
    assert {each.name for each in found} == who
    assert authors(clone, changed(None, "new\n")) == ()


def test_a_branch_is_called_after_the_code_and_not_after_a_document_beside_it() -> None:
    files = [FileChange(path, "1\n", "2\n") for path in ("CHANGELOG.md", "shop/prices.py")]
    assert branch_of(CodeChange("a" * 40, tuple(files))).startswith("improvement/shop-prices-py-")
