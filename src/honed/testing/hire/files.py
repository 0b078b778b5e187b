"""The sources of a small service that lets bikes, as they are right: no fault is in them.

It has several modules on a database of PostgreSQL, and one way in, ``hire.web.handle``.
"""

from collections.abc import Mapping
from typing import Final

_SCHEMA: Final = """
CREATE TABLE bike (
    bike_id bigint PRIMARY KEY,
    model text NOT NULL,
    frame_number text NOT NULL,
    battery_percent integer NOT NULL DEFAULT 100,
    last_ride_at timestamptz
);
CREATE TABLE rider (
    rider_id bigint PRIMARY KEY,
    first_name text NOT NULL,
    last_name text NOT NULL,
    nickname text,
    language text NOT NULL DEFAULT 'en'
);
CREATE TABLE booking (
    booking_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bike_id bigint NOT NULL REFERENCES bike,
    rider_id bigint NOT NULL REFERENCES rider,
    due_at timestamptz NOT NULL,
    returned_at timestamptz
);
CREATE TABLE sighting (
    bike_id bigint NOT NULL REFERENCES bike,
    kind text NOT NULL,
    place text NOT NULL,
    seen_at timestamptz NOT NULL
);
"""

_STORE: Final = '''
"""The database: connections, and rows as they are."""

import psycopg
from psycopg.rows import dict_row


def connect(url):
    """Return a connection whose rows are dictionaries."""
    return psycopg.connect(url, row_factory=dict_row)


def bike(conn, bike_id):
    """Return a bike's row; None: there is none."""
    return conn.execute("SELECT * FROM bike WHERE bike_id = %s", [bike_id]).fetchone()


def rider(conn, rider_id):
    """Return a rider's row; None: there is none."""
    return conn.execute("SELECT * FROM rider WHERE rider_id = %s", [rider_id]).fetchone()


def hold(conn, bike_id):
    """Keep everybody else from booking a bike until the transaction ends."""
    conn.execute("SELECT 1 FROM bike WHERE bike_id = %s FOR UPDATE NOWAIT", [bike_id])


def book(conn, bike_id, rider_id, due_at):
    """Book a bike and return the booking's number."""
    hold(conn, bike_id)
    row = conn.execute(
        "INSERT INTO booking (bike_id, rider_id, due_at) VALUES (%s, %s, %s) RETURNING booking_id",
        [bike_id, rider_id, due_at],
    ).fetchone()
    return row["booking_id"]


def last_place(conn, bike_id):
    """Return where a bike was seen last; empty: nobody has seen it yet."""
    found = ""
    rows = conn.execute(
        "SELECT kind, place FROM sighting WHERE bike_id = %s ORDER BY seen_at", [bike_id]
    )
    for row in rows:
        if row["kind"] == "seen":
            found = row["place"]
    return found
'''

_FLEET: Final = '''
"""Bikes: their models, their batteries, when they are serviced."""

from datetime import datetime

MODELS = {"city": 18, "cargo": 41, "kids": 9}
BANDS = ("empty", "low", "half", "good", "full")


def weight_kg(model: str) -> int:
    """Return what a bike of a model weighs; what is no model is a mistake in the data."""
    return MODELS[model]


def battery_band(percent: int) -> str:
    """Return how full a battery is, in words: each stands for a fifth."""
    return BANDS[min(percent * len(BANDS) // 100, len(BANDS) - 1)]


def idle_hours(now: datetime, last_ride_at: datetime | None) -> float:
    """Return for how many hours nobody has ridden a bike; 0.0 where nobody ever has."""
    if last_ride_at is None:
        return 0.0
    return (now - last_ride_at).total_seconds() / 3600


def free_docks(taken: list[int], docks: list[int] | None = None) -> list[int]:
    """Return the docks of a station that are free; most stations have six."""
    free = list(docks) if docks is not None else [1, 2, 3, 4, 5, 6]
    for dock in taken:
        free.remove(dock)
    return free


def position(message: dict) -> tuple[float, float]:
    """Return latitude and longitude of what a bike's tracker sends, in either of its formats."""
    place = message["position"]
    if place["format"] == "short":
        return place["lat"], place["lon"]
    return place["latitude"], place["longitude"]
'''

