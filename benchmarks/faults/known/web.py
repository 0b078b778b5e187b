"""The shop's web application, called as a server calls it."""

# ruff: noqa: D101, D103, FAST002 - its bugs are what matters here

import asyncio
from collections.abc import Callable
from functools import partial, wraps

import httpx
from fastapi import Depends, FastAPI
from pydantic import BaseModel


class Rating(BaseModel):
    item: str
    stars: float


app = FastAPI()


def average(stars: list[int]) -> float:
    return sum(stars) / len(stars)


def newest(page: int = 1) -> list[int]:
    return [4, 5, 3][(page - 1) * 2]


def timed(function: Callable) -> Callable:
    @wraps(function)
    def wrapper(*args: object, **kwargs: object) -> object:
        return function(*args, **kwargs)

    return wrapper


@app.get("/items/{item}/stars")
async def stars(item: str) -> dict:
    return {"item": item, "stars": average([])}


@app.get("/best")
@timed
def best() -> dict:
    return {"stars": max(average([1, 2]), average([]))}


@app.get("/ratings/{item}", response_model=Rating)
async def rating(item: str) -> dict:
    return {"item": item} if item.startswith("a") else {"item": item, "stars": "many"}


@app.get("/newest")
async def news(first: int = Depends(newest)) -> int:
    return first


@app.get("/again")
@timed
def again(page: int) -> int:
    return newest(page)


async def get(path: str) -> int:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        return (await client.get(path)).status_code


def serve(path: str) -> int:
    return asyncio.run(get(path))


#: How many frames stand for the server; those of a real one are no frames of the application.
SERVER_FRAMES = {"serve", "get"}

FAULTS: dict[str, list[Callable[[], object]]] = {
    "an item without ratings has no average": [
        partial(serve, "/items/a-17/stars"),
        partial(serve, "/items/b-4/stars"),
        partial(serve, "/best"),
    ],
    "a rating does not fit its model": [
        partial(serve, "/ratings/a-17"),
        partial(serve, "/ratings/b-4"),
        partial(serve, "/ratings/b-5"),
    ],
    "a page lies behind the last": [
        partial(serve, "/newest?page=3"),
        partial(serve, "/newest?page=44"),
        partial(serve, "/again?page=5"),
    ],
}
