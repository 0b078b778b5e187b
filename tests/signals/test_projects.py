"""Projects: a key that nobody guesses, an address that SDKs understand, and who may add one."""

import re
from dataclasses import replace

import pytest

from honed.config import Settings
from honed.errors import ConfigurationError, NotAllowed, UnknownProject, UnknownTarget
from honed.signals.projects import (
    Registry,
    add_project,
    api_address,
    enable_project,
    list_projects,
)
from honed.storage.db import Database
from honed.targets.registry import TargetRecord, add_target


def test_each_project_has_a_key_of_its_own(store: Database) -> None:
    with store.transaction() as conn:
        keys = [add_project(conn, f"p{number}").public_key for number in range(3)]
        assert [each.public_key for each in list_projects(conn)] == keys
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys)
    assert len(set(keys)) == 3


def test_an_odd_or_taken_name_is_refused(store: Database) -> None:
    with store.transaction() as conn:
        add_project(conn, "shop")
        with pytest.raises(ConfigurationError, match="already a project called shop"):
            add_project(conn, "shop")
        for name in ("", "Shop", "7up", "a b", "x" * 64, "shop'; --"):
            with pytest.raises(ConfigurationError, match="no name for a project"):
                add_project(conn, name)


def test_a_project_may_tell_of_a_target(store: Database) -> None:
    target = add_target(store, TargetRecord("shop", "postgresql:///shop"))
    with store.transaction() as conn:
        assert add_project(conn, "web", target="shop").target_id == target.target_id
    with pytest.raises(UnknownTarget, match="no target cart"), store.transaction() as conn:
        add_project(conn, "cart", target="cart")
    with store.transaction() as conn:
        assert [each.name for each in list_projects(conn)] == ["web"]


def test_a_project_is_disabled_and_enabled(store: Database) -> None:
    with store.transaction() as conn:
        add_project(conn, "shop")
        disabled = enable_project(conn, "shop", enabled=False)
        assert disabled.disabled_at is not None
        assert enable_project(conn, "shop", enabled=False) == disabled
        assert enable_project(conn, "shop", enabled=True).disabled_at is None
        with pytest.raises(UnknownProject):
            enable_project(conn, "cart", enabled=False)


@pytest.mark.parametrize("role", ["honed_viewer", "honed_daemon", "honed_intake"])
def test_only_an_operator_adds_one(store: Database, role: str) -> None:
    with pytest.raises(NotAllowed) as refused, replace(store, role=role).transaction() as conn:
        add_project(conn, "shop")
    assert "honed_operator" in refused.value.hint
    with replace(store, role="honed_operator").transaction() as conn:
        add_project(conn, "shop")


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "127.0.0.1:8340"),
        ({"api_host": "::1", "api_port": 9}, "[::1]:9"),
        ({"api_host": "0.0.0.0", "api_names": "localhost, honed.example"}, "honed.example:8340"),  # noqa: S104 - no server
        ({"api_host": "0.0.0.0"}, "localhost:8340"),  # noqa: S104 - likewise
    ],
)
def test_the_address_is_one_that_is_reached(settings: dict[str, object], address: str) -> None:
    assert api_address(Settings.model_validate(settings)) == address


def test_the_registry_looks_for_a_new_key_no_more_than_once_a_second(store: Database) -> None:
    registry = Registry()
    with store.transaction() as conn:
        registry.read(conn)
        new = add_project(conn, "shop")
    gone = replace(store, url="postgresql:///nowhere?host=/nowhere")
    # It was read a moment ago: whoever comes with any key does not make it ask again.
    assert registry.look_for(new.public_key, gone) is None
    assert registry.find(new.public_key) is None
    registry.forget()
    assert registry.look_for(new.public_key, store) == new
    assert registry.named("shop") == new
