"""How many tests passed and failed, from the words in which checks tell it."""

import re
from typing import Final

from honed.core.forge import Tally

#: What is looked at of a check's words; the rest is a report.
_MOST_CHARACTERS: Final = 10_000
_WORDS: Final = {
    "passed": "passed",
    "pass": "passed",
    "succeeded": "passed",
    "successful": "passed",
    "✓": "passed",
    "✔": "passed",
    "✅": "passed",
    "failed": "failed",
    "fail": "failed",
    "failure": "failed",
    "failures": "failed",
    "errors": "failed",
    "error": "failed",
    "errored": "failed",
    "❌": "failed",
    "✗": "failed",
    "skipped": "skipped",
    "skip": "skipped",
    "ignored": "skipped",
    "xfailed": "skipped",
}
#: ``12 passed``, ``1,204 passed``, ``3 tests failed``: a number, at most one word, what it counts.
_COUNTED: Final = re.compile(
    rf"(?<![\w.,])(\d{{1,3}}(?:,\d{{3}}){{1,2}}|\d{{1,9}})\s{{1,3}}(?:tests?\s{{1,3}})?"
    rf"({'|'.join(sorted(_WORDS, key=len, reverse=True))})(?!\w)",
    re.IGNORECASE,
)
#: ``Passed: 12``.
_NAMED: Final = re.compile(
    r"(?<!\w)(passed|failed|failures|errors|skipped)\s{0,3}[:=]\s{0,3}(\d{1,9})(?![\w.])",
    re.IGNORECASE,
)


def read_tally(said: str) -> Tally | None:
    """Return the counts in what a check says, or None where it tells none.

    The first line that tells any is taken whole: reports repeat their counts below, file by file.
    Errors count as failed. A text with skipped tests alone tells none.
    """
    for line in said[:_MOST_CHARACTERS].splitlines():
        found = [(n, word) for n, word in _COUNTED.findall(line)]
        found = found or [(n, word) for word, n in _NAMED.findall(line)]
        counts: dict[str, int] = {}
        for digits, word in found:
            what = _WORDS[word.lower()]
            counts[what] = counts.get(what, 0) + int(digits.replace(",", ""))
        if "passed" in counts or "failed" in counts:
            skipped = counts.get("skipped", 0)
            return Tally(counts.get("passed", 0), counts.get("failed", 0), skipped)
    return None
