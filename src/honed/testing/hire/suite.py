"""The service's own tests, which see none of its faults, and what runs them."""

from collections.abc import Mapping
from typing import Final

_PROJECT: Final = """
[project]
name = "hire"
version = "1.4.0"
requires-python = ">=3.11"
dependencies = ["psycopg[binary]>=3.2", "sentry-sdk>=2"]

[tool.pytest.ini_options]
pythonpath = ["src"]
testpaths = ["tests"]
"""

_CONFTEST: Final = '''
import os
from pathlib import Path

import pytest

from hire import store


@pytest.fixture
def conn():
    """Return a connection to an empty database that may be thrown away, with the schema in it."""
    url = os.environ.get("HIRE_TEST_DATABASE")
    if not url:
        pytest.skip("HIRE_TEST_DATABASE names no database")
    with store.connect(url) as conn:
        conn.execute("CREATE SCHEMA shop; SET LOCAL search_path = shop")
        conn.execute((Path(__file__).parents[1] / "schema.sql").read_text())
        conn.execute("INSERT INTO bike (bike_id, model, frame_number) VALUES (1, 'city', 'A1')")
        conn.execute("INSERT INTO rider VALUES (7, 'Ada', 'Byron', 'Countess', 'en')")
        yield conn
        conn.rollback()
'''

_STORE: Final = """
from datetime import UTC, datetime

from hire import store

WHEN = datetime(2026, 5, 2, 12, tzinfo=UTC)


def test_rows(conn):
    assert store.bike(conn, 1)["model"] == "city"
    assert store.bike(conn, 2) is None
    assert store.rider(conn, 7)["first_name"] == "Ada"


def test_a_booking_has_a_number(conn):
    assert store.book(conn, 1, 7, WHEN) != store.book(conn, 1, 7, WHEN)


def test_the_newest_sighting_counts(conn):
    for day, place in ((1, "harbour"), (2, "market")):
        conn.execute(
            "INSERT INTO sighting VALUES (1, 'seen', %s, %s)", [place, WHEN.replace(day=day)]
        )
    assert store.last_place(conn, 1) == "market"
"""

_FLEET: Final = """
from datetime import UTC, datetime

import pytest

from hire.fleet import battery_band, free_docks, idle_hours, position, weight_kg


@pytest.mark.parametrize(
    ("percent", "band"),
    [(0, "empty"), (19, "empty"), (20, "low"), (45, "half"), (60, "good"), (99, "full")],
)
def test_battery_band(percent, band):
    assert battery_band(percent) == band


def test_a_new_bike_is_not_idle():
    assert idle_hours(datetime(2026, 5, 2, tzinfo=UTC), None) == 0.0


def test_weight():
    assert weight_kg("cargo") == 41


def test_free_docks():
    assert free_docks([2, 5], [1, 2, 3, 4, 5]) == [1, 3, 4]
    assert free_docks([2]) == [1, 3, 4, 5, 6]


def test_position():
    place = {"format": "long", "latitude": 52.1, "longitude": 4.3}
    assert position({"bike": 4, "position": place}) == (52.1, 4.3)
"""

_BOOKINGS: Final = """
from datetime import UTC, datetime

from hire.bookings import Booking, came_late, length_hours, parse_days

NOON = datetime(2026, 5, 2, 12, tzinfo=UTC)


def test_late():
    assert came_late(Booking(1, NOON, NOON.replace(hour=14)))


def test_length():
    assert length_hours(NOON, NOON.replace(hour=14)) == 2.0


def test_days():
    assert parse_days("3") == 3
    assert parse_days(None) is None
"""

_PRICES: Final = """
import pytest

from hire.prices import price_cents, season, tariff_cents


@pytest.mark.parametrize(("month", "name"), [(1, "winter"), (4, "summer"), (10, "winter")])
def test_season(month, name):
    assert season(month) == name


def test_there_is_no_month_0():
    with pytest.raises(KeyError):
        season(0)


def test_prices():
    assert tariff_cents("day") == 1200
    assert price_cents("hour", 2, 7) == 600
    assert price_cents("week", 1, 1) == 4800
"""

_INVOICES: Final = """
from hire.invoices import Invoice, Rider, display_name, euros, greeting, reminder


def test_euros():
    assert euros(1205) == "12.05 EUR"


def test_the_first_reminder_is_friendly():
    assert reminder(Invoice(9, 500), 1) == "Have you forgotten invoice 9 of 5.00 EUR?"


def test_names():
    assert display_name(Rider(1, "Ada", "Byron", " Countess ")) == "Countess"
    assert display_name(Rider(1, "Ada", "Byron", "")) == "Ada Byron"


def test_greeting():
    assert greeting("nl") == "Hallo"
    assert greeting("en") == "Hello"
"""

_REPORTS: Final = """
from hire.reports import median_minutes, occupancy, percent


def test_percent():
    assert percent(1, 3) == 33
    assert percent(0, 5) == 0


def test_occupancy_when_all_are_out():
    assert occupancy(12, 12) == 100


def test_median():
    assert median_minutes([9, 30, 12]) == 12
"""

_STATIONS: Final = """
from hire.stations import forecast, keep_photo, seats


def test_seats():
    assert seats({"seats": "2"}) == 2


def test_forecast():
    assert forecast('{"hours": {"12": 18, "13": 18.5}}') == {"12": 18.0, "13": 18.5}


def test_photos_are_kept(tmp_path):
    assert keep_photo(tmp_path, "dent", b"1234") == 4
    assert (tmp_path / "dent.jpg").read_bytes() == b"1234"
"""

_WEB: Final = """
from hire.web import handle


def test_prices_are_told():
    assert handle(None, "/price", {"tariff": "day", "units": 3, "month": 6}) == (200, 3600)


def test_bookings_are_made(conn):
    asked = {"bike": 1, "rider": 7, "from": "2026-05-02T10:00Z", "to": "2026-05-02T12:30Z"}
    status, answer = handle(conn, "/book", asked)
    assert (status, answer["hours"]) == (200, 2.5)
"""

#: By path from the root.
SUITE: Final[Mapping[str, str]] = {
    "README.md": "# hire\n\nLets bikes: `hire.web.handle`. Tests: `pytest`.\n",
    "CHANGELOG.md": "# Changes\n\n## 1.4.0\n- Reminders have levels.\n",
    "pyproject.toml": _PROJECT,
    "tests/conftest.py": _CONFTEST,
    "tests/test_store.py": _STORE,
    "tests/test_fleet.py": _FLEET,
    "tests/test_bookings.py": _BOOKINGS,
    "tests/test_prices.py": _PRICES,
    "tests/test_invoices.py": _INVOICES,
    "tests/test_reports.py": _REPORTS,
    "tests/test_stations.py": _STATIONS,
    "tests/test_web.py": _WEB,
}
