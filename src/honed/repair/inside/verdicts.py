"""What comes of what was said while candidates were tried."""

from typing import Any


def by_number(told: list[Any]) -> dict[int, list[Any]]:
    """Return what was said behind each number."""
    said: dict[int, list[Any]] = {}
    for each in told:
        if isinstance(each, int):
            said[each] = []
            own = said[each]
        elif isinstance(each, dict):
            own.append(each)
    return said


def judged(said: list[Any], request: dict[str, Any]) -> dict[str, Any]:
    """Return what a candidate's tests amount to."""
    failing, passing = request["failing"], request["passing"]
    outcomes = {each["key"]: each["outcome"] for each in said}
    flipped = [key for key in failing if outcomes.get(key) == "passed"]
    is_well = all(outcome == "passed" for outcome in outcomes.values())
    ended = "timeout" if "timeout" in outcomes.values() else "ran"
    if is_well and len(outcomes) < len({*failing, *passing}):
        # It was all well until it said no more.
        ended = "died"
    return {
        "ended": ended,
        "flipped": flipped,
        "is_plausible": is_well and ended == "ran",
        "broken": next((key for key in passing if outcomes.get(key, "passed") != "passed"), None),
        "where": [
            [each["key"], each.get("error", ""), (each.get("stack") or [[None, 0]])[-1][1]]
            for each in said
            if each["outcome"] != "passed"
        ],
    }
