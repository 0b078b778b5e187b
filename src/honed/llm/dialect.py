"""How a provider is spoken to: what all dialects have in common."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import ClassVar, Final, Protocol

from honed.core.canonical import Json, canonical_json, digest
from honed.llm.model import Message, Role
from honed.llm.prices import Usage

#: For code, a low one is recommended (seed 000, "Generative Models").
TEMPERATURE: Final = 0.2
#: What the schema of an answer is called where it needs a name.
ANSWER: Final = "answer"
_MOST_TOKENS: Final = 10**9


@dataclass(frozen=True)
class Request:
    """What is asked, whoever is asked it."""

    model: str
    messages: tuple[Message, ...]
    #: JSON schema of the answer; None: any text.
    schema: Json
    most_output_tokens: int
    temperature: float = TEMPERATURE

    @cached_property
    def content(self) -> Json:
        """All of it: what its hash is of, and what is recorded."""
        return {
            "model": self.model,
            "messages": [{"role": each.role.value, "text": each.text} for each in self.messages],
            "schema": self.schema,
            "most_output_tokens": self.most_output_tokens,
            "temperature": self.temperature,
        }

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON of ``content``."""
        return digest(self.content)

    @cached_property
    def most_input_tokens(self) -> int:
        """More tokens than it can have: no tokenizer makes more of them than there are bytes."""
        return len(canonical_json(self.content)) + _FRAME_TOKENS


#: What providers put around a conversation: marks of roles, and words about the form of an answer.
_FRAME_TOKENS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What a provider answered, not checked yet."""

    text: str
    usage: Usage
    model: str
    #: Whether it was cut off where the budget of tokens ended.
    is_cut: bool = False
    #: Why the model would not answer; empty: it did.
    refusal: str = ""


class Form(StrEnum):
    """How a provider is told what the answer has to look like."""

    #: It gets the schema, and holds the model to it.
    SCHEMA = "schema"
    #: It holds the model to JSON; the schema is told in words.
    OBJECT = "object"
    #: All is told in words.
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class Manner:
    """What a server understands: the best is tried, and what it complains of is left out."""

    form: Form = Form.SCHEMA
    has_temperature: bool = True
    tokens_name: str = "max_tokens"

    #: By a word of a complaint, what it is about.
    _OF_FORM: ClassVar = ("response_format", "json_schema", "json_object", "tool", "grammar")
    _NEWER: ClassVar = "max_completion_tokens"

    def after(self, complaint: str) -> "Manner | None":
        """Return how to ask instead; None: it is about something else."""
        complaint = complaint.lower()
        if self._NEWER in complaint and self.tokens_name != self._NEWER:
            return replace(self, tokens_name=self._NEWER)
        if "temperature" in complaint and self.has_temperature:
            return replace(self, has_temperature=False)
        if self.form is not Form.WORDS and any(word in complaint for word in self._OF_FORM):
            weaker = Form.OBJECT if self.form is Form.SCHEMA else Form.WORDS
            return replace(self, form=weaker)
        return None

    def form_of(self, request: Request) -> Form:
        """Return how the form is told for a request: of a text there is nothing to tell."""
        return self.form if request.schema is not None else Form.WORDS


class Dialect(Protocol):
    """One way to speak to providers; it speaks, and does nothing else."""

    @property
    def path(self) -> str:
        """Where it is posted, below the provider's address."""
        ...

    def headers(self, key: str) -> Mapping[str, str]:
        """Return what a request has to show; ``key`` may be empty."""
        ...

    def body(self, request: Request, manner: Manner) -> dict[str, Json]:
        """Return what is posted."""
        ...

    def reply(self, said: Mapping[str, Json]) -> Reply:
        """Return what an answer says.

        Raises:
            ValueError: it is not of this dialect.
        """
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """A JSON object of somebody else's, read without trust in its shape."""

    values: Json = field(default_factory=dict)

    def part(self, name: str | int) -> "Told":
        """Return what stands under a name or at a place; empty where nothing does."""
        values = self.values
        if isinstance(values, Mapping) and isinstance(name, str):
            return Told(values.get(name))
        if isinstance(values, list) and isinstance(name, int) and name < len(values):
            return Told(values[name])
        return Told(None)

    def parts(self) -> "list[Told]":
        """Return the items of a list; of anything else none."""
        return [Told(each) for each in self.values] if isinstance(self.values, list) else []

    @property
    def text(self) -> str:
        """It, if it is a text, else an empty one."""
        return self.values if isinstance(self.values, str) else ""

    @property
    def tokens(self) -> int | None:
        """It, if it is a number of tokens."""
        value = self.values
        if isinstance(value, bool) or not isinstance(value, int):
            return None
        return value if 0 <= value <= _MOST_TOKENS else None


def told_in_words(request: Request, form: Form) -> tuple[Message, ...]:
    """Return the messages, with the schema in words where the provider does not get it."""
    if request.schema is None or form is Form.SCHEMA:
        return request.messages
    schema = json.dumps(request.schema, sort_keys=True)
    words = f"Answer with one JSON object and nothing else. It fits this JSON schema:\n{schema}"
    first, *rest = request.messages
    if first.role is Role.SYSTEM:
        return (Message(Role.SYSTEM, f"{first.text}\n\n{words}"), *rest)
    return (Message(Role.SYSTEM, words), first, *rest)
