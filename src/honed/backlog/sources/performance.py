"""Operations and requests to models that take longer than is usual at that hour of the week."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from statistics import median
from typing import Any, ClassVar, Final

from honed.backlog.draft import Draft, Facts
from honed.backlog.source import Source
from honed.backlog.ticket import TicketSource
from honed.backlog.unusual import Unusual, running_detectors, unusual
from honed.config import Settings
from honed.core.target import Series
from honed.storage.db import Connection
from honed.storage.queries import load_queries

_QUERIES = load_queries("honed.backlog.sources", "performance.sql")

#: Signals that are read at most, in bytes; of more a sample is.
_MOST_BYTES: Final = 2**30
#: Operations that are looked at, those that most time goes into; and the share of their project's
#: time below which nobody needs to hear of one.
_MOST_SERIES: Final = 30
_LEAST_SHARE: Final = 0.01
#: A 95th percentile of fewer calls is one of the slowest two.
_LEAST_CALLS: Final = 40
#: What is more often as slow as usual is this severe.
_SEVERITIES: Final = ((1.5, "low"), (2.0, "medium"), (4.0, "high"))
_LONGEST_TITLE: Final = 120

_REMEDIES: Final[Mapping[str, str]] = {
    "span": (
        "Compare traces of {subject} from before and after {since}: find the part that takes longer"
        " now, and what was released or grew at that time."
    ),
    "inference": (
        "Ask {subject} for less (shorter prompts and answers, what is asked again from a cache), or"
        " ask a model that is faster, and let the answer come in pieces."
    ),
}
_TEST_PLAN: Final = (
    "1. Measure {subject} as it is called in production\n"
    "2. Apply the change\n"
    "3. Verify that its {metric} is near {usual:.4g} ms again at the same hours of the week"
)


class Performance(Source):
    """Spans and requests to models whose latency a detector finds unusual."""

    name: ClassVar[str] = "performance"
    source: ClassVar[TicketSource] = TicketSource.PERFORMANCE

    def drafts(self, conn: Connection, since: datetime, settings: Settings) -> Iterator[Draft]:
        """Yield one draft for each operation that was unusually slow on the last day.

        It reads a sample where there are more signals than a gigabyte.
        """
        (row,) = conn.execute(_QUERIES["read_sample"], {"most_bytes": _MOST_BYTES})
        asked = {
            "percent": row["percent"],
            "most_series": _MOST_SERIES,
            "least_calls": _LEAST_CALLS,
            "least_share": _LEAST_SHARE,
        }
        rows = conn.execute(_QUERIES["list_series"], asked).fetchall()
        by_subject = {f"{number}": each for number, each in enumerate(rows)}
        found = unusual(
            running_detectors(settings.detectors_on),
            [series for subject, each in by_subject.items() for series in _series(subject, each)],
            row["now"],
            alarms_per_day=settings.alarms_per_day,
        )
        of_subject = attrgetter("series.subject")
        for subject, seen in groupby(sorted(found, key=of_subject), key=of_subject):
            yield _draft(by_subject[subject], list(seen))


def _series(subject: str, row: Mapping[str, Any]) -> Iterator[Series]:
    for metric, times, values in (
        ("median_ms", row["quarters"], row["medians"]),
        ("p95_ms", row["p95_quarters"], row["p95s"]),
    ):
        yield Series(
            subject, metric, tuple(times), tuple(values), label=row["subject"], weight=row["share"]
        )


def _draft(row: Mapping[str, Any], seen: Sequence[Unusual]) -> Draft:
    worst = max(seen, key=lambda each: each.excess)
    value = median(worst.series.values[index] for index in worst.indices)
    begin, end = min(each.times[0] for each in seen), max(each.times[1] for each in seen)
    usual = value / worst.excess
    where = f" in {row['service']}" if row["service"] else ""
    told = sorted({each.explanation for each in seen} - {""})
    metric = worst.series.metric.removesuffix("_ms")
    return Draft(
        source=TicketSource.PERFORMANCE,
        project=row["project"],
        subject=f"{row['type']}: {row['service']}: {row['subject']}",
        title=_title(row["subject"], worst.excess),
        description=(
            f"The {metric} of {row['subject']}{where} is {value:.4g} ms, usual at that hour of the"
            f" week is {usual:.4g} ms{''.join(f'; {each}' for each in told)}."
        ),
        evidence={
            "anomaly": {
                "metric": worst.series.metric,
                "value": value,
                "usual": usual,
                "severity": _severity(worst.excess),
                "begin": begin.isoformat(),
                "end": end.isoformat(),
                "share_of_time": row["share"],
                "calls": row["calls"],
                "seen_by": [each.to_json() for each in seen],
            }
        },
        proposed_solution=_REMEDIES[row["type"]].format(
            subject=row["subject"], since=f"{begin:%F %R %Z}"
        ),
        test_plan=_TEST_PLAN.format(subject=row["subject"], metric=metric, usual=usual),
        first_seen_at=begin,
        last_seen_at=end,
        facts=Facts(share=row["share"], excess=worst.excess, is_regression=True),
    )


def _severity(excess: float) -> str:
    return next((word for most, word in _SEVERITIES if excess < most), "critical")


def _title(subject: str, excess: float) -> str:
    title = f"Optimize {subject}: {excess:.1f} times as slow as usual"
    return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1]}…"
