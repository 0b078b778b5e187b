"""Payloads of requests, which one function validates for all models."""

# ruff: noqa: D101, D103 - its bugs are what matters here

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial

from pydantic import BaseModel, Field


class Address(BaseModel):
    street: str
    number: int
    city: str = Field(min_length=2)


class Customer(BaseModel):
    name: str
    age: int = Field(ge=0)
    address: Address


def decode(model: type[BaseModel], payload: object) -> BaseModel:
    return model.model_validate(payload)


def move(payload: object) -> BaseModel:
    return decode(Address, payload)


def register(payload: object) -> BaseModel:
    return decode(Customer, payload)


def register_all(payloads: list) -> list[BaseModel]:
    return [register(payload) for payload in payloads]


def encode(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def receipt(number: int, amount: object) -> str:
    return encode({"number": number, "amount": amount})


def family(name: str) -> dict:
    parent: dict = {"name": name}
    parent["children"] = [{"name": "Ann", "parent": parent}]
    return parent


def tree(name: str) -> str:
    return encode(family(name))


FAULTS: dict[str, list[Callable[[], object]]] = {
    "an address does not validate": [
        partial(move, {"street": "Long Lane", "number": "four", "city": "Ely"}),
        partial(move, {"street": "Long Lane"}),
        partial(move, {"street": 4, "number": 4, "city": "E"}),
        partial(decode, Address, "Long Lane 4"),
    ],
    "a customer does not validate": [
        partial(register, {"name": "Jan", "age": -4, "address": {}}),
        partial(register, {"age": 44}),
        partial(register_all, [{"name": None, "age": "old", "address": None}]),
        partial(register_all, [17]),
    ],
    "a receipt has what JSON lacks": [
        partial(receipt, 1, Decimal("1.50")),
        partial(receipt, 2, dt.date(2026, 11, 21)),
        partial(receipt, 3, {1, 2, 3}),
        partial(encode, {"amount": Decimal(7)}),
    ],
    "a child knows its parent": [
        partial(tree, "Berta"),
        partial(tree, "Carl Otto"),
        partial(encode, family("Dora")),
    ],
}
