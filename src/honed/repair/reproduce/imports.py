"""Names for what a test takes from elsewhere, no two alike."""

import builtins
import keyword
from collections import defaultdict
from typing import Final

#: What makes an object without its constructor; it is part of each test that needs it.
MAKE: Final = "_made"
#: What a test calls its own.
_TAKEN: Final = frozenset({"CAPTURED", MAKE, *dir(builtins), *keyword.kwlist})


class Imports:
    """The imports of one test."""

    def __init__(self) -> None:
        """Begin without any."""
        self._names: dict[str, tuple[str, str]] = {}

    def module(self, module: str) -> str:
        """Return the name of a module of Python's library."""
        self._names[module] = (module, "")
        return module

    def name(self, module: str, qualified: str) -> str:
        """Return how the test calls what a module holds, ``Outer.Inner`` in it too."""
        first, dot, rest = qualified.partition(".")
        name, number = first, 2
        while name in _TAKEN or self._names.get(name, (module, first)) != (module, first):
            name, number = f"{first}_{number}", number + 1
        self._names[name] = (module, first)
        return f"{name}{dot}{rest}"

    def lines(self) -> list[str]:
        """Return the statements, Python's library as the rest in the order of names."""
        whole = [f"import {module}" for module, first in self._names.values() if not first]
        parts: defaultdict[str, list[str]] = defaultdict(list)
        for name, (module, first) in self._names.items():
            if first:
                parts[module].append(first if name == first else f"{first} as {name}")
        taken = [
            f"from {module} import {', '.join(sorted(parts[module]))}" for module in sorted(parts)
        ]
        return [*sorted(whole), *taken]
