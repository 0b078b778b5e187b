"""What users complain of: one ticket for each thing that they complain of, in whatever words."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar, Final

from honed.backlog.draft import Draft, Facts
from honed.backlog.feedback.sentiment import Sentiment, sentiment
from honed.backlog.feedback.topics import Topic, topics
from honed.backlog.source import Source
from honed.backlog.ticket import Category, TicketSource
from honed.config import Settings
from honed.core.canonical import Json
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.backlog.sources", "feedback.sql")

#: Of more feedback of a project, the newest is read.
_MOST: Final = 5_000
#: Texts that the evidence shows, the newest.
_MOST_SHOWN: Final = 5
_WEEK: Final = timedelta(days=7)
#: Writers are parallel, and one that takes longer can bring a lower id later than others: by so
#: much at most, or what it brings is not counted.
_LATEST: Final = timedelta(minutes=10)
_LONGEST_TITLE: Final = 120
#: A topic without words: a rating alone.
_NO_WORDS: Final = "a rating without words"

#: By a word of the topic: what helps, and the sort of change that it is.
_REMEDIES: Final[Mapping[str, tuple[str, Category | None]]] = {
    "crash": (
        "Find the crash among the exceptions of that time, and correct it.",
        Category.BUG_FIX,
    ),
    "error": (
        "Find the error among the exceptions of that time, and correct it.",
        Category.BUG_FIX,
    ),
    "slow": ("Improve performance and responsiveness: measure what they wait for.", None),
    "confusing": ("Make it clearer: watch somebody do it who sees it for the first time.", None),
    "login": ("Go through signing in as they do, with each way there is to do it.", None),
    "price": ("Show what it costs before they decide, and what they get for it.", None),
}
_OTHER: Final = "Do what they describe, ask what they expected instead, and change it."
_TEST_PLAN: Final = (
    "1. Do what they describe{where}\n"
    "2. Apply the change, and see that it is as they expected\n"
    "3. Verify that nobody says so again: a ticket that is resolved opens by itself if one does"
)


class Feedback(Source):
    """Negative feedback of users, by what it is about."""

    name: ClassVar[str] = "feedback"
    source: ClassVar[TicketSource] = TicketSource.FEEDBACK

    def drafts(self, conn: Connection, since: datetime, settings: Settings) -> Iterator[Draft]:
        """Yield one draft for each topic of negative feedback of which there is news since."""
        known: defaultdict[str, dict[tuple[str, ...], _Counted]] = defaultdict(dict)
        for row in conn.execute(_QUERIES["list_topics"]).fetchall():
            ids = frozenset(row["unsettled_signal_ids"])
            counted = _Counted(row["counted"], row["settled_signal_id"], ids)
            known[row["project"]][_words(row["subject"])] = counted
        (row,) = conn.execute(_QUERIES["now"])
        said: list[Mapping[str, Any]]
        said = [*conn.execute(_QUERIES["list_feedback"], {"most": _MOST})]
        for project, rows in groupby(said, key=itemgetter("project")):
            negative = [(each["text"], each) for each in rows if _is_negative(each)]
            before = known[project]
            for topic in topics(negative, list(before)):
                # By the store's clock: what comes late is news, too.
                if max(each["received_at"] for each in topic.said) >= since - _LATEST:
                    counted = before.get(topic.words, _Counted())
                    counted = counted.with_those_of(topic.said, row["now"] - _LATEST)
                    yield _draft(project, topic, counted, row["now"])


@dataclass(frozen=True, slots=True)
class _Counted:
    """How often users said something: those of whom nothing is kept any more, too."""

    number: int = 0
    #: No signal up to this one is still to be counted.
    settled_signal_id: int = 0
    #: Those behind it that are counted.
    unsettled_signal_ids: frozenset[int] = frozenset()

    def with_those_of(self, said: Sequence[Mapping[str, Any]], settled: datetime) -> "_Counted":
        """Return the count after what was said, of which some may be counted already.

        Args:
            said: everything of the topic that is kept.

            settled: what was received before has come.
        """
        ids = {row["signal_id"] for row in said if row["signal_id"] > self.settled_signal_id}
        new = ids - self.unsettled_signal_ids
        old = [row["signal_id"] for row in said if row["received_at"] < settled]
        up_to = max([self.settled_signal_id, *old])
        unsettled = frozenset(each for each in self.unsettled_signal_ids | new if each > up_to)
        return _Counted(self.number + len(new), up_to, unsettled)

    def plain(self) -> dict[str, Json]:
        """Return what the ticket keeps of it beside the number."""
        return {
            "settled_signal_id": self.settled_signal_id,
            "unsettled_signal_ids": sorted(self.unsettled_signal_ids),
        }


def _is_negative(row: Mapping[str, Any]) -> bool:
    found = sentiment(
        row["text"], said=row["sentiment"], rating=row["rating"], highest=row["highest"]
    )
    return found is Sentiment.NEGATIVE


def _subject(words: Sequence[str]) -> str:
    return " ".join(words) or _NO_WORDS


def _words(subject: str) -> tuple[str, ...]:
    """Return the words of a topic from the subject of its ticket."""
    return () if subject == _NO_WORDS else tuple(subject.split())


def _draft(
    project: str, topic: Topic[Mapping[str, Any]], counted: _Counted, now: datetime
) -> Draft:
    words, said = topic.words, topic.said
    first, last = said[0], said[-1]
    # The shortest says it best.
    text = min((row["text"] for row in said if row["text"]), key=len, default=_NO_WORDS)
    users = {row["user_token"] for row in said} - {""}
    pages = sorted({row["page"] for row in said} - {""})
    remedy, category = next(
        (_REMEDIES[word] for word in words if word in _REMEDIES), (_OTHER, None)
    )
    lately = sum(row["at"] > now - _WEEK for row in said)
    return Draft(
        source=TicketSource.FEEDBACK,
        project=project,
        subject=_subject(words),
        title=_title(text),
        description=f"User feedback: '{text}'. {_how_often(said, users, pages)}",
        evidence={"feedback": _evidence(text, said, users, pages)},
        proposed_solution=remedy,
        test_plan=_TEST_PLAN.format(where=f", on {', '.join(pages[:3])}" if pages else ""),
        first_seen_at=first["at"],
        last_seen_at=last["at"],
        count=counted.number,
        metadata=counted.plain(),
        facts=Facts(category=category, users=len(users), times_per_day=lately / _WEEK.days),
    )


def _title(text: str) -> str:
    title = f"Address user feedback: {' '.join(text.split())}"
    return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1]}…"


def _how_often(said: Sequence[Mapping[str, Any]], users: set[str], pages: Sequence[str]) -> str:
    times = f"Said {len(said)} times" if len(said) > 1 else "Said once"
    by = f" by {len(users)} users" if users else ""
    where = f", on {', '.join(pages[:3])}" if pages else ""
    return f"{times}{by}{where}, first at {said[0]['at']:%F %R %Z}."


def _evidence(
    text: str, said: Sequence[Mapping[str, Any]], users: set[str], pages: Sequence[str]
) -> dict[str, Any]:
    ratings = [row["rating"] for row in said if row["rating"] is not None]
    return {
        "text": text,
        "sentiment": Sentiment.NEGATIVE.value,
        "timestamp": said[-1]["at"].isoformat(),
        "count": len(said),
        "users": len(users),
        "pages": pages[:20],
        "mean_rating": sum(ratings) / len(ratings) if ratings else None,
        "releases": sorted({row["release"] for row in said} - {""})[:20],
        "said": [
            {
                "text": row["text"][:500],
                "timestamp": row["at"].isoformat(),
                "rating": row["rating"],
                "page": row["page"],
            }
            for row in said[-_MOST_SHOWN:]
        ],
    }
