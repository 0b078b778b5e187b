"""The dialect of Anthropic's messages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from honed.core.canonical import Json
from honed.llm.dialect import ANSWER, Form, Manner, Reply, Request, Told, told_in_words
from honed.llm.model import Role
from honed.llm.prices import Usage

_VERSION: Final = "2023-06-01"


@dataclass(frozen=True, slots=True)
class Anthropic:
    """``POST /v1/messages``; an answer with a schema is the input of a tool that has to be used."""

    path: str = "/v1/messages"

    def headers(self, key: str) -> Mapping[str, str]:
        """Return the key and the version of the dialect."""
        version = {"anthropic-version": _VERSION}
        return {**version, "x-api-key": key} if key else version

    def body(self, request: Request, manner: Manner) -> dict[str, Json]:
        """Return what is posted; messages of the system stand beside the others."""
        # There is nothing between a tool and words.
        form = manner.form_of(request)
        messages = told_in_words(request, form)
        said: dict[str, Json] = {
            "model": request.model,
            "max_tokens": request.most_output_tokens,
            "messages": [
                {"role": each.role.value, "content": each.text}
                for each in messages
                if each.role is not Role.SYSTEM
            ],
        }
        system = "\n\n".join(each.text for each in messages if each.role is Role.SYSTEM)
        if system:
            said["system"] = system
        if manner.has_temperature:
            said["temperature"] = request.temperature
        if form is Form.SCHEMA:
            tool = {
                "name": ANSWER,
                "description": "Give the answer.",
                "input_schema": request.schema,
            }
            said["tools"] = [tool]
            said["tool_choice"] = {"type": "tool", "name": ANSWER}
        return said

    def reply(self, said: Mapping[str, Json]) -> Reply:
        """Return the input of the tool, or else the texts.

        Raises:
            ValueError: there is no content.
        """
        told = Told(said)
        if not told.part("content").parts():
            msg = "it has no content"
            raise ValueError(msg)
        blocks = told.part("content").parts()
        used = [each for each in blocks if each.part("type").text == "tool_use"]
        texts = (each.part("text").text for each in blocks if each.part("type").text == "text")
        text = json.dumps(used[0].part("input").values) if used else "".join(texts)
        reason = told.part("stop_reason").text
        return Reply(
            text=text,
            usage=_usage(told.part("usage")),
            model=told.part("model").text,
            is_cut=reason == "max_tokens",
            refusal="the model would not" if reason == "refusal" else "",
        )


def _usage(told: Told) -> Usage:
    """Return the tokens; those that have to do with a cache are not among those of the input."""
    given = told.part("input_tokens").tokens
    cached = told.part("cache_read_input_tokens").tokens
    written = told.part("cache_creation_input_tokens").tokens
    return Usage(
        input_tokens=None if given is None else given + (cached or 0) + (written or 0),
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=told.part("output_tokens").tokens,
    )
