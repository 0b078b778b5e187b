"""What customers see: pages, forms, documents."""

# ruff: noqa: D101, D102, D103, EM101, EM102, S106, TRY003 - its bugs are what matters here

import asyncio
from collections.abc import Callable
from enum import IntEnum
from functools import partial, singledispatch

import httpx
import pygments.lexers
from fastapi import FastAPI, HTTPException, Request
from markdown_it import MarkdownIt
from pydantic import BaseModel, Field, field_validator, model_validator
from pydantic_settings import BaseSettings
from starlette.middleware.base import BaseHTTPMiddleware
from tabulate import tabulate


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Form(BaseModel):
    name: str
    size: int = Field(default=1, le=2)

    @field_validator("name")
    @classmethod
    def lookup(cls, value: str) -> str:
        return NAMES[value]

    @model_validator(mode="after")
    def fits(self) -> "Form":
        if self.size == 2 and self.name == "lamp":
            raise ValueError("a lamp is small")
        return self


class Settings(BaseSettings):
    workers: int
    secret: str


NAMES = {"lamp": "lamp", "desk": "desk"}
app = FastAPI()


@app.middleware("http")
async def measured(request: Request, call_next: Callable) -> object:
    return await call_next(request)


class Audit(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Callable) -> object:
        answer = await call_next(request)
        answer.headers["x-user"] = request.state.user
        return answer


app.add_middleware(Audit)


def user(request: Request) -> dict:
    return {"a-17": {"name": "Jan"}}[request.headers["x-token"]]


@app.get("/me")
async def me(request: Request) -> dict:
    return {"name": user(request)["name"]}


@app.get("/orders/{number}")
def order(request: Request, number: int) -> dict:
    return {"owner": user(request)["name"], "lines": LINES[number].split(",")}


@app.get("/open")
async def opened() -> dict:
    return {}


LINES = ["lamp,desk", None]


def serve(path: str, **headers: str) -> int:
    async def get() -> int:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
            return (await client.get(path, headers=headers)).status_code

    return asyncio.run(get())


def submit(fields: dict) -> Form:
    return Form.model_validate(fields)


def upload(form: str) -> Form:
    return Form.model_validate_json(form)


def configured(**values: object) -> Settings:
    return Settings(**values)


def sized(value: int) -> Size:
    return Size(value)


def sizes(values: list[int]) -> list[str]:
    return [sized(value).name for value in values]


def highlighted(language: str) -> object:
    return pygments.lexers.get_lexer_by_name(language)


def page(text: object) -> str:
    return MarkdownIt().render(text)


def table(rows: list, style: str) -> str:
    return tabulate(rows, headers="keys", tablefmt=style)


@singledispatch
def shown(value: object) -> str:
    raise NotImplementedError(f"no view of {type(value).__name__}")


@shown.register
def _(value: str) -> str:
    return value


def view(*values: object) -> str:
    return "\n".join(shown(value) for value in values)


def refuse(path: str, status: int) -> None:
    raise HTTPException(status, f"{path} is not for you")


SERVER_FRAMES = {"serve", "get"}

FAULTS: dict[str, list[Callable[[], object]]] = {
    "a request has no token": [partial(serve, "/me"), partial(serve, "/orders/0")],
    "a token is unknown": [
        partial(serve, "/me", **{"x-token": "b-4"}),
        partial(serve, "/orders/0", **{"x-token": "c-1"}),
        partial(serve, "/me", **{"x-token": "zz"}),
    ],
    "an order has no lines": [partial(serve, "/orders/1", **{"x-token": "a-17"})],
    "an order is not there": [
        partial(serve, "/orders/2", **{"x-token": "a-17"}),
        partial(serve, "/orders/400", **{"x-token": "a-17"}),
    ],
    "the audit has no user": [partial(serve, "/open"), partial(serve, "/open?page=2")],
    "a form names an unknown article": [
        partial(submit, {"name": "sofa"}),
        partial(submit, {"name": "garden table", "size": 2}),
    ],
    "a form does not validate": [
        partial(submit, {"name": "lamp", "size": 3}),
        partial(submit, {}),
        partial(submit, {"name": "lamp", "size": 2}),
    ],
    "an uploaded form does not validate": [
        partial(upload, "{}"),
        partial(upload, '{"name": 3}'),
        partial(upload, "name=lamp"),
    ],
    "settings are missing": [
        partial(configured),
        partial(configured, workers=3),
        partial(configured, workers="many", secret="x"),
    ],
    "a size is unknown": [partial(sized, 3), partial(sizes, [1, 2, 17])],
    "a language is unknown": [partial(highlighted, "pyton"), partial(highlighted, "klingon")],
    "a page is no text": [partial(page, None), partial(page, b"# bytes"), partial(page, 17)],
    "a table has rows of no kind": [partial(table, [1, 2], "plain"), partial(table, [17], "grid")],
    "a value has no view": [partial(view, "a", 17), partial(view, None), partial(view, [1.5])],
    "a customer is refused": [partial(refuse, "/admin", 403), partial(refuse, "/users/17", 401)],
}
