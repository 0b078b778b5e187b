"""Secrets of a forge: read from the environment, never shown."""

import os
from collections.abc import Mapping
from typing import Final

from honed.errors import ConfigurationError

_SHORTEST: Final = 8


class Secret:
    """A token or a webhook's secret. Neither ``repr`` nor ``str`` nor a traceback shows it."""

    __slots__ = ("_value", "variable")

    def __init__(self, value: str, variable: str = "") -> None:
        """Keep ``value``, and the name of the variable that it was read from."""
        self._value = value
        self.variable = variable

    def __repr__(self) -> str:
        return f"Secret({self.variable or '...'})"

    def reveal(self) -> str:
        """Return it, to be sent to the forge or compared, and for nothing else."""
        return self._value

    def hidden_in(self, text: str) -> str:
        """Return ``text`` with this secret taken out, wherever a forge repeats it."""
        return text.replace(self._value, "***")


def read_secret(variable: str, environment: Mapping[str, str] | None = None) -> Secret:
    """Return the secret in an environment variable.

    Args:
        variable: its name.

        environment: where it is looked up; None: that of this process.

    Raises:
        ConfigurationError: it is not set, or cannot be sent in a header.
    """
    value = (os.environ if environment is None else environment).get(variable, "").strip()
    hint = f"export {variable}=..., where honed runs; docs/howto/forges.md says what it must allow"
    if not value:
        msg = f"the environment variable {variable or '(none is named)'} is not set"
        raise ConfigurationError(msg, hint=hint)
    if len(value) < _SHORTEST or not all("!" <= each <= "~" for each in value):
        msg = f"the value of {variable} is too short, or has characters that no token has"
        raise ConfigurationError(msg, hint=hint)
    return Secret(value, variable)
