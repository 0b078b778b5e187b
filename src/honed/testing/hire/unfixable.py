"""Five faults of the planted service that no change of code settles.

What is wrong is elsewhere, and every change that makes the error go away makes the service worse.
"""

from collections.abc import Sequence
from typing import Final

from honed.testing.hire.planted import Planted

_PERIOD: Final = {"rider": 7, "from": "2026-05-02T10:00Z", "to": "2026-05-02T12:30Z"}

UNFIXABLE: Final[Sequence[Planted]] = (
    Planted(
        "weather is down",
        "another service answers nonsense",
        [("/weather", {"body": "<html><h1>502 Bad Gateway</h1></html>"})],
        "JSONDecodeError",
        """
import pytest
from hire.stations import forecast

def test_nonsense_is_no_weather():
    with pytest.raises(ValueError):
        forecast("<html>")
""",
    ),
    Planted(
        "disk is full",
        "no room for a file",
        [("/photo", {"folder": "@full", "name": "dent"})],
        "OSError",
        """
import pytest
from hire.stations import keep_photo

def test_what_is_not_kept_is_told(tmp_path):
    with pytest.raises(OSError):
        keep_photo(tmp_path / "gone", "dent", b"1")
""",
    ),
    Planted(
        "no such model",
        "data that somebody typed wrong",
        [("/bike/weight", {"bike": 3})],
        "KeyError",
        """
import pytest
from hire.fleet import weight_kg

def test_what_is_no_model_weighs_nothing_that_one_knows():
    with pytest.raises(LookupError):
        weight_kg("crago")
""",
    ),
    Planted(
        "two at once",
        "a race of two requests",
        [("/book", {"bike": 1, **_PERIOD})],
        "LockNotAvailable",
        """
from hire.store import hold

class Busy:
    def execute(self, *asked):
        raise RuntimeError

def test_a_lock_is_asked_for():
    try:
        hold(Busy(), 1)
    except RuntimeError:
        return
    raise AssertionError
""",
        meanwhile="SELECT 1 FROM bike WHERE bike_id = 1 FOR UPDATE",
    ),
    Planted(
        "ends before it begins",
        "a refusal on purpose",
        [("/book", {**_PERIOD, "bike": 1, "to": "2026-05-02T09:00Z"})],
        "ValueError",
        """
from datetime import UTC, datetime
import pytest
from hire.bookings import length_hours

def test_it_is_refused():
    noon = datetime(2026, 5, 2, 12, tzinfo=UTC)
    with pytest.raises(ValueError):
        length_hours(noon, noon.replace(hour=9))
""",
    ),
)
