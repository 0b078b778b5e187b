"""Patience with a forge: the time, waiting, and how long a forge asks to be left alone."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

#: No forge is believed that asks for more.
LONGEST_S: Final = 86_400.0
#: What the headers of GitHub's limits begin with, and those of GitLab's.
_FAMILIES: Final = ("x-ratelimit", "ratelimit")


@dataclass(frozen=True, slots=True)
class Clock:
    """The time, and waiting; tests set both."""

    #: Seconds since 1970.
    now: Callable[[], float] = time.time
    wait: Callable[[float], None] = time.sleep


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return the wait that headers ask for, in seconds; None: they ask for none.

    RFC 9110, section 10.2.3, and the limits of GitHub and GitLab.

    Args:
        headers: by their names in lower case.

        now: seconds since 1970.
    """
    told = headers.get("retry-after", "").strip()
    if told.isdecimal():
        return min(float(told), LONGEST_S)
    if told:
        try:
            until_s = parsedate_to_datetime(told).timestamp()
        except (ValueError, OverflowError):
            return None
        return min(max(0.0, until_s - now), LONGEST_S)
    for family in _FAMILIES:
        reset = headers.get(f"{family}-reset", "").strip()
        if headers.get(f"{family}-remaining") == "0" and reset.isdecimal():
            # A second more, because the clocks of two machines differ.
            return min(max(0.0, float(reset) - now) + 1.0, LONGEST_S)
    return None
