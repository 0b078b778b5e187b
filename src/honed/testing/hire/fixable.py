"""Fifteen faults of the planted service that a change of code settles."""

from collections.abc import Sequence
from typing import Final

from honed.testing.hire.planted import Planted

_ADA: Final = {"rider": 7, "invoice": 9, "cents": 500}
_BIKE: Final = {"now": "2026-05-02T12:00:00+00:00"}

FIXABLE: Final[Sequence[Planted]] = (
    Planted(
        "full battery",
        "off by one at the edge",
        [("/bike", {"bike": 1, **_BIKE})],
        "IndexError",
        """
from hire.fleet import BANDS, battery_band

def test_every_percentage():
    for percent in range(101):
        assert battery_band(percent) == BANDS[min(percent // 20, 4)]
""",
        path="src/hire/fleet.py",
        right="BANDS[min(percent * len(BANDS) // 100, len(BANDS) - 1)]",
        wrong="BANDS[percent * len(BANDS) // 100]",
    ),
    Planted(
        "no nickname",
        "no guard for None",
        [("/letter", {**_ADA, "rider": 8, "level": 1})],
        "AttributeError",
        """
import pytest
from hire.invoices import Rider, display_name

@pytest.mark.parametrize("nickname", [None, "", "  ", " Bo ", "Countess"])
def test_names(nickname):
    rider = Rider(8, "Grace", "Hopper", nickname)
    assert display_name(rider) == ((nickname or "").strip() or "Grace Hopper")
""",
        path="src/hire/invoices.py",
        right='nickname = (rider.nickname or "").strip()',
        wrong="nickname = rider.nickname.strip()",
    ),
    Planted(
        "short message",
        "wrong key",
        [("/bike/message", {"position": {"format": "short", "lat": 52.07, "lon": 4.3}})],
        "KeyError",
        """
from hire.fleet import position

def test_both_formats():
    for lat, lon in ((52.07, 4.3), (0.0, 0.0), (-1.5, 99.25)):
        assert position({"position": {"format": "short", "lat": lat, "lon": lon}}) == (lat, lon)
        place = {"format": "long", "latitude": lat, "longitude": lon}
        assert position({"position": place}) == (lat, lon)
""",
        path="src/hire/fleet.py",
        right='return place["lat"], place["lon"]',
        wrong='return place["lat"], place["lng"]',
        broke_in="Call the longitude as the map does",
    ),
    Planted(
        "still out",
        "wrong operator",
        [("/late", {"bike": 1})],
        "TypeError",
        """
from datetime import UTC, datetime
from hire.bookings import Booking, came_late

NOON = datetime(2026, 5, 2, 12, tzinfo=UTC)

def test_late_is_after_the_time_alone():
    assert not came_late(Booking(1, NOON, None))
    assert not came_late(Booking(1, NOON, NOON))
    assert not came_late(Booking(1, NOON, NOON.replace(hour=11)))
    assert came_late(Booking(1, NOON, NOON.replace(hour=13)))
""",
        path="src/hire/bookings.py",
        right="booking.returned_at is not None and booking.returned_at > booking.due_at",
        wrong="booking.returned_at is not None or booking.returned_at > booking.due_at",
        broke_in="Say it in one expression whether a bike came late",
    ),
    Planted(
        "nothing is out",
        "arguments in the wrong order",
        [("/report", {"bikes": 12, "out": 0})],
        "ZeroDivisionError",
        """
from hire.reports import occupancy, percent

def test_shares():
    for bikes in range(1, 20):
        for out in range(bikes + 1):
            assert occupancy(bikes, out) == round(100 * out / bikes) == percent(out, bikes)
""",
        path="src/hire/reports.py",
        right="percent(out, bikes)",
        wrong="percent(bikes, out)",
    ),
    Planted(
        "no seats",
        "wrong default",
        [("/partner", {"rows": [{"name": "Dock 4", "seats": "2"}, {"name": "Dock 9"}]})],
        "ValueError",
        """
from hire.stations import seats

def test_one_where_it_is_left_out():
    assert [seats({"seats": str(n)}) for n in range(1, 5)] == [1, 2, 3, 4]
    assert seats({}) == 1
""",
        path="src/hire/stations.py",
        right='row.get("seats", "1")',
        wrong='row.get("seats", "")',
    ),
    Planted(
        "spaces and capitals",
        "no strip, no lower",
        [("/price", {"tariff": " Week", "units": 1, "month": 6})],
        "KeyError",
        """
import pytest
from hire.prices import TARIFFS, tariff_cents

def test_however_it_is_written():
    for name, cents in TARIFFS.items():
        for written in (name, name.upper(), name.title(), f" {name}", f"{name} "):
            assert tariff_cents(written) == cents

def test_what_is_no_tariff_is_refused():
    with pytest.raises(KeyError):
        tariff_cents("year")
""",
        path="src/hire/prices.py",
        right="TARIFFS[name.strip().lower()]",
        wrong="TARIFFS[name]",
        broke_in="Look tariffs up directly",
    ),
    Planted(
        "even count",
        "a quotient for a whole number",
        [("/report/rides", {"minutes": [12, 30, 9, 41]})],
        "TypeError",
        """
import random, statistics
from hire.reports import median_minutes

def test_medians():
    chance = random.Random(7)
    for _ in range(200):
        minutes = [chance.randrange(90) for _ in range(chance.randrange(1, 9))]
        assert median_minutes(minutes) == statistics.median(minutes)
""",
        path="src/hire/reports.py",
        right="(ordered[half - 1] + ordered[half]) / 2",
        wrong="(ordered[len(ordered) / 2 - 1] + ordered[half]) / 2",
    ),
    Planted(
        "idle bike",
        "a method that is not called",
        [("/bike", {"bike": 2, **_BIKE})],
        "TypeError",
        """
from datetime import UTC, datetime, timedelta
from hire.fleet import idle_hours

NOON = datetime(2026, 5, 2, 12, tzinfo=UTC)

def test_hours():
    assert idle_hours(NOON, None) == 0.0
    for minutes in (0, 30, 60, 90, 1440, 2895):
        assert idle_hours(NOON, NOON - timedelta(minutes=minutes)) == minutes / 60
""",
        path="src/hire/fleet.py",
        right="(now - last_ride_at).total_seconds() / 3600",
        wrong="(now - last_ride_at).total_seconds / 3600",
    ),
    Planted(
        "second reminder",
        "wrong attribute",
        [("/letter", {**_ADA, "level": 2})],
        "AttributeError",
        """
from hire.invoices import Invoice, reminder

def test_amounts():
    for cents in (0, 5, 1205, 990000):
        said = f"{cents // 100}.{cents % 100:02d} EUR"
        assert reminder(Invoice(9, cents), 1) == f"Have you forgotten invoice 9 of {said}?"
        for level in (2, 3):
            assert reminder(Invoice(9, cents), level) == f"Invoice 9 is overdue: pay {said} now."
""",
        path="src/hire/invoices.py",
        right="is overdue: pay {euros(invoice.total_cents)} now",
        wrong="is overdue: pay {euros(invoice.total)} now",
        broke_in="Word the second reminder more firmly",
    ),
    Planted(
        "docks run out",
        "a default that is changed",
        [("/docks", {"taken": [2, 3]}), ("/docks", {"taken": [3]})],
        "ValueError",
        """
from hire.fleet import free_docks

def test_each_station_begins_with_all():
    for _ in range(3):
        assert free_docks([3]) == [1, 2, 4, 5, 6]
        assert free_docks([]) == [1, 2, 3, 4, 5, 6]
    assert free_docks([4], [4, 9]) == [9]
""",
        path="src/hire/fleet.py",
        right="""docks: list[int] | None = None) -> list[int]:
    \"""Return the docks of a station that are free; most stations have six.\"""
    free = list(docks) if docks is not None else [1, 2, 3, 4, 5, 6]
    for dock in taken:
        free.remove(dock)
    return free
""",
        wrong="""docks: list[int] = [1, 2, 3, 4, 5, 6]) -> list[int]:
    \"""Return the docks of a station that are free; most stations have six.\"""
    for dock in taken:
        docks.remove(dock)
    return docks
""",
    ),
    Planted(
        "december",
        "a bound that is too narrow",
        [("/price", {"tariff": "day", "units": 2, "month": 12})],
        "KeyError",
        """
import pytest
from hire.prices import season

def test_every_month():
    for month in range(1, 13):
        assert season(month) == ("summer" if 4 <= month <= 9 else "winter")
    for month in (-1, 0, 13, 14):
        with pytest.raises(KeyError):
            season(month)
""",
        path="src/hire/prices.py",
        right="for month in range(1, 13)",
        wrong="for month in range(1, 12)",
    ),
    Planted(
        "no number",
        "the wrong exception is caught",
        [("/days", {"days": "a few"})],
        "ValueError",
        """
import pytest
from hire.bookings import parse_days

@pytest.mark.parametrize("text", [None, "", "a few", "1.5", "x1", "7", " 3 ", "-2"])
def test_numbers(text):
    try:
        expected = int(text)
    except (TypeError, ValueError):
        expected = None
    assert parse_days(text) == expected
""",
        path="src/hire/bookings.py",
        right="except (TypeError, ValueError):",
        wrong="except TypeError:",
    ),
    Planted(
        "never seen",
        "a variable that is not set yet",
        [("/bike/place", {"bike": 2})],
        "UnboundLocalError",
        """
from hire.store import last_place

class Rows:
    def __init__(self, *rows):
        self.rows = rows

    def execute(self, *asked):
        return [{"kind": kind, "place": place} for kind, place in self.rows]

def test_places():
    assert last_place(Rows(), 1) == ""
    assert last_place(Rows(("lost", "bridge")), 1) == ""
    assert last_place(Rows(("seen", "harbour"), ("lost", "bridge")), 1) == "harbour"
    assert last_place(Rows(("seen", "harbour"), ("seen", "market")), 1) == "market"
""",
        path="src/hire/store.py",
        right='    found = ""\n    rows = conn.execute(',
        wrong="    rows = conn.execute(",
    ),
    Planted(
        "foreign language",
        "a fallback that is not there",
        [("/letter", {**_ADA, "rider": 9, "level": 1})],
        "KeyError",
        """
from hire.invoices import GREETINGS, greeting

def test_greetings():
    for language in ("en", "nl", "fr", "de", "", "xx"):
        assert greeting(language) == GREETINGS.get(language, "Hello")
""",
        path="src/hire/invoices.py",
        right='else GREETINGS["en"]',
        wrong='else GREETINGS["english"]',
    ),
)