_BOOKINGS: Final = '''
"""Bookings: how long they last, whether they were late."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Booking:
    """A bike that is out, or was."""

    number: int
    due_at: datetime
    returned_at: datetime | None = None


def came_late(booking: Booking) -> bool:
    """Return whether a bike was brought back after its time; one that is still out was not."""
    return booking.returned_at is not None and booking.returned_at > booking.due_at


def length_hours(begins_at: datetime, ends_at: datetime) -> float:
    """Return how long a booking lasts."""
    if ends_at <= begins_at:
        raise ValueError("a booking ends after it begins")
    return (ends_at - begins_at).total_seconds() / 3600


def parse_days(text: str) -> int | None:
    """Return for how many days somebody asks; None: it is not said, or is no number."""
    try:
        return int(text)
    except (TypeError, ValueError):
        return None
'''

_PRICES: Final = '''
"""What a ride costs."""

TARIFFS = {"hour": 300, "day": 1200, "week": 6000}
SEASONS = {month: "summer" if 4 <= month <= 9 else "winter" for month in range(1, 13)}


def tariff_cents(name: str) -> int:
    """Return the price of a tariff, as people write its name."""
    return TARIFFS[name.strip().lower()]


def season(month: int) -> str:
    """Return the season of a month, 1 to 12."""
    return SEASONS[month]


def price_cents(tariff: str, units: int, month: int) -> int:
    """Return the price of a booking; in winter a fifth less."""
    full = tariff_cents(tariff) * units
    return full * 4 // 5 if season(month) == "winter" else full
'''

_INVOICES: Final = '''
"""Invoices and the letters that go with them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Invoice:
    """What a rider owes."""

    number: int
    total_cents: int


@dataclass(frozen=True)
class Rider:
    """Who rides."""

    rider_id: int
    first_name: str
    last_name: str
    nickname: str | None = None


GREETINGS = {"en": "Hello", "nl": "Hallo", "fr": "Bonjour"}


def euros(cents: int) -> str:
    """Return an amount as people read it."""
    return f"{cents // 100}.{cents % 100:02d} EUR"


def reminder(invoice: Invoice, level: int) -> str:
    """Return what a rider is told who has not paid: friendly at first."""
    if level == 1:
        return f"Have you forgotten invoice {invoice.number} of {euros(invoice.total_cents)}?"
    return f"Invoice {invoice.number} is overdue: pay {euros(invoice.total_cents)} now."


def display_name(rider: Rider) -> str:
    """Return how a rider wants to be called: by the nickname, where there is one."""
    nickname = (rider.nickname or "").strip()
    return nickname or f"{rider.first_name} {rider.last_name}"


def greeting(language: str) -> str:
    """Return how a letter begins; whoever speaks no language of ours is greeted in English."""
    return GREETINGS[language] if language in GREETINGS else GREETINGS["en"]
'''

_REPORTS: Final = '''
"""Figures of the day for the people of the depot."""


def percent(part: int, whole: int) -> int:
    """Return which percentage of the whole a part is; the whole is not zero."""
    return round(100 * part / whole)


def occupancy(bikes: int, out: int) -> int:
    """Return which percentage of the bikes is out."""
    return percent(out, bikes)


def median_minutes(minutes: list[int]) -> float:
    """Return the median length of rides; there has to be one."""
    ordered = sorted(minutes)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return (ordered[half - 1] + ordered[half]) / 2
'''

_STATIONS: Final = '''
"""What other companies tell: their stations as CSV, the weather, photos."""

import json
from pathlib import Path


def seats(row: dict[str, str]) -> int:
    """Return for how many people a bike is; where a partner leaves it out, for one."""
    return int(row.get("seats", "1"))


def forecast(body: str) -> dict[str, float]:
    """Return temperatures by hour as the weather service tells them."""
    told = json.loads(body)
    return {hour: float(value) for hour, value in told["hours"].items()}


def keep_photo(folder: Path, name: str, content: bytes) -> int:
    """Write a photo of a damage and return its size."""
    return (folder / f"{name}.jpg").write_bytes(content)
'''

