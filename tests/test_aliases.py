"""Other names of settings: the variables and the JSON file of the seed, each with its origin."""

import json
from pathlib import Path

import pytest

from honed.aliases import VARIABLES
from honed.config import TICKET_SOURCES, Settings, load_settings, origins
from honed.core.risk import MAX_ATTEMPTED_RISK
from honed.errors import ConfigurationError

#: The file of seed 003, with values that differ from the defaults.
THE_FILE = {
    "self_improvement": {
        "enabled": False,
        "scan_interval_hours": 2,
        "max_risk_level": 6,
        "auto_apply_max_risk": 4,
        "require_manual_review": False,
        "sources": {
            "exceptions": True,
            "performance": False,
            "user_feedback": True,
            "code_analysis": True,
        },
        "quality_gates": {
            "mcp_doctor": False,
            "secret_scan": True,
            "loop_metrics": True,
            "test_coverage": 0.9,
        },
    }
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory; no variable of the seed is set."""
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, said: object) -> None:
    (folder / "honed.json").write_text(json.dumps(said))


def test_the_numbers_of_the_seed_are_the_defaults() -> None:
    settings = load_settings()
    assert settings.backlog_enabled
    assert (settings.scan_interval_s, settings.improvement_max_risk) == (3600, 7)
    assert (settings.auto_apply_max_risk, settings.test_coverage) == (5, 0.8)
    assert settings.require_human_approval
    assert settings.ticket_sources_on == set(TICKET_SOURCES) - {"code"}
    assert origins() == {}


def test_no_setting_lets_more_be_attempted_than_the_design() -> None:
    most = load_settings(improvement_max_risk=MAX_ATTEMPTED_RISK)
    assert most.improvement_max_risk == MAX_ATTEMPTED_RISK
    with pytest.raises(ConfigurationError, match="improvement_max_risk"):
        load_settings(improvement_max_risk=MAX_ATTEMPTED_RISK + 1)


def test_the_variables_of_the_seed_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELF_IMPROVEMENT_ENABLED", "false")
    monkeypatch.setenv("IMPROVEMENT_SCAN_INTERVAL", "600")
    monkeypatch.setenv("IMPROVEMENT_MAX_RISK_LEVEL", "3")
    monkeypatch.setenv("IMPROVEMENT_AUTO_APPLY_MAX_RISK", "2")
    settings = load_settings()
    assert not settings.backlog_enabled
    assert (settings.scan_interval_s, settings.improvement_max_risk) == (600, 3)
    assert settings.auto_apply_max_risk == 2
    assert origins() == VARIABLES


def test_the_file_of_the_seed_is_read(folder: Path) -> None:
    write(folder, THE_FILE)
    settings = load_settings()
    assert not settings.backlog_enabled
    assert (settings.scan_interval_s, settings.improvement_max_risk) == (7200, 6)
    assert (settings.auto_apply_max_risk, settings.test_coverage) == (4, 0.9)
    assert not settings.require_human_approval
    assert settings.ticket_sources_on == set(TICKET_SOURCES) - {"performance"}
    assert settings.quality_gates == "secret_scan, loop_metrics"
    found = origins()
    assert found["scan_interval_s"] == "honed.json: self_improvement.scan_interval_hours"
    assert found["test_coverage"] == "honed.json: self_improvement.quality_gates.test_coverage"
    assert found["ticket_sources"] == "honed.json: self_improvement.sources"


def test_the_nearer_name_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ways = [
        ("honed.json: self_improvement.max_risk_level", 6),
        ("honed.toml", 5),
        ("IMPROVEMENT_MAX_RISK_LEVEL", 4),
        ("HONED_IMPROVEMENT_MAX_RISK", 3),
    ]
    write(folder, {"self_improvement": {"max_risk_level": 6}})
    for origin, value in ways:
        if origin == "honed.toml":
            (folder / origin).write_text(f"improvement_max_risk = {value}\n")
        elif "json" not in origin:
            monkeypatch.setenv(origin, str(value))
        assert load_settings().improvement_max_risk == value
        assert origins() == {**origins(), "improvement_max_risk": origin}
    assert load_settings(improvement_max_risk=2).improvement_max_risk == 2


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"self_improvement": {"max_risk_level": 9}}, "self_improvement.max_risk_level"),
        ({"self_improvement": {"scan_interval_hours": "often"}}, "scan_interval_hours"),
        ({"self_improvement": {"scan_interval_hours": True}}, "scan_interval_hours"),
        ({"self_improvement": {"speed": 1}}, "no setting self_improvement.speed"),
        ({"improvement": {}}, "no setting improvement"),
        ({"self_improvement": {"sources": {"logs": True}}}, "self_improvement.sources.logs"),
        ({"self_improvement": {"sources": {"performance": "no"}}}, "neither true nor false"),
        ({"self_improvement": {"quality_gates": []}}, "self_improvement.quality_gates is no table"),
        ([], "it is no table"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(folder: Path, said: object, complaint: str) -> None:
    write(folder, said)
    with pytest.raises(ConfigurationError, match=complaint) as refused:
        load_settings()
    assert refused.value.hint


def test_a_file_that_is_not_json_is_named(folder: Path) -> None:
    (folder / "honed.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"honed\.json cannot be read"):
        load_settings()


def test_a_wrong_variable_is_named_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPROVEMENT_MAX_RISK_LEVEL", "high")
    with pytest.raises(ConfigurationError, match=r"\(IMPROVEMENT_MAX_RISK_LEVEL\)"):
        load_settings()


@pytest.mark.parametrize("sources", ["logs", "code,logs", "code;test", "manual"])
def test_a_source_that_nobody_knows_is_refused(sources: str) -> None:
    with pytest.raises(ConfigurationError, match="ticket_sources"):
        load_settings(ticket_sources=sources)


def test_sources_can_be_switched_off_one_by_one() -> None:
    assert Settings(ticket_sources="code, test").ticket_sources_on == {"code", "test"}
    assert Settings(ticket_sources="").ticket_sources_on == set()
