"""What is said of the same thing is one topic, told by its folded words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from honed.backlog.feedback.words import stem, vocabulary, words

SaidT = TypeVar("SaidT")

_EMPTY: Final = frozenset(vocabulary("empty")["words"].split())
#: Words for the same, by their folded form.
_SAME: Final = {
    stem(word): topic for topic, said in vocabulary("topics").items() for word in said.split()
}
#: A topic is told by no more words than these, the first of its first text.
_MOST_WORDS: Final = 8
#: Two texts say the same if they share so much of the shorter, and at least two words; or else half
#: of all their words. Chosen on the examples of the tests; no study is behind them.
_OVERLAP: Final = 0.6
_LEAST_SHARED: Final = 2
_JACCARD: Final = 0.5


@dataclass(slots=True)
class Topic(Generic[SaidT]):
    """What was said of one thing, oldest first."""

    #: Its folded words; they stay as they are, whatever is added.
    words: tuple[str, ...]
    said: list[SaidT] = field(default_factory=list)


def folded(text: str) -> tuple[str, ...]:
    """Return the telling words of a text, each once and in one form, in their order."""
    kept = (word for word in words(text) if word not in _EMPTY)
    stems = (stem(word) for word in kept)
    return tuple(dict.fromkeys(_SAME.get(each, each) for each in stems if len(each) > 1))


def topics(
    said: Iterable[tuple[str, SaidT]], known: Sequence[tuple[str, ...]] = ()
) -> list[Topic[SaidT]]:
    """Return what was said by topic, those of which something was said.

    Each text joins the topic that is most like it, or begins one. The order of the texts matters:
    give them oldest first, and the words of topics that there were already.
    """
    every: list[Topic[SaidT]] = [Topic(each) for each in known]
    for text, each in said:
        found = folded(text)
        topic = max(every, key=lambda one, of=found: _likeness(one.words, of), default=None)  # type: ignore[misc]  # the words of this text
        if topic is None or not _likeness(topic.words, found):
            topic = Topic(found[:_MOST_WORDS])
            every.append(topic)
        topic.said.append(each)
    return [topic for topic in every if topic.said]


def _likeness(topic: Sequence[str], text: Sequence[str]) -> float:
    """Return how alike two sets of words are, 0 where they are not of one topic."""
    one, other = set(topic), set(text)
    shared = len(one & other)
    if not shared:
        return float(not one and not other)
    overlap, jaccard = shared / min(len(one), len(other)), shared / len(one | other)
    is_like = jaccard >= _JACCARD or (overlap >= _OVERLAP and shared >= _LEAST_SHARED)
    return overlap + jaccard if is_like else 0.0
