"""What a policy approves by itself depends on the role of the target, and on who holds it."""

from dataclasses import replace

import psycopg
import pytest

from honed.approval.policy import Answer, PolicyAnswer, ask_policy
from honed.config import TwoServerRole
from honed.core.verdict import State
from honed.errors import ConfigurationError, NotAllowed
from honed.targets.registry import TargetRecord, add_target
from honed.testing.improvements import Claim
from honed.testing.pair import OneServer, Pair


def answer(server: OneServer, priority: int) -> PolicyAnswer:
    """Return what the policy says to a proven improvement of a server's target."""
    claim = Claim(priority=priority)
    proven = server.improvements().create(State.PROVEN, claim=claim)
    with replace(server.store, role="honed_daemon").transaction() as conn:
        return ask_policy(conn, proven.improvement_id)


@pytest.mark.parametrize(
    ("role", "least"), [("primary", 4), ("secondary", 2)], ids=["primary", "secondary"]
)
def test_each_role_has_its_threshold(shared_pair: Pair, role: str, least: int) -> None:
    shared_pair.keep()
    server: OneServer = getattr(shared_pair, role)
    assert answer(server, least).answer is Answer.APPROVED
    below = answer(server, least - 1)
    assert below.answer is Answer.NEEDS_PERSON
    assert below.reason == f"its priority {least - 1} is below {least}, which the {role} asks for"


def test_where_nobody_holds_the_role_the_strictest_threshold_holds(shared_pair: Pair) -> None:
    shared_pair.keep()
    shared_pair.clock.pass_s(60)
    refused = answer(shared_pair.secondary, 3)
    assert refused.answer is Answer.NEEDS_PERSON
    assert "is below 4, the strictest, because nobody holds the role" in refused.reason
    shared_pair.secondary.keep()
    assert answer(shared_pair.secondary, 3).answer is Answer.APPROVED


def test_without_the_mode_a_role_means_nothing(shared_pair: Pair) -> None:
    shared_pair.keep()
    shared_pair.secondary.configure(two_server_role=TwoServerRole.OFF)
    refused = answer(shared_pair.secondary, 2)
    assert refused.reason == "its priority 2 is below 3"


def test_both_servers_of_a_store_have_one_policy(shared_pair: Pair) -> None:
    with shared_pair.primary.store.transaction() as conn:
        (row,) = conn.execute("SELECT count(*) AS versions FROM honed.policy")
    assert row["versions"] == 1


def test_only_the_owner_says_which_target_is_the_secondarys(shared_pair: Pair) -> None:
    store = shared_pair.primary.owner
    with psycopg.connect(store.url, autocommit=True) as conn:
        conn.execute("CREATE ROLE olga_of_pair LOGIN IN ROLE honed_operator")
    try:
        olga = replace(store, url=store.url.replace("postgres@", "olga_of_pair@"))
        options = {"twin": "other", "role": "secondary"}
        record = TargetRecord("other", "postgresql:///other", options=options)
        with pytest.raises(NotAllowed) as caught:
            add_target(olga, record)
        assert caught.value.hint.startswith("only the store's owner may")
        add_target(olga, replace(record, options={"twin": "other", "role": "primary"}))
    finally:
        with psycopg.connect(store.url, autocommit=True) as conn:
            conn.execute("DROP ROLE olga_of_pair")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"twin": "shop", "role": "primary"}, "is the primary's for the twin shop already"),
        ({"twin": "other"}, "half a place"),
        ({"role": "primary"}, "half a place"),
        ({"twin": "other", "role": "third"}, "half a place"),
        ({"twin": "Other", "role": "primary"}, "no name for a target"),
    ],
)
def test_place_in_a_pair_is_whole_and_free(
    shared_pair: Pair, options: dict[str, str], said: str
) -> None:
    record = TargetRecord("another", "postgresql:///another", options=options)
    with pytest.raises(ConfigurationError, match=said):
        add_target(shared_pair.primary.store, record)
