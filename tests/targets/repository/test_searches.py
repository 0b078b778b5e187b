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
