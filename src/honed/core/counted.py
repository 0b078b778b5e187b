"""Numbers with what they count, in words."""


def counted(number: float, one: str, many: str = "") -> str:
    """Return ``1 line`` and ``2 lines``; 0 counts as many.

    Args:
        number: how many.

        one: what a single one is called.

        many: what several are; empty: the same with an s.
    """
    return f"{number:.0f} {one if number == 1 else many or f'{one}s'}"
