"""An answer: what a statement returned, told from other answers by a checksum."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

#: The types whose sums depend on the order of what is added; compared to so many digits.
_FLOATS = frozenset({700, 701})
_DIGITS = 9
_MODULUS = 1 << 128


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows that a statement returned, in any order."""

    rows: int
    #: The sum of the digests of the rows, so that their order does not count.
    checksum: int = 0

    def with_rows(self, rows: Iterable[Sequence[bytes | None]], types: Sequence[int]) -> Self:
        """Return the answer with more rows.

        Args:
            rows: values in text form.

            types: the object id of the type of each column.
        """
        count, checksum = self.rows, self.checksum
        for row in rows:
            count += 1
            checksum += _digest(row, types)
        return type(self)(count, checksum % _MODULUS)


def _digest(row: Sequence[bytes | None], types: Sequence[int]) -> int:
    digest = hashlib.blake2b(digest_size=16)
    for value, kind in zip(row, types, strict=True):
        text = value
        if text is not None and kind in _FLOATS:
            text = format(float(text), f".{_DIGITS}g").encode()
        digest.update(b"-1 " if text is None else b"%d %b" % (len(text), text))
    return int.from_bytes(digest.digest())
