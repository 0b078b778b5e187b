"""An answer: what a person says that one call does when it is right."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """It returns something, or it raises something."""

    #: The call as Python writes it, with its module before: ``shop.cart.total(names=['pen'])``.
    call: str
    #: What it returns, as a literal of Python; empty: it raises.
    returns: str = ""
    #: The name of the exception that it raises; empty: it returns.
    raises: str = ""

    @property
    def words(self) -> str:
        """What it does, in two words: ``returns 'full'``."""
        return f"raises {self.raises}" if self.raises else f"returns {self.returns}"
