from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from honed.errors import ConfigurationError, UnknownTarget
from honed.storage.db import Database
from honed.targets.registry import (
    TargetRecord,
    add_target,
    connection_url,
    get_target,
    list_targets,
    remove_target,
)

_URL = "postgresql://watcher@db.example:5433/shop?sslmode=require"


def test_a_target_is_found_by_name_and_by_id(store: Database) -> None:
    added = add_target(store, TargetRecord("shop", _URL, options={"search_path": "app"}))
    assert added.target_id > 0
    assert get_target(store, "shop") == added
    assert get_target(store, added.target_id) == added
    assert added.options == {"search_path": "app"}


@pytest.mark.parametrize(
    ("first", "second", "variable"),
    [
        ("shop", "shop_act", "HONED_TARGET_SHOP_ACT_PASSWORD"),
        ("shop_act", "shop", "HONED_TARGET_SHOP_ACT_PASSWORD"),
        ("shop", "shop-act", "HONED_TARGET_SHOP_ACT_PASSWORD"),
        ("a-b", "a_b", "HONED_TARGET_A_B_ACT_PASSWORD"),
    ],
)
def test_no_two_targets_have_their_passwords_in_one_variable(
    store: Database, first: str, second: str, variable: str
) -> None:
    add_target(store, TargetRecord(first, _URL))
    with pytest.raises(ConfigurationError, match=variable):
        add_target(store, TargetRecord(second, _URL))
    remove_target(store, first)
    add_target(store, TargetRecord(second, _URL))


def test_targets_are_listed_by_name(store: Database) -> None:
    for name in ("shop", "billing"):
        add_target(store, TargetRecord(name, _URL))
    assert [record.name for record in list_targets(store)] == ["billing", "shop"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://watcher:s3cret@db.example/shop",
        "postgresql://db.example/shop?user=watcher&password=s3cret",
        "host=db.example user=watcher password=s3cret",
        "postgresql://watcher@db.example/shop?sslpassword=s3cret",
    ],
)
@pytest.mark.parametrize("place", ["observe_url", "act_url"])
def test_a_password_in_a_url_is_refused_and_not_repeated(
    store: Database, url: str, place: str
) -> None:
    urls: dict[str, Any] = {"observe_url": _URL, place: url}
    with pytest.raises(ConfigurationError) as refused:
        add_target(store, TargetRecord("my-shop", **urls))
    assert "HONED_TARGET_MY_SHOP_" in refused.value.hint
    assert "s3cret" not in f"{refused.value} {refused.value.hint}"
    assert list_targets(store) == []


@pytest.mark.parametrize(
    "url",
    ["postgresql://watcher:s3cret@db.example/shop", "host=db.example password=s3cret"],
)
def test_the_store_itself_refuses_a_password(store: Database, url: str) -> None:
    with store.transaction() as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "INSERT INTO honed.target (name, sort, observe_url) VALUES ('shop', 'postgres', %s)",
            [url],
        )


@pytest.mark.parametrize("url", ["https://db.example", "no url"])
def test_what_is_no_url_is_refused(store: Database, url: str) -> None:
    with pytest.raises(ConfigurationError):
        add_target(store, TargetRecord("shop", url))


@pytest.mark.parametrize("name", ["", "Shop", "9shop", "shop;", "../shop"])
def test_odd_names_are_refused(store: Database, name: str) -> None:
    with pytest.raises(ConfigurationError):
        add_target(store, TargetRecord(name, _URL))


def test_a_name_is_given_once_and_again_after_its_removal(store: Database) -> None:
    first = add_target(store, TargetRecord("shop", _URL))
    with pytest.raises(ConfigurationError):
        add_target(store, TargetRecord("shop", _URL))
    remove_target(store, "shop")
    second = add_target(store, TargetRecord("shop", _URL))
    assert second.target_id != first.target_id


def test_a_removed_target_is_unknown(store: Database) -> None:
    added = add_target(store, TargetRecord("shop", _URL))
    remove_target(store, "shop")
    for key in ("shop", added.target_id):
        with pytest.raises(UnknownTarget):
            get_target(store, key)
    with pytest.raises(UnknownTarget):
        remove_target(store, "shop")


def test_each_role_has_its_password_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    record = TargetRecord("my-shop", _URL, act_url="postgresql://doer@db.example/shop")
    monkeypatch.setenv("HONED_TARGET_MY_SHOP_PASSWORD", "a&b =/%")
    monkeypatch.setenv("HONED_TARGET_MY_SHOP_ACT_PASSWORD", "other")
    where = conninfo_to_dict(connection_url(record))
    assert where == {**conninfo_to_dict(_URL), "password": "a&b =/%"}
    acting = conninfo_to_dict(connection_url(record, acting=True))
    assert acting == {**conninfo_to_dict(record.act_url), "password": "other"}


def test_without_a_password_the_url_is_as_it_was_given() -> None:
    assert connection_url(TargetRecord("shop", _URL)) == _URL


def test_a_target_without_acting_url_cannot_be_changed() -> None:
    with pytest.raises(ConfigurationError):
        connection_url(TargetRecord("shop", _URL), acting=True)
