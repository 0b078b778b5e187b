"""What was searched in vain is not searched again, unless somebody may answer by now."""

from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target
from honed.targets.repository.evidence.searches import Searches, Vain

COMMIT = "a" * 40


def test_what_was_so_for_now_counts_for_the_day_alone(store: Database) -> None:
    record = add_target(store, TargetRecord("shop", "/nowhere", sort="repository"))
    searches = Searches(store, record.target_id, "none")
    searches.remember("fix", "final", COMMIT, Vain("nothing repairs it"))
    searches.remember("fix", "away", COMMIT, Vain("the model is away", is_for_now=True))
    assert searches.was_made("fix", "final", COMMIT)
    assert searches.was_made("fix", "away", COMMIT)
    assert {each.reason for each in searches.on(COMMIT)} == {
        "nothing repairs it",
        "the model is away",
    }
    with store.transaction() as conn:
        conn.execute(
            "UPDATE honed.code_search SET engine ="
            " regexp_replace(engine, 'on [0-9-]+$', 'on 2020-01-01')"
        )
    assert searches.was_made("fix", "final", COMMIT)
    assert not searches.was_made("fix", "away", COMMIT)


def test_one_cause_is_forgotten_and_the_others_are_not(store: Database) -> None:
    record = add_target(store, TargetRecord("shop", "/nowhere", sort="repository"))
    searches = Searches(store, record.target_id, "none")
    for cause in ("exception 4e89: TypeError", "exception 51aa: KeyError", "failing test: a_%"):
        searches.remember("fix", cause, COMMIT, Vain("nothing repairs it"))
    searches.forget("51aa")
    searches.forget("_b")
    left = sorted(each.cause for each in searches.on(COMMIT))
    assert left == ["exception 4e89: TypeError", "failing test: a_%"]


def test_what_was_searched_without_an_answer_is_searched_again_with_it(store: Database) -> None:
    record = add_target(store, TargetRecord("shop", "/nowhere", sort="repository"))
    searches = Searches(store, record.target_id, "none")
    searches.remember("fix", "it", COMMIT, Vain("nothing repairs it"))
    assert not searches.was_made("fix", "it", COMMIT, "0a1b")
    searches.remember("fix", "it", COMMIT, Vain("nothing repairs it so"), "0a1b")
    assert searches.was_made("fix", "it", COMMIT, "0a1b")
    assert searches.was_made("fix", "it", COMMIT)
    assert not searches.was_made("fix", "it", COMMIT, "2c3d")
    assert searches.on(COMMIT)[0].reason == "nothing repairs it so"
