"""A claim that harms a few is tried again without what harms them, in the same cycle."""

from dataclasses import replace

import pytest

from honed.core.verdict import State
from honed.loop.cycle import Options
from honed.loop.events import LeftOut, PluginFailed, Proposed
from honed.testing.pets import BETTER, INDEX_OWNER, Claim, PetShop

DRY = Options()
#: One unit becomes six times faster, the other three times slower.
HARMFUL = replace(BETTER, subject="harmful", effect=-1.8, harm=2.9)
SMALLER = Claim("smaller", (INDEX_OWNER,))


def test_what_harms_is_left_out_and_the_rest_is_tried_at_once(pet_shop: PetShop) -> None:
    pet_shop.kind.claims, pet_shop.kind.instead = (HARMFUL,), SMALLER
    pet_shop.turn(DRY)
    states = {each.hypothesis.subject: each.state for each in pet_shop.improvements()}
    assert states == {"harmful": State.REFUTED, "smaller": State.DRY_RUN}
    assert {each.cycle_id for each in pet_shop.improvements()} == {1}
    told = [e.hypothesis.subject for e in pet_shop.events if isinstance(e, Proposed)]
    assert told == ["harmful", "smaller"]


def test_where_the_kind_knows_no_better_nothing_is_tried(pet_shop: PetShop) -> None:
    pet_shop.kind.claims = (HARMFUL,)
    pet_shop.turn(DRY)
    assert pet_shop.improvement().state is State.REFUTED


def test_what_is_known_already_is_not_tried_again(pet_shop: PetShop) -> None:
    pet_shop.kind.claims, pet_shop.kind.instead = (SMALLER, HARMFUL), SMALLER
    pet_shop.turn(DRY)
    assert len(pet_shop.improvements()) == 2
    (left_out,) = [event for event in pet_shop.events if isinstance(event, LeftOut)]
    assert left_out.hypothesis.subject == "smaller"


@pytest.mark.parametrize("claim", [BETTER, replace(BETTER, effect=0.5), replace(BETTER, effect=0)])
def test_a_claim_that_harms_nobody_or_helps_nobody_is_not_revised(
    pet_shop: PetShop, claim: Claim
) -> None:
    pet_shop.kind.claims, pet_shop.kind.instead = (claim,), SMALLER
    pet_shop.turn(DRY)
    assert len(pet_shop.improvements()) == 1


def test_a_kind_that_cannot_revise_costs_the_revision_alone(pet_shop: PetShop) -> None:
    endless = replace(SMALLER, effect=float("nan"))
    pet_shop.kind.claims, pet_shop.kind.instead = (HARMFUL,), endless
    pet_shop.turn(DRY)
    assert pet_shop.improvement().state is State.REFUTED
    assert [e.plugin for e in pet_shop.events if isinstance(e, PluginFailed)] == ["pets"]
