"""Numbers that name a row: too large ones are unknown, not wrong."""

from collections.abc import Callable

import click

from honed.errors import HonedError

#: The largest that the store can hold (bigint).
_LARGEST = 2**63 - 1


def known_or(
    unknown: type[HonedError], absence: str
) -> Callable[[click.Context, click.Parameter, int], int]:
    """Return a callback of an argument that hands its number on, or raises ``unknown``.

    Args:
        unknown: the error that says that nothing has this number.

        absence: its sentence, with ``{}`` for the number.
    """

    def checked(_context: click.Context, _parameter: click.Parameter, number: int) -> int:
        if abs(number) > _LARGEST:
            raise unknown(absence.format(number))
        return number

    return checked
