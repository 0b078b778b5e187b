"""What settings are also called: variables, and keys of a JSON file (seed 003, "Configuration").

The names of honed's own are stronger: a variable ``HONED_...`` wins over one from here, and
``honed.toml`` over the JSON file.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from honed.errors import ConfigurationError

#: Settings whose variable is known under another name, too.
VARIABLES: Final[Mapping[str, str]] = {
    "backlog_enabled": "SELF_IMPROVEMENT_ENABLED",
    "scan_interval_s": "IMPROVEMENT_SCAN_INTERVAL",
    "improvement_max_risk": "IMPROVEMENT_MAX_RISK_LEVEL",
    "auto_apply_max_risk": "IMPROVEMENT_AUTO_APPLY_MAX_RISK",
}
#: The file, in the working directory; its one key is ``_TABLE``.
FILE: Final = "honed.json"
_TABLE: Final = "self_improvement"
#: Keys of that table, and the setting of each; the others need more than another name.
_KEYS: Final[Mapping[str, str]] = {
    "enabled": "backlog_enabled",
    "max_risk_level": "improvement_max_risk",
    "auto_apply_max_risk": "auto_apply_max_risk",
    "require_manual_review": "require_human_approval",
}
_HOURS: Final = "scan_interval_hours"
#: What the two lists are unless something is said; the file switches some of it on or off.
DEFAULT_SOURCES: Final = "exception, performance, test, feedback, cost, forecast"
DEFAULT_GATES: Final = "mcp_doctor, secret_scan, loop_metrics"
#: Keys of its table ``sources``, and what honed calls each.
_SOURCES: Final[Mapping[str, str]] = {
    "exceptions": "exception",
    "performance": "performance",
    "user_feedback": "feedback",
    "code_analysis": "code",
}
#: Keys of its table ``quality_gates`` that are switches; honed has the same names.
_GATES: Final = ("mcp_doctor", "secret_scan", "loop_metrics")
_COVERAGE: Final = "test_coverage"


class Alias(NamedTuple):
    """A value that came under another name."""

    value: object
    #: The variable, or the file and the key.
    origin: str


def in_environment() -> dict[str, Alias]:
    """Return by setting what the environment says under another name."""
    return {
        setting: Alias(os.environ[variable], variable)
        for setting, variable in VARIABLES.items()
        if variable in os.environ
    }


def in_file() -> dict[str, Alias]:
    """Return by setting what the JSON file says; nothing where there is none.

    Raises:
        ConfigurationError: it is not JSON, or it has a key that is unknown or no table.
    """
    try:
        said = json.loads(Path(FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        msg = f"{FILE} cannot be read: {error}"
        raise ConfigurationError(msg, hint="correct it, or move it away") from error
    whole = _part(said, "", (_TABLE,))
    table = _part(whole.get(_TABLE, {}), _TABLE, (*_KEYS, _HOURS, "sources", "quality_gates"))
    sources = _part(table.pop("sources", {}), f"{_TABLE}.sources", _SOURCES)
    gates = _part(table.pop("quality_gates", {}), f"{_TABLE}.quality_gates", (*_GATES, _COVERAGE))
    found = {_KEYS[key]: _alias(value, key) for key, value in table.items() if key in _KEYS}
    if _HOURS in table:
        found["scan_interval_s"] = _alias(_seconds(table[_HOURS]), _HOURS)
    if _COVERAGE in gates:
        found[_COVERAGE] = _alias(gates.pop(_COVERAGE), f"quality_gates.{_COVERAGE}")
    if sources:
        switched = {_SOURCES[key]: is_on for key, is_on in sources.items()}
        found["ticket_sources"] = _alias(_switched(DEFAULT_SOURCES, switched), "sources")
    if gates:
        found["quality_gates"] = _alias(_switched(DEFAULT_GATES, gates), "quality_gates")
    return found


def _part(said: object, where: str, known: Mapping[str, str] | tuple[str, ...]) -> dict[str, Any]:
    """Return a table of the file, if every key in it is known."""
    if not isinstance(said, dict):
        msg = f"{FILE}: {where or 'it'} is no table"
        raise ConfigurationError(msg, hint="correct it, or move it away")
    unknown = sorted(key for key in said if key not in known)
    if unknown:
        msg = f"{FILE}: there is no setting {'.'.join(filter(None, (where, unknown[0])))}"
        raise ConfigurationError(msg, hint=f"known there: {', '.join(known)}")
    return dict(said)


def _switched(default: str, switched: Mapping[str, object]) -> str:
    """Return the names of a list with commas, less those switched off, with those switched on."""
    names = dict.fromkeys(name.strip() for name in default.split(","))
    for name, is_on in switched.items():
        if not isinstance(is_on, bool):
            msg = f"{FILE}: the switch of {name} is {is_on!r}, and neither true nor false"
            raise ConfigurationError(msg, hint="correct it, or move it away")
        if is_on:
            names[name] = None
        else:
            names.pop(name, None)
    return ", ".join(names)


def _seconds(hours: object) -> object:
    # What is no number is for the settings to complain about.
    is_number = isinstance(hours, (int, float)) and not isinstance(hours, bool)
    return hours * 3600 if is_number else str(hours)  # type: ignore[operator]  # checked


def _alias(value: object, key: str) -> Alias:
    return Alias(value, f"{FILE}: {_TABLE}.{key}")
