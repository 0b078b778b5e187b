"""Whether a user is content: what he says that he is, else the words that he uses."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from honed.backlog.feedback.words import stem, vocabulary, words


class Sentiment(StrEnum):
    """How content a user is."""

    NEGATIVE = "negative"
    #: Neither, or nobody can tell.
    NEUTRAL = "neutral"
    POSITIVE = "positive"


#: What forms call the three.
_SAID: Final = {
    **dict.fromkeys(
        ("negative", "neg", "bad", "unhappy", "angry", "sad", "-1"), Sentiment.NEGATIVE
    ),
    **dict.fromkeys(("neutral", "mixed", "0"), Sentiment.NEUTRAL),
    **dict.fromkeys(("positive", "pos", "good", "happy", "1"), Sentiment.POSITIVE),
}

#: By the highest rating that a project has seen, its scale: ratings up to the second number are
#: negative, from the third on positive. Of 0 to 10 they are those of Reichheld 2003, "The one
#: number you need to grow": up to 6, and from 9.
_SCALES: Final = ((1.0, 0.0, 1.0), (5.0, 2.0, 4.0), (10.0, 6.0, 9.0), (100.0, 40.0, 70.0))

#: What words tell of being content.
_VALUES: Final = {
    stem(word): float(value)
    for value, said in vocabulary("sentiment").items()
    for word in said.split()
}
#: ``too slow``, ``too many clicks``: more than is good.
_EXCESS: Final = {"too": -1.0}
#: Turn what follows them around, within so many words. Where they turn nothing, those that tell
#: what software does not do tell of discontent by themselves.
_FAILING: Final = frozenset(
    {
        "can't", "cannot", "couldn't", "won't", "doesn't", "didn't", "isn't", "aren't", "never",
        "nothing", "unable", "stopped", "stops",
    }
)  # fmt: skip
_NEGATORS: Final = _FAILING | {
    "not", "no", "without", "hardly", "neither", "nor", "don't", "wasn't", "weren't", "haven't",
    "hasn't", "wouldn't", "shouldn't",
}  # fmt: skip
_DOES_NOT: Final = -1.0
#: What would be good is not good.
_WISHES: Final = frozenset({"would", "could", "should", "wish"})
_REACH: Final = 3
#: A negated word says less than its opposite (Hutto and Gilbert 2014, "VADER", section 3.3).
_NEGATED: Final = -0.75
#: Sums nearer to 0 than this tell nothing.
_LEAST: Final = 0.5


def sentiment(
    text: str, *, said: str = "", rating: float | None = None, highest: float = 0.0
) -> Sentiment:
    """Return how content a user is: by his word for it, else his rating, else his text.

    A text is judged by the sum over its words, a negation turning around the next few, after the
    manner of Hutto and Gilbert 2014 ("VADER: a parsimonious rule-based model for sentiment analysis
    of social media text"). Irony is not understood, nor any language but English: such a text is
    neutral.

    Args:
        text: what he wrote.

        said: the word that a form gave for it.

        rating: the one that he gave.

        highest: the highest that others gave, which tells the scale.
    """
    if (told := _SAID.get(said.strip().lower())) is not None:
        return told
    if rating is not None:
        return _rated(rating, max(rating, highest))
    total = score(text)
    if abs(total) < _LEAST:
        return Sentiment.NEUTRAL
    return Sentiment.NEGATIVE if total < 0 else Sentiment.POSITIVE


def score(text: str) -> float:
    """Return the sum of what the words of a text tell; below 0 is discontent."""
    total = 0.0
    turning, wishing = _Reach(), _Reach()
    for word in words(text):
        value = _EXCESS.get(word) or _VALUES.get(stem(word), 0.0)
        if value and turning.is_open:
            value *= _NEGATED
            turning.owes = 0.0
        if value > 0 and wishing.is_open:
            value = 0.0
        total += value + turning.passed() + wishing.passed()
        if word in _NEGATORS:
            total += turning.owes
            turning = _Reach(_REACH, _DOES_NOT if word in _FAILING else 0.0)
        elif word in _WISHES:
            wishing = _Reach(_REACH)
    return total + turning.owes


@dataclass(slots=True)
class _Reach:
    """How far a word still reaches, and what it tells if nothing that follows takes it up."""

    words: int = 0
    owes: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.words > 0

    def passed(self) -> float:
        """Return what is due now that one more word has passed."""
        self.words -= 1
        due, self.owes = (self.owes, 0.0) if self.words <= 0 else (0.0, self.owes)
        return due


def _rated(rating: float, highest: float) -> Sentiment:
    for most, negative, positive in _SCALES:
        if highest <= most:
            if rating <= negative:
                return Sentiment.NEGATIVE
            return Sentiment.POSITIVE if rating >= positive else Sentiment.NEUTRAL
    return Sentiment.NEUTRAL
