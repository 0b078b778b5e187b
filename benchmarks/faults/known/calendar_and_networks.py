"""Dates, times and addresses as people write them."""

# ruff: noqa: D103, PLW0108 - its bugs are what matters here

import datetime as dt
import ipaddress
import zoneinfo
from collections.abc import Callable
from functools import partial

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


def day(text: str) -> dt.date:
    return dt.datetime.strptime(text, "%Y-%m-%d").astimezone(dt.UTC).date()


def birthday(year: int, month: int, day_of_month: int) -> dt.date:
    return dt.date(year, month, day_of_month)


def overdue(due: str, now: dt.datetime = NOON) -> bool:
    return dt.datetime.fromisoformat(due) < now


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)


def allowed(address: str, networks: list[str]) -> bool:
    return any(ipaddress.ip_address(address) in network(text) for text in networks)


def holidays(lines: str) -> list[dt.date]:
    return [day(line) for line in lines.splitlines()]


def invoices(dues: list[str]) -> list[str]:
    return sorted(dues, key=lambda due: overdue(due))


def opening(zone: str) -> dt.datetime:
    return NOON.astimezone(zoneinfo.ZoneInfo(zone))


def shops(zones: list[str]) -> list[str]:
    return [opening(zone).isoformat() for zone in zones]


FAULTS: dict[str, list[Callable[[], object]]] = {
    "a day is written otherwise": [
        partial(day, "21.11.2026"),
        partial(holidays, "2026-12-25\n26 December"),
        partial(holidays, "2026-12-25 (Christmas)"),
        partial(day, ""),
    ],
    "a birthday is not in the calendar": [
        partial(birthday, 2026, 2, 30),
        partial(birthday, 1990, 13, 1),
        partial(birthday, 0, 1, 1),
    ],
    "a due time has no zone": [
        partial(overdue, "2026-11-20T10:00:00"),
        partial(overdue, "2026-11-22"),
        partial(invoices, ["2026-11-20T10:00:00+00:00", "2026-10-01"]),
    ],
    "a network names a host": [
        partial(network, "10.0.0.1/8"),
        partial(allowed, "10.1.2.3", ["192.168.17.4/24"]),
        partial(allowed, "::1", ["fe80::1/64"]),
    ],
    "a network is no network": [
        partial(network, "office"),
        partial(allowed, "10.1.2.3", ["10.0.0.0/99"]),
        partial(allowed, "::1", ["300.1.1.1"]),
    ],
    "a shop is in an unknown zone": [
        partial(opening, "Europe/Utrecht"),
        partial(shops, ["Europe/Berlin", "Mars"]),
        partial(shops, ["UTC+25"]),
    ],
}
