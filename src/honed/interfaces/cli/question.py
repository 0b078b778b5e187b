"""The question that a change in doubt asks, and the line that answers it."""

import shlex
from collections.abc import Mapping
from typing import Any, Final

#: What means something to a shell in double quotes.
_SPECIAL: Final = frozenset('"$`\\!')


def asked_call(question: Mapping[str, Any]) -> str:
    """Return the call that a question is about, as a person writes it."""
    return f"{question['function']}({', '.join(map(str, question['arguments']))})"


def answering_line(ticket_id: int, question: Mapping[str, Any]) -> str:
    """Return the command that answers a question; without one it is about the captured call."""
    named = f"--call {_quoted(asked_call(question))} " if question else ""
    return f"honed fix --ticket {ticket_id} {named}--returns VALUE"


def _quoted(text: str) -> str:
    """Return a word of a shell, in double quotes where it can be: Python has single ones."""
    return f'"{text}"' if _SPECIAL.isdisjoint(text) else shlex.quote(text)
