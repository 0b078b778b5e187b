"""The contract of messages: typed, versioned, checked when sent and when received."""

import json
from collections.abc import Mapping
from typing import ClassVar, Literal, LiteralString, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from honed.errors import InvalidMessage


class Message(BaseModel):
    """What one job is told. A new version of a contract is a new ``version``, never a new meaning.

    A subclass says where it goes (``queue``) and who handles it (``task``); both are stored, so
    they never change.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    queue: ClassVar[LiteralString]
    task: ClassVar[LiteralString]
    #: Among messages that are due, the highest is taken first.
    priority: ClassVar[int] = 0

    version: Literal[1] = 1

    def lock(self) -> str | None:
        """Return a key of which one message at a time is handled; None: no such limit.

        A waiting message also holds back later ones with the same key, even while it is delayed
        into the future: give a lock only to messages that change a target.
        """
        return None

    def queueing_lock(self) -> str | None:
        """Return a key of which one message at a time may wait; None: no such limit."""
        return None


MessageT = TypeVar("MessageT", bound=Message)


def parse(message_type: type[MessageT], text: str) -> MessageT:
    """Return the message that the JSON ``text`` holds.

    Raises:
        InvalidMessage: it does not keep the contract of ``message_type``; the error names each
            field that breaks it.
    """
    try:
        return message_type.model_validate_json(text)
    except ValidationError as error:
        broken = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'message'}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        )
        msg = f"{message_type.task}: {broken}"
        raise InvalidMessage(msg) from error


def is_newer(message_type: type[Message], text: str) -> bool:
    """Return whether the JSON ``text`` says that it is of a later version than ``message_type``."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return False
    version = content.get("version") if isinstance(content, dict) else None
    known: int = message_type.model_fields["version"].default
    return type(version) is int and version > known


def by_task(
    message_types: Mapping[type[Message], object],
) -> Mapping[str, type[Message]]:
    """Return the message types by the name of their task.

    Raises:
        ValueError: two of them have the same task.
    """
    found: dict[str, type[Message]] = {}
    for message_type in message_types:
        if message_type.task in found:
            msg = f"two messages have the task {message_type.task!r}"
            raise ValueError(msg)
        found[message_type.task] = message_type
    return found
