"""Ranges of a partition key: reading bounds, going on by their width, naming what comes next."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeAlias

#: A value of a partition key: of times as the session's time zone shows them.
Position: TypeAlias = datetime | int
Pattern: TypeAlias = Callable[["Range"], str]

_BOUND = re.compile(r"FOR VALUES FROM \((?P<lower>[^()]*)\) TO \((?P<upper>[^()]*)\)")
_OFFSET = re.compile(r"(?P<time>\d\d:\d\d:[\d.]+)[+-][\d:]+$")
_MONTHS = 12
#: Days that every month has.
_SURE_DAYS = 28
#: Partitions from which width and pattern of the names are learnt; older ones may be otherwise.
_LEARNT_FROM = 3
#: How people write the beginning of a range into a partition's name, most telling first.
_DATES = (
    "%Y_%m_%d_%H",
    "%Y%m%d_%H%M%S",
    "%Y%m%d%H",
    "%Y_%m_%d",
    "%Y-%m-%d",
    "%Y%m%d",
    "y%Ym%md%d",
    "%G_w%V",
    "%Gw%V",
    "%G_%V",
    "%G%V",
    "y%Ym%m",
    "%Y_%m",
    "%Y-%m",
    "%Ym%m",
    "%Y%m",
    "%Y",
)


@dataclass(frozen=True, slots=True)
class Key:
    """The column by whose ranges a table is partitioned."""

    column: str
    #: As ``format_type`` writes it.
    type: str
    #: Time zone of the session that read the bounds.
    zone: str

    @property
    def is_time(self) -> bool:
        """Whether its values are times; else they are whole numbers."""
        return self.type == "date" or self.type.startswith("timestamp")

    def parse(self, text: str) -> Position | None:
        """Return the value that the server writes as ``text``; None where it is no finite one."""
        plain = text.strip().strip("'")
        try:
            return (
                datetime.fromisoformat(_OFFSET.sub(r"\g<time>", plain))
                if self.is_time
                else int(plain)
            )
        except ValueError:
            return None

    def write(self, position: Position) -> str:
        """Return ``position`` as text that means the same in every session."""
        if isinstance(position, int):
            return str(position)
        if self.type == "date":
            return position.date().isoformat()
        text = position.isoformat(sep=" ")
        return f"{text} {self.zone}" if self.type == "timestamp with time zone" else text


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Values from ``lower``, which belongs to it, up to ``upper``, which does not."""

    lower: Position
    upper: Position

    @classmethod
    def parse(cls, bound: str, key: Key) -> "Range | None":
        """Return what the server writes as ``bound``; None: it is open, or the default."""
        found = _BOUND.fullmatch(bound)
        if found is None:
            return None
        lower, upper = key.parse(found["lower"]), key.parse(found["upper"])
        return None if lower is None or upper is None else cls(lower, upper)


@dataclass(frozen=True, slots=True)
class Width:
    """How wide ranges are: so many months, or a fixed distance."""

    months: int = 0
    distance: timedelta | int = 0

    @classmethod
    def of(cls, each: Range) -> "Width":
        """Return the width of one range; in months where it lasts from one such day to another."""
        if isinstance(each.lower, int) or isinstance(each.upper, int):
            return cls(distance=int(each.upper) - int(each.lower))  # type: ignore[arg-type]  # both of one key
        # Ranges that begin on the 29th or later follow no months: they are so many days wide.
        is_sure = each.lower.day <= _SURE_DAYS
        months = (each.upper.year - each.lower.year) * _MONTHS + each.upper.month - each.lower.month
        if is_sure and months > 0 and _plus_months(each.lower, months) == each.upper:
            return cls(months=months)
        return cls(distance=each.upper - each.lower)

    def after(self, position: Position) -> Position:
        """Return where a range that begins at ``position`` ends."""
        if self.months and isinstance(position, datetime):
            return _plus_months(position, self.months)
        return position + self.distance  # type: ignore[operator]  # both of one key

    def __str__(self) -> str:
        """Return it for a person."""
        if self.months:
            return f"{self.months} months" if self.months > 1 else "1 month"
        is_days = isinstance(self.distance, timedelta) and self.distance.seconds == 0
        return str(self.distance).removesuffix(", 0:00:00") if is_days else str(self.distance)


