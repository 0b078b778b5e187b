"""Payments, whose errors are translated, retried and reported."""

# ruff: noqa: D101, D102, D103, EM102, PTH123, TRY003 - its bugs are what matters here

import time
from collections.abc import Callable
from functools import partial, wraps

RATES = {"EUR": 1.0, "USD": 1.08}


class PaymentFailed(Exception):
    """A payment did not go through."""


class GaveUp(Exception):
    """All attempts failed."""


class AuditLog:
    def __init__(self, name: str) -> None:
        self.name = name

    def write(self, text: str) -> str:
        return f"{self.name}: {text}"


def amount(euros: float, currency: str) -> float:
    return euros * RATES[currency]


def charged(reply: str) -> int:
    return int(reply.split("=")[1])


def charge(order: int, euros: float, currency: str, reply: str = "cents=1") -> int:
    try:
        return round(amount(euros, currency)) + charged(reply)
    except (LookupError, ValueError) as error:
        raise PaymentFailed(f"order {order} was not paid: {error}") from error


def retried(attempts: int) -> Callable:
    def decorate(function: Callable) -> Callable:
        @wraps(function)
        def wrapper(*args: object, **kwargs: object) -> object:
            for _ in range(attempts):
                try:
                    return function(*args, **kwargs)
                except OSError as error:
                    last = error
                    time.sleep(0)
            raise GaveUp(f"gave up after {attempts} attempts") from last

        return wrapper

    return decorate


@retried(3)
def notify(host: str) -> None:
    raise ConnectionResetError(104, "Connection reset by peer", host)


@retried(2)
def archive(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def audited(action: Callable, *arguments: object) -> object:
    try:
        return action(*arguments)
    except Exception as error:
        AuditLog("payments").append(str(error))
        raise


def pay_basket(orders: list[int], currency: str) -> list[int]:
    return [charge(order, 10.0, currency) for order in orders]


def subscribe(order: int, reply: str) -> int:
    return charge(order, 5.0, "EUR", reply)


FAULTS: dict[str, list[Callable[[], object]]] = {
    "a currency has no rate": [
        partial(charge, 17, 10.0, "GBP"),
        partial(charge, 18, 12.5, "CHF"),
        partial(pay_basket, [19, 20], "JPY"),
    ],
    "the provider's reply has no amount": [
        partial(subscribe, 21, "cents=?"),
        partial(subscribe, 22, "cents=none"),
        partial(charge, 23, 10.0, "EUR", "cents="),
    ],
    "the provider's reply has no equals sign": [
        partial(subscribe, 24, "declined"),
        partial(charge, 25, 10.0, "EUR", ""),
    ],
    "the audit log has no such method": [
        partial(audited, int, "seventeen"),
        partial(audited, {}.__getitem__, "GBP"),
        partial(audited, charge, 26, 10.0, "GBP"),
    ],
    "a receiver resets the connection": [
        partial(notify, "hooks.example"),
        partial(notify, "10.1.2.3"),
    ],
    "the archive cannot be read": [
        partial(archive, "/var/shop/2026/11/payments.bin"),
        partial(archive, "payments of may.bin"),
        partial(archive, "/nonexistent/4711"),
    ],
}
