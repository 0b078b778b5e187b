"""A role has one holder at a time, and an epoch that grows with each change of holder."""

import logging

import pytest

from honed.config import TwoServerRole
from honed.loop.two_servers.lease import Role
from honed.testing.pair import OneServer, Pair


def another(server: OneServer) -> OneServer:
    """Return another process of the same server."""
    return OneServer(server.owner, server.settings, server.clock, server.target_id)


def test_each_server_holds_its_role(shared_pair: Pair) -> None:
    shared_pair.keep()
    held = shared_pair.primary.leases()
    assert {role: (lease.server, lease.epoch) for role, lease in held.items()} == {
        "primary": ("paris", 1),
        "secondary": ("sofia", 1),
    }
    assert all(lease.is_held for lease in held.values())


def test_holder_renews_without_a_new_epoch(shared_pair: Pair) -> None:
    first = shared_pair.primary.keep()
    shared_pair.clock.pass_s(50)
    second = shared_pair.primary.keep()
    assert first is not None
    assert second is not None
    assert second.epoch == first.epoch
    assert (second.expires_at - first.expires_at).total_seconds() == 50


def test_another_process_waits_for_the_end_and_takes_over_with_the_next_epoch(
    shared_pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    rival = another(shared_pair.primary)
    shared_pair.primary.keep()
    shared_pair.clock.pass_s(59)
    with caplog.at_level(logging.WARNING):
        assert rival.keep() is None
    assert "another honed run on paris is the primary of this store" in caplog.text
    shared_pair.clock.pass_s(1)
    lease = rival.keep()
    assert lease is not None
    assert lease.epoch == 2
    assert shared_pair.primary.keep() is None


def test_role_given_back_need_not_be_waited_for(shared_pair: Pair) -> None:
    shared_pair.primary.keep()
    shared_pair.primary.member().leave()
    assert not shared_pair.primary.leases()["primary"].is_held
    lease = another(shared_pair.primary).keep()
    assert lease is not None
    assert lease.epoch == 2


def test_nobody_gives_back_what_another_holds(shared_pair: Pair) -> None:
    shared_pair.primary.keep()
    another(shared_pair.primary).member().leave()
    assert shared_pair.primary.leases()["primary"].is_held


def test_holder_that_was_late_keeps_its_epoch_where_nobody_took_over(shared_pair: Pair) -> None:
    shared_pair.primary.keep()
    shared_pair.clock.pass_s(1000)
    lease = shared_pair.primary.keep()
    assert lease is not None
    assert lease.epoch == 1


def test_daemon_of_a_single_server_holds_a_role_too(shared_pair: Pair) -> None:
    alone = another(shared_pair.primary)
    alone.settings = alone.settings.model_copy(update={"two_server_role": TwoServerRole.OFF})
    lease = alone.keep()
    assert lease is not None
    assert lease.role is Role.DAEMON
