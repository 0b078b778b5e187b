"""The words of asking a language model: what is asked, within what budget, and what came back."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from honed.llm.prices import Usage

ValueT = TypeVar("ValueT")


class Role(StrEnum):
    """Who says a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Budget:
    """What one request may take.

    Args:
        spending_id: the reservation that it draws on, as ``honed.llm.spending.reserve`` returns it;
            None: nothing may be spent, so that only a recording can answer.

        most_output_tokens: where the answer is cut off, reasoning included.

        timeout_s: longest wait for the answer, tries after a refusal included.

        is_tail: whether it may also use what was put aside for the end of the work.
    """

    spending_id: int | None = None
    most_output_tokens: int = 4096
    timeout_s: float = 120.0
    is_tail: bool = False


@dataclass(frozen=True, slots=True)
class Answer(Generic[ValueT]):
    """What a model answered, checked."""

    value: ValueT
    usage: Usage
    #: SHA-256 of what was asked: under it the answer is recorded.
    request_hash: str
    #: The model that answered, by its own word.
    model: str
    #: What it cost; None: not known. A replayed one costs 0.
    cost_usd: float | None
    is_replayed: bool = False


class LanguageModel(Protocol):
    """Whatever answers."""

    def complete(
        self, messages: Sequence[Message], schema: type[ValueT], budget: Budget
    ) -> Answer[ValueT]:
        """Return the answer to ``messages`` as a checked value.

        Args:
            messages: the conversation; what is data in it is fenced (``honed.llm.prompt``).

            schema: what the answer has to be: a class that pydantic can check, or ``str`` for text.

            budget: what it may take.

        Raises:
            BudgetExceeded: there is no room in the budget; nothing was asked.
            PriceUnknown: what it would cost is not known, so no budget could hold.
            ModelUnavailable: the model does not answer.
            ModelRefused: the provider refuses to be asked so.
            AnswerRefused: the answer is not what was asked for.
            RecordingMissing: only recordings may answer, and there is none.
        """
        ...
