"""Answers of a checked form: the JSON schema that a model gets, and the check of what it says."""

import json
import re
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, Final, cast

from pydantic import TypeAdapter, ValidationError

from honed.core.canonical import Json
from honed.errors import AnswerRefused
from honed.llm.model import ValueT

#: What every provider takes of a schema; what else it says is checked here alone.
_SENT: Final = frozenset(
    {"type", "properties", "required", "additionalProperties", "enum", "items", "description",
     "const", "anyOf", "$ref", "$defs"}
)  # fmt: skip
#: Under these, names are the author's own.
_NAMED: Final = frozenset({"properties", "$defs"})
#: What models of reasoning say before they answer, and how others wrap JSON.
_THOUGHT: Final = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_WRAPPED: Final = re.compile(r"\A\s*```(?:json)?[ \t]*\n(.*)\n```\s*\Z", re.DOTALL)


def json_schema(schema: type) -> Json:
    """Return the JSON schema that a provider gets; None: the answer is any text."""
    return None if schema is str else _pruned(_adapter(schema).json_schema())


def parse(text: str, schema: type[ValueT]) -> ValueT:
    """Return the value that ``text`` says, if it is exactly what ``schema`` asks for.

    Raises:
        AnswerRefused: it is not; the message names the field, and repeats nothing of the answer.
    """
    text = _THOUGHT.sub("", text)
    if schema is str:
        if not text.strip():
            msg = "the answer is empty"
            raise AnswerRefused(msg)
        return cast("ValueT", text.strip())
    told = read_json(text)
    if not isinstance(told, Mapping):
        msg = "the answer is not a JSON object"
        raise AnswerRefused(msg)
    try:
        adapter = _adapter(schema)  # type: ignore[arg-type]  # a class can be hashed
        return cast("ValueT", adapter.validate_json(json.dumps(told), strict=True))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        msg = f"the answer is not of its form: {where}: {first['msg']}"
        raise AnswerRefused(msg) from None


def read_json(text: str) -> Json:
    """Return what a JSON text says, also one in a block of Markdown; None: it is none.

    A name that comes twice, NaN and numbers or nesting beyond all measure make it none.
    """
    wrapped = _WRAPPED.match(text)
    try:
        return cast(
            "Json",
            json.loads(
                wrapped[1] if wrapped else text,
                object_pairs_hook=_distinct,
                parse_constant=_no_constant,
            ),
        )
    except (ValueError, RecursionError):
        return None


def _distinct(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        msg = "a name comes twice"
        raise ValueError(msg)
    return found


def _no_constant(name: str) -> Json:
    raise ValueError(name)


@lru_cache(32)
def _adapter(schema: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", schema))


def _pruned(schema: Json) -> Json:
    """Return a schema without what some providers refuse: lengths, patterns, titles."""
    if isinstance(schema, list):
        return [_pruned(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        name: {key: _pruned(each) for key, each in value.items()}
        if name in _NAMED and isinstance(value, Mapping)
        else _pruned(value)
        for name, value in schema.items()
        if name in _SENT
    }
