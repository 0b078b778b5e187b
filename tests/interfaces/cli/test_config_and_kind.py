"""`honed config` and `honed kind`: every setting with its origin, every kind with its page."""

import json
from pathlib import Path

import pytest

from honed.config import Settings
from honed.core.kind import Kind
from honed.core.plugins import discover
from honed.testing.commandline import CommandLine


def test_a_wrong_value_is_shown_with_what_is_wrong(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "honed.toml").write_text("watch_intervals = 3\nno_such = 1\n")
    monkeypatch.chdir(tmp_path)
    cli.env["HONED_ALPHA"] = "7"
    done = cli("config", "show", "--json")
    shown = {each["setting"]: each for each in json.loads(done.stdout)}
    assert (shown["alpha"]["value"], shown["alpha"]["origin"]) == ("7", "HONED_ALPHA")
    assert (shown["watch_intervals"]["value"], shown["watch_intervals"]["origin"]) == (
        3,
        "honed.toml",
    )
    assert shown["seed"]["origin"] == "default"
    assert done.exit_code == 2
    said = json.loads(done.stderr)["message"]
    assert all(name in said for name in ("alpha", "watch_intervals", "no_such"))


def test_every_setting_is_shown_with_its_origin(cli: CommandLine) -> None:
    cli.env["HONED_AUTONOMY"] = "supervised"
    shown = {each["setting"]: each for each in cli.json("config", "show")}
    assert set(shown) == set(Settings.model_fields)
    assert (shown["autonomy"]["value"], shown["autonomy"]["origin"]) == (
        "supervised",
        "HONED_AUTONOMY",
    )
    assert shown["alpha"]["origin"] == "default"
    assert all(each["meaning"] for each in shown.values())


def test_another_name_of_a_setting_is_shown_as_its_origin(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "honed.json").write_text('{"self_improvement": {"scan_interval_hours": 2}}')
    monkeypatch.chdir(tmp_path)
    cli.env["IMPROVEMENT_MAX_RISK_LEVEL"] = "3"
    shown = {each["setting"]: each for each in cli.json("config", "show")}
    risk, interval = shown["improvement_max_risk"], shown["scan_interval_s"]
    assert (risk["value"], risk["origin"]) == (3, "IMPROVEMENT_MAX_RISK_LEVEL")
    assert (interval["value"], interval["origin"]) == (
        7200,
        "honed.json: self_improvement.scan_interval_hours",
    )
    cli.env["IMPROVEMENT_MAX_RISK_LEVEL"] = "high"
    done = cli("config", "show", "--json")
    shown = {each["setting"]: each for each in json.loads(done.stdout)}
    assert (done.exit_code, shown["improvement_max_risk"]["value"]) == (2, "high")
    assert "IMPROVEMENT_MAX_RISK_LEVEL" in json.loads(done.stderr)["message"]


def test_the_owner_puts_the_rules_into_force(cli: CommandLine, daemon_url: str) -> None:
    cli.env["HONED_AUTONOMY"] = "supervised"
    assert cli.text("config", "apply") == "policy 1 is in force: supervised\n"
    assert cli.json("config", "apply")["policy_version"] == 1
    cli.env.update({"HONED_STORE_URL": daemon_url, "HONED_AUTONOMY": "full"})
    assert "permission denied for table policy" in cli.refusal("config", "apply")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secretword@h/db", "postgresql://u:***@h/db"),
        ("postgresql://u@h/db?password=secretword&x=1", "postgresql://u@h/db?password=***&x=1"),
        ("host=h password='secret word' user=u", "host=h password=*** user=u"),
        ("postgresql://u@h:5432/db", "postgresql://u@h:5432/db"),
    ],
)
def test_a_password_is_never_shown(cli: CommandLine, url: str, shown: str) -> None:
    cli.env["HONED_STORE_URL"] = url
    values = {each["setting"]: each["value"] for each in cli.json("config", "show")}
    assert values["store_url"] == shown
    assert "secretword" not in cli.text("config", "show").replace(" ", "")


def test_every_kind_is_listed_and_has_its_page(cli: CommandLine) -> None:
    kinds = discover("honed.kinds", Kind)  # type: ignore[type-abstract]  # the family's base
    assert [each["kind"] for each in cli.json("kind", "list")] == list(kinds)
    for name in kinds:
        assert name in cli.text("kind", "list")
        page = cli.text("kind", "show", name)
        for heading in ("What it does", "Why it helps", "Risk and rollback", "How it is measured"):
            assert f"## {heading}" in page
        assert cli.json("kind", "show", name)["page"] == page.removesuffix("\n")


def test_a_kind_that_is_not_there_is_refused(cli: CommandLine) -> None:
    refusal = cli.refusal("kind", "show", "nope")
    assert refusal == "there is no kind called 'nope' | `honed kind list` shows what is installed"