def end_of(bound: str, key: Key) -> Position | None:
    """Return where a partition with this ``bound`` ends; None: it is the default, or open."""
    found = _BOUND.fullmatch(bound)
    return None if found is None else key.parse(found["upper"])


def width_of(ranges: Sequence[Range]) -> Width | None:
    """Return the width that the last of ``ranges`` have in common; None where they differ."""
    widths = {Width.of(each) for each in sorted(ranges)[-_LEARNT_FROM:]}
    return widths.pop() if len(widths) == 1 else None


def following(last: Position, width: Width) -> Iterator[Range]:
    """Yield the ranges that follow ``last``, without end."""
    while True:
        upper = width.after(last)
        yield Range(last, upper)
        last = upper


def name_for(
    new: Range, named: Sequence[tuple[Range, str]], *, table: str, taken: Collection[str]
) -> str | None:
    """Return the name of a new partition, as the last of those in ``named`` are called.

    Where their names tell no pattern, it is the table's with the beginning of the range. None: the
    name is taken already, or too long.
    """
    latest = sorted(named)[-_LEARNT_FROM:]
    name = next((pattern(new) for pattern in _patterns(latest)), f"{table}_p{_plainly(new.lower)}")
    is_free = name not in taken and len(name.encode()) <= 63  # noqa: PLR2004 - NAMEDATALEN - 1
    return name if is_free else None


def _patterns(named: Sequence[tuple[Range, str]]) -> Iterator[Pattern]:
    """Yield the ways of naming that give each of ``named`` the name that it has."""
    if not named:
        return
    first_range, first = named[0]
    for way in _ways(named):
        part = way(first_range)
        for place in (m.start() for m in re.finditer(re.escape(part), first)):
            head, tail = first[:place], first[place + len(part) :]
            pattern = _joined(head, way, tail)
            if all(pattern(each) == name for each, name in named):
                yield pattern


def _joined(head: str, way: Pattern, tail: str) -> Pattern:
    return lambda new: head + way(new) + tail


def _ways(named: Sequence[tuple[Range, str]]) -> Iterator[Pattern]:
    if isinstance(named[0][0].lower, datetime):
        for form in _DATES:
            yield lambda new, form=form: f"{new.lower:{form}}"  # type: ignore[misc]  # bound here
        return
    digits = max(len(found) for found in re.findall(r"\d+", "0 " + " ".join(n for _, n in named)))
    for zeros in (1, digits):
        yield lambda new, zeros=zeros: f"{new.lower:0{zeros}d}_{new.upper:0{zeros}d}"  # type: ignore[misc]  # likewise
        yield lambda new, zeros=zeros: f"{new.lower:0{zeros}d}"  # type: ignore[misc]  # likewise
        yield lambda new, zeros=zeros: f"{_ordinal(new):0{zeros}d}"  # type: ignore[misc]  # likewise
        yield lambda new, zeros=zeros: f"{_ordinal(new) + 1:0{zeros}d}"  # type: ignore[misc]  # likewise


def _ordinal(each: Range) -> int:
    assert isinstance(each.lower, int)  # noqa: S101 - only ways of whole numbers ask
    assert isinstance(each.upper, int)  # noqa: S101 - likewise
    return each.lower // (each.upper - each.lower)


def _plainly(position: Position) -> str:
    if isinstance(position, int):
        return str(position)
    is_midnight = position.time() == datetime.min.time()
    return f"{position:%Y%m%d}" if is_midnight else f"{position:%Y%m%d_%H%M%S}"


def _plus_months(position: datetime, months: int) -> datetime:
    number = position.year * _MONTHS + position.month - 1 + months
    first = date(number // _MONTHS, number % _MONTHS + 1, 1)
    return datetime.combine(first.replace(day=position.day), position.time())
