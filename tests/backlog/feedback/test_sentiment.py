"""What users are content with is told from what they complain of."""

import pytest

from honed.backlog.feedback.sentiment import Sentiment, score, sentiment
from honed.backlog.feedback.words import stem, words

NEGATIVE = [
    "Response time is too slow",
    "The assistant takes too long to respond to simple queries",
    "The export crashes every time I press the button",
    "I can't log in since yesterday",
    "This does not work at all",
    "Search is useless, it never finds anything",
    "Too many clicks to change a simple setting",
    "The new design is confusing and ugly",
    "I lost an hour of work, the draft disappeared",
    "It hangs forever on the loading screen",
    "Payments fail with an error and nobody answers",
    "Not helpful",
    "The app isn't reliable on mobile",
    "Worst update so far",
    "Why is the invoice wrong again?",
    "I was charged twice and support ignores me, terrible",
    "Notifications are annoying",
    "Can\N{RIGHT SINGLE QUOTATION MARK}t open attachments any more",
    "The documentation is outdated and misleading",
    "It's hard to find the settings",
    "The shortcuts stopped working",
    "The filter doesn't do what it says",
    "Customer service never replied",
]
POSITIVE = [
    "I love the new dashboard",
    "Works great, thanks!",
    "The search is fast and helpful now",
    "Very easy to use",
    "No problems so far, works fine",
    "Excellent support, quick answer",
    "The update fixed my problem, thank you, great work",
    "Best tool for this I know",
    "Nice and clean",
    "Not bad at all, I enjoy it",
]
NEUTRAL = [
    "I use it every day on my phone",
    "Could you add a dark mode?",
    "It would be nice to sort by date",
    "I don't have an account",
    "How do I export a report?",
    "The button is in the upper corner",
    "I have two accounts",
    "Das ist mir viel zu langsam",
    "",
    "42",
]


@pytest.mark.parametrize("text", NEGATIVE)
def test_a_complaint_is_negative(text: str) -> None:
    assert sentiment(text) is Sentiment.NEGATIVE, score(text)


@pytest.mark.parametrize("text", POSITIVE)
def test_praise_is_positive(text: str) -> None:
    assert sentiment(text) is Sentiment.POSITIVE, score(text)


@pytest.mark.parametrize("text", NEUTRAL)
def test_what_nobody_can_tell_is_neutral(text: str) -> None:
    assert sentiment(text) is Sentiment.NEUTRAL, score(text)


def test_what_is_said_outright_wins_over_words_and_rating() -> None:
    assert sentiment("I love it", said="Negative", rating=5) is Sentiment.NEGATIVE
    assert sentiment("terrible", said="positive") is Sentiment.POSITIVE
    assert sentiment("terrible", said="no word of ours") is Sentiment.NEGATIVE


@pytest.mark.parametrize(
    ("rating", "highest", "meant"),
    [
        (0, 1, "negative"), (1, 1, "positive"), (-1, 1, "negative"),
        (1, 5, "negative"), (2, 5, "negative"), (3, 5, "neutral"), (4, 5, "positive"),
        (6, 10, "negative"), (7, 10, "neutral"), (9, 10, "positive"),
        (30, 100, "negative"), (50, 100, "neutral"), (90, 100, "positive"),
        (900, 1000, "neutral"),
    ],
)  # fmt: skip
def test_a_rating_is_read_on_the_scale_that_others_use(
    rating: float, highest: float, meant: str
) -> None:
    assert sentiment("I love it, terrible", rating=rating, highest=highest).value == meant


def test_forms_of_a_word_are_one() -> None:
    for forms in (
        ("crash", "crashes", "crashed", "crashing"), ("slow", "slowly"), ("query", "queries"),
        ("stop", "stopped", "stops"), ("invoice", "invoices"), ("confuse", "confusing"),
        ("respond", "responding", "responds"),
    ):  # fmt: skip
        assert len({stem(form) for form in forms}) == 1, forms
    assert stem("status") == "status"
    assert stem("less") == "less"


def test_what_was_scrubbed_is_no_word() -> None:
    text = "Ask <email:3fa9c1> about 7 INVOICES, don\N{RIGHT SINGLE QUOTATION MARK}t you?"
    assert words(text) == ["ask", "about", "invoices", "don't", "you"]
