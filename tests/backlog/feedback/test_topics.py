"""What is said of the same thing is one topic; other things are others."""

from hypothesis import given, settings
from hypothesis import strategies as st

from honed.backlog.feedback.topics import folded, topics

SLOW = [
    "Response time is too slow",
    "responses are slow",
    "The response takes forever!",
    "Slow responses since the update",
]
OTHERS = ["I can't log in with my password", "The invoice shows the wrong total"]


def grouped(texts: list[str], known: tuple[tuple[str, ...], ...] = ()) -> list[list[str]]:
    return [topic.said for topic in topics(((text, text) for text in texts), known)]


def test_one_complaint_in_many_words_is_one_topic() -> None:
    assert grouped([*SLOW, *OTHERS]) == [SLOW, *[[other] for other in OTHERS]]


def test_what_is_known_takes_up_what_is_like_it() -> None:
    (topic,) = topics([(text, text) for text in SLOW], [("response", "slow"), ("login",)])
    assert topic.words == ("response", "slow")
    assert topic.said == SLOW


def test_a_text_joins_the_topic_that_is_most_like_it() -> None:
    known = (("slow", "search"), ("slow", "search", "mobil"))
    (topic,) = topics([("Search is slow on mobile", 1)], known)
    assert topic.words == known[1]


def test_words_that_tell_nothing_do_not_make_two_texts_alike() -> None:
    assert grouped(["it is what it is", "this is it"]) == [["it is what it is", "this is it"]]
    assert len(grouped(["please use the export", "please use the import"])) == 2


def test_a_topic_is_told_by_few_words() -> None:
    (topic,) = topics([(" ".join(f"word{'x' * n}" for n in range(50)), 1)])
    assert len(topic.words) == 8


def test_forms_and_synonyms_are_folded() -> None:
    assert folded("The queries are LAGGING, and lag.") == ("search", "slow")


@given(st.lists(st.text(max_size=60), max_size=20))
@settings(derandomize=True, deadline=None)
def test_every_text_is_in_one_topic_and_the_same_text_in_the_same(texts: list[str]) -> None:
    found = topics((text, number) for number, text in enumerate(texts))
    assert sorted(number for topic in found for number in topic.said) == list(range(len(texts)))
    place = {number: at for at, topic in enumerate(found) for number in topic.said}
    for first, text in enumerate(texts):
        assert place[first] == place[texts.index(text)]


@given(st.text())
@settings(derandomize=True, deadline=None)
def test_folding_what_is_folded_changes_nothing_more(text: str) -> None:
    words = folded(text)
    assert len(set(words)) == len(words)
    assert topics([(" ".join(words), 1)], [words])[0].said == [1]