_WEB: Final = '''
"""The way in: a request is answered, and what goes wrong is reported."""

import logging
from datetime import datetime
from pathlib import Path

import sentry_sdk

from hire import bookings, fleet, invoices, prices, reports, stations, store

log = logging.getLogger("hire")


def handle(conn, path, asked):
    """Return the status and the answer of one request."""
    try:
        return 200, ROUTES[path](conn, asked)
    except Exception:
        # The transaction is lost, the service is not.
        if conn is not None:
            conn.rollback()
        sentry_sdk.capture_exception()
        return 500, "we have been told"


def _book(conn, asked):
    begins_at, ends_at = map(datetime.fromisoformat, (asked["from"], asked["to"]))
    hours = bookings.length_hours(begins_at, ends_at)
    number = store.book(conn, asked["bike"], asked["rider"], ends_at)
    return {"booking": number, "hours": hours}


def _bike(conn, asked):
    row = store.bike(conn, asked["bike"])
    idle = fleet.idle_hours(datetime.fromisoformat(asked["now"]), row["last_ride_at"])
    return {"battery": fleet.battery_band(row["battery_percent"]), "idle": idle}


def _letter(conn, asked):
    row = store.rider(conn, asked["rider"])
    names = {name: row[name] for name in ("rider_id", "first_name", "last_name", "nickname")}
    rider = invoices.Rider(**names)
    invoice = invoices.Invoice(asked["invoice"], asked["cents"])
    begin = f"{invoices.greeting(row['language'])} {invoices.display_name(rider)}"
    return f"{begin}, {invoices.reminder(invoice, asked['level'])}"


def _late(conn, asked):
    rows = conn.execute("SELECT * FROM booking WHERE bike_id = %s", [asked["bike"]]).fetchall()
    found = [bookings.Booking(row["booking_id"], row["due_at"], row["returned_at"]) for row in rows]
    return sum(bookings.came_late(each) for each in found)


ROUTES = {
    "/book": _book,
    "/bike": _bike,
    "/bike/weight": lambda conn, asked: fleet.weight_kg(store.bike(conn, asked["bike"])["model"]),
    "/bike/place": lambda conn, asked: store.last_place(conn, asked["bike"]),
    "/bike/message": lambda conn, asked: fleet.position(asked),
    "/late": _late,
    "/letter": _letter,
    "/docks": lambda conn, asked: fleet.free_docks(asked["taken"]),
    "/days": lambda conn, asked: bookings.parse_days(asked["days"]),
    "/price": lambda conn, asked: prices.price_cents(
        asked["tariff"], asked["units"], asked["month"]
    ),
    "/report": lambda conn, asked: reports.occupancy(asked["bikes"], asked["out"]),
    "/report/rides": lambda conn, asked: reports.median_minutes(asked["minutes"]),
    "/partner": lambda conn, asked: [stations.seats(row) for row in asked["rows"]],
    "/weather": lambda conn, asked: stations.forecast(asked["body"]),
    "/photo": lambda conn, asked: stations.keep_photo(
        Path(asked["folder"]), asked["name"], b"a photo"
    ),
}
'''

#: By path from the root.
SOURCES: Final[Mapping[str, str]] = {
    "schema.sql": _SCHEMA,
    "src/hire/__init__.py": '"""A service that lets bikes."""\n',
    "src/hire/store.py": _STORE,
    "src/hire/fleet.py": _FLEET,
    "src/hire/bookings.py": _BOOKINGS,
    "src/hire/prices.py": _PRICES,
    "src/hire/invoices.py": _INVOICES,
    "src/hire/reports.py": _REPORTS,
    "src/hire/stations.py": _STATIONS,
    "src/hire/web.py": _WEB,
}
