"""A change knows the ticket that asks for it: a person who reopens that asks for another try."""

from dataclasses import replace
from pathlib import Path

import pytest

from honed.backlog.decide import reopen
from honed.core.change import CodeChange, FileChange
from honed.core.forge import ChangeState
from honed.core.step import Step, StepState
from honed.storage.db import Database
from honed.targets.repository.publishing.acts import Publication, publish_step
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change, Wanted
from honed.testing.repository_worlds import (
    PRICES,
    WRONG_SLICE,
    RepositoryWorld,
    make_repository_world,
)

CAUSE = "exception: total"


@pytest.fixture
def ticket_id(store: Database) -> int:
    """Return a ticket that was worked on."""
    with store.transaction() as conn:
        (row,) = conn.execute("SELECT honed.add_ticket('Count the first price, too') AS ticket_id")
        conn.execute("UPDATE honed.ticket SET state = 'failed'")
    made: int = row["ticket_id"]
    return made


@pytest.fixture
def world(store: Database, tmp_path: Path) -> RepositoryWorld:
    return make_repository_world(WRONG_SLICE, store, tmp_path, forge_cooldown_hours=0)


@pytest.fixture
def step(world: RepositoryWorld, ticket_id: int) -> Step:
    """Return the step that proposes a change for the ticket."""
    base = world.target.shape().commit
    file = FileChange("shop/prices.py", PRICES, PRICES.replace("prices[1:]", "prices"))
    change = CodeChange(base, (file,), message="Count the first price, too")
    publication = Publication(change, "main", CAUSE, "Count it", "Why.", ticket_id=ticket_id)
    return publish_step(world.target.clone(), publication)


def the_change(world: RepositoryWorld) -> Change:
    """Return the only change."""
    with world.store.transaction() as conn:
        (found,) = changes.changes(conn, Wanted("shop", tuple(ChangeState)))
    return found


def test_what_a_person_closed_is_asked_for_again_by_its_ticket_alone(
    world: RepositoryWorld, store: Database, step: Step, ticket_id: int
) -> None:
    world.carry_out([step])
    proposed = the_change(world)
    assert proposed.ticket_id == ticket_id
    operator = replace(store, role="honed_operator")
    with operator.transaction() as conn:
        changes.close(conn, proposed.change_id, "not like this")
    # What its improvement does then: the branch goes, and the request stays closed.
    world.carry_out([step.inverse()])
    assert world.inspect(step) is StepState.ABSENT
    assert world.branches() == {"main"}
    assert the_change(world).closed_by_person
    assert world.target.withheld(CAUSE, ticket_id) == "closed_by_person"
    with operator.transaction() as conn:
        reopen(conn, ticket_id, "try it otherwise")
    assert world.target.withheld(CAUSE) == "closed_by_person"
    assert world.target.withheld(CAUSE, ticket_id) == ""
