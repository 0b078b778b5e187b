"""The dialect of OpenAI's chat completions, which most servers and gateways of models speak."""

from collections.abc import Mapping
from dataclasses import dataclass

from honed.core.canonical import Json
from honed.llm.dialect import ANSWER, Form, Manner, Reply, Request, Told, told_in_words
from honed.llm.prices import Usage


@dataclass(frozen=True, slots=True)
class OpenAICompatible:
    """``POST /chat/completions``."""

    path: str = "/chat/completions"

    def headers(self, key: str) -> Mapping[str, str]:
        """Return the key as a bearer's token."""
        return {"Authorization": f"Bearer {key}"} if key else {}

    def body(self, request: Request, manner: Manner) -> dict[str, Json]:
        """Return what is posted: the schema as ``response_format`` where the server takes it."""
        form = manner.form_of(request)
        messages = [
            {"role": each.role.value, "content": each.text} for each in told_in_words(request, form)
        ]
        said: dict[str, Json] = {
            "model": request.model,
            "messages": messages,
            manner.tokens_name: request.most_output_tokens,
        }
        if manner.has_temperature:
            said["temperature"] = request.temperature
        if form is Form.SCHEMA:
            schema: Json = {"name": ANSWER, "strict": True, "schema": request.schema}
            said["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif form is Form.OBJECT:
            said["response_format"] = {"type": "json_object"}
        return said

    def reply(self, said: Mapping[str, Json]) -> Reply:
        """Return what the first choice says.

        Raises:
            ValueError: there is none.
        """
        choice = Told(said).part("choices").part(0)
        message = choice.part("message")
        if not message.values:
            msg = "it has no choices[0].message"
            raise ValueError(msg)
        # Some gateways send the parts of a text.
        content = message.part("content")
        text = content.text or "".join(each.part("text").text for each in content.parts())
        return Reply(
            text=text,
            usage=_usage(Told(said).part("usage")),
            model=Told(said).part("model").text,
            is_cut=choice.part("finish_reason").text == "length",
            refusal=message.part("refusal").text,
        )


def _usage(told: Told) -> Usage:
    """Return the tokens; those that came from a cache are among those of the prompt."""
    return Usage(
        input_tokens=told.part("prompt_tokens").tokens,
        cached_tokens=told.part("prompt_tokens_details").part("cached_tokens").tokens,
        output_tokens=told.part("completion_tokens").tokens,
    )
