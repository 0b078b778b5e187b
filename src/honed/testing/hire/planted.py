"""What a planted fault is, and what production's database holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: A request: its path and what is asked.
Request = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Planted:
    """One fault."""

    #: In one word or two; unique.
    name: str
    #: What people would call it.
    what: str
    #: What production is asked when it fails; the last request does.
    asked: Sequence[Request]
    #: The error that it raises.
    error: str
    #: Tests that decide whether the code does what is right, as the body of a module.
    checks: str
    #: Where it is; empty: nothing in the code is wrong.
    path: str = ""
    right: str = ""
    wrong: str = ""
    #: The message of the commit that brought it; empty: it was there from the beginning.
    broke_in: str = ""
    #: What another transaction has done, and not ended, when production is asked.
    meanwhile: str = ""

    @property
    def is_fixable(self) -> bool:
        """Whether a change of code settles it."""
        return bool(self.wrong)


#: What production's database holds.
ROWS: Final = """
INSERT INTO bike VALUES
    (1, 'city', 'A1', 100, NULL),
    (2, 'cargo', 'A2', 64, '2026-05-01 08:30+00'),
    (3, 'crago', 'A3', 12, NULL);
INSERT INTO rider VALUES
    (7, 'Ada', 'Byron', 'Countess', 'en'),
    (8, 'Grace', 'Hopper', NULL, 'nl'),
    (9, 'Emmy', 'Noether', NULL, 'de');
INSERT INTO booking (bike_id, rider_id, due_at, returned_at) VALUES
    (1, 7, '2026-05-01 12:00+00', '2026-05-01 11:40+00'),
    (1, 8, '2026-05-02 18:00+00', NULL);
"""
