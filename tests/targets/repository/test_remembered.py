"""What was found is not looked for again, and never believed of another commit."""

from pathlib import Path

import pytest

from honed.core.canonical import Json
from honed.targets.repository.evidence import remembered as module
from honed.targets.repository.evidence.remembered import remembered


class Finder:
    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> Json:
        self.asked += 1
        return {"found": [self.asked, None, "ä"]}


def test_the_same_is_looked_for_once(tmp_path: Path) -> None:
    place, find = tmp_path / "home/remembered/1.json", Finder()
    first = remembered(place, "a", find)
    assert remembered(place, "a", find) == first == {"found": [1, None, "ä"]}
    assert remembered(place, "b", find) == {"found": [2, None, "ä"]}
    # The last answer alone is kept.
    assert remembered(place, "a", find) == {"found": [3, None, "ä"]}
    assert [each.name for each in place.parent.iterdir()] == ["1.json"]


def test_another_version_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, find = tmp_path / "1.json", Finder()
    remembered(place, "a", find)
    monkeypatch.setattr(module, "engine_digest", lambda: "newer")
    remembered(place, "a", find)
    assert find.asked == 2


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"about": 1, "found": 2}', "\0"])
def test_a_file_that_says_nothing_is_written_anew(tmp_path: Path, text: str) -> None:
    place, find = tmp_path / "1.json", Finder()
    place.write_text(text)
    remembered(place, "a", find)
    remembered(place, "a", find)
    assert find.asked == 1
