"""Prompts: texts in files, with named slots for data that can never become instructions."""

import json
import re
from functools import cache
from importlib import resources
from typing import Final

from honed.core.canonical import Json
from honed.core.privacy import Scrubber
from honed.llm.model import Message, Role

_ROLE: Final = re.compile(r"^-- (system|user|assistant) --\n", re.MULTILINE)
_SLOT: Final = re.compile(r"\{\{([a-z][a-z0-9_]*)\}\}")


def render(name: str, scrubber: Scrubber, **data: Json) -> list[Message]:
    """Return the messages of the prompt ``prompts/<name>.txt`` with its slots filled.

    A slot is filled with a block of data: JSON on a single line of ASCII, between a line that
    begins it and one that ends it. Whatever a text in it says, it cannot end the block, because no
    text in JSON holds the end of a line.

    Args:
        name: of the file.

        scrubber: what takes personal data and secrets out of the data.

        data: what the slots are filled with, by name.

    Raises:
        ValueError: the file has other slots, or not the form of a prompt.
    """
    messages = _messages(name)
    slots = {slot for each in messages for slot in _SLOT.findall(each.text)}
    if slots != set(data):
        msg = f"the prompt {name} has the slots {sorted(slots)}, not {sorted(data)}"
        raise ValueError(msg)
    blocks = {slot: block(slot, scrubber.value(value)) for slot, value in data.items()}
    return [
        Message(each.role, _SLOT.sub(lambda found: blocks[found[1]], each.text))
        for each in messages
    ]


def block(name: str, data: Json) -> str:
    """Return ``data`` as a fenced block."""
    line = json.dumps(data, sort_keys=True, ensure_ascii=True)
    return f"BEGIN DATA {name}\n{line}\nEND DATA {name}"


@cache
def _messages(name: str) -> tuple[Message, ...]:
    """Return the messages of a file: ``-- system --`` or another role, then the text.

    Raises:
        ValueError: the file does not have this form.
    """
    text = (resources.files("honed.llm.prompts") / f"{name}.txt").read_text(encoding="utf-8")
    before, *parts = _ROLE.split(text)
    if before.strip() or not parts:
        msg = f"the prompt {name} does not begin with a role"
        raise ValueError(msg)
    return tuple(
        Message(Role(role), body.strip())
        for role, body in zip(parts[::2], parts[1::2], strict=True)
    )
