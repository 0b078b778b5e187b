"""Category, priority, risk and effort of a draft, each as a sum of terms that a person can read.

The weights are honed's own. They are set so that the three examples of seed 003 ("Sources of
Improvement Tickets") come out as the seed has them, and so that no single fact makes a trouble
critical. Nothing here learns: the same facts always give the same judgement.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from honed.backlog.draft import Draft
from honed.backlog.score import PRIORITY_VALUES
from honed.backlog.ticket import Category, Priority, Term, Terms, TicketSource
from honed.core.risk import MAX_ATTEMPTED_RISK, MAX_RISK, Danger

#: The category of what a source finds, unless its facts say otherwise.
_CATEGORY: Final[Mapping[TicketSource, Category]] = {
    TicketSource.EXCEPTION: Category.BUG_FIX,
    TicketSource.PERFORMANCE: Category.PERFORMANCE,
    TicketSource.TEST: Category.BUG_FIX,
    TicketSource.FEEDBACK: Category.FEATURE,
    TicketSource.COST: Category.COST,
    TicketSource.CODE: Category.REFACTOR,
    TicketSource.FORECAST: Category.PERFORMANCE,
    TicketSource.MANUAL: Category.BUG_FIX,
}
#: Where a priority begins: what people or programs meet counts more than what could be nicer.
_PRIORITY_BASE: Final[Mapping[TicketSource, float]] = {
    TicketSource.EXCEPTION: 4.0,
    TicketSource.PERFORMANCE: 3.0,
    TicketSource.TEST: 3.0,
    TicketSource.FEEDBACK: 5.4,
    TicketSource.COST: 3.0,
    TicketSource.CODE: 1.0,
    TicketSource.FORECAST: 4.0,
    TicketSource.MANUAL: 4.0,
}
#: What a change of this sort breaks easily, and what it takes, on a scale from 1 to 10.
_RISK_BASE: Final[Mapping[Category, float]] = {
    Category.BUG_FIX: 3.5,
    Category.PERFORMANCE: 4.5,
    Category.FEATURE: 2.0,
    Category.REFACTOR: 3.0,
    Category.TEST: 1.0,
    Category.COST: 4.0,
}
_EFFORT_BASE: Final[Mapping[Category, float]] = {
    Category.BUG_FIX: 2.5,
    Category.PERFORMANCE: 5.5,
    Category.FEATURE: 3.0,
    Category.REFACTOR: 2.0,
    Category.TEST: 2.0,
    Category.COST: 4.0,
}
#: McCabe (1976, section VI): a function above it is to be split.
_COMPLEX: Final = 10
#: What crosses its limit later than this does not matter yet.
_FAR_DAYS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Triage:
    """The judgement of a draft, with every term of it."""

    category: Category
    priority: Priority
    #: 1 to 10.
    risk_level: int
    #: 1 to 10.
    estimated_effort: int
    terms: Terms


def triage(draft: Draft) -> Triage:
    """Return category, priority, risk and effort of a draft, and why.

    A priority is the word whose number (``PRIORITY_VALUES``) is nearest to the sum of its terms, of
    two the higher. Risk and effort are sums rounded half up, within 1 to 10.
    """
    category, category_term = _category(draft)
    priority_terms = _priority_terms(draft)
    risk_terms = _risk_terms(draft, category)
    effort_terms = _effort_terms(draft, category)
    return Triage(
        category=category,
        priority=_nearest(_total(priority_terms)),
        risk_level=_level(risk_terms),
        estimated_effort=_level(effort_terms),
        terms={
            "category": (category_term,),
            "priority": priority_terms,
            "risk_level": risk_terms,
            "estimated_effort": effort_terms,
        },
    )


def _category(draft: Draft) -> tuple[Category, Term]:
    said = draft.facts.category
    if said is not None:
        return said, Term("the finding", draft.source.value, said.value)
    category = _CATEGORY[draft.source]
    return category, Term("source", draft.source.value, category.value)


def _priority_terms(draft: Draft) -> tuple[Term, ...]:
    facts = draft.facts
    due = 0.0 if facts.due_days is None else 1 - min(max(0, facts.due_days), _FAR_DAYS) / _FAR_DAYS
    return _counting(
        Term("source", draft.source.value, _PRIORITY_BASE[draft.source]),
        Term("times a day", _number(facts.times_per_day), _growing(facts.times_per_day)),
        Term("users", facts.users, _growing(facts.users)),
        Term("share", _number(facts.share), min(3.0, 8 * max(0.0, facts.share))),
        Term("times as much", _number(facts.excess), _excess(facts.excess)),
        Term("days until it is due", _number(facts.due_days), 3 * due),
        Term("unhandled", facts.is_unhandled, 1.5 * facts.is_unhandled),
        Term("was well before", facts.is_regression, 1.0 * facts.is_regression),
        *_code_terms(draft),
    )


def _code_terms(draft: Draft) -> tuple[Term, ...]:
    """Return what makes code worth changing by itself; elsewhere it makes a change dearer only."""
    if draft.source is not TicketSource.CODE:
        return ()
    number, is_untested = draft.facts.complexity, draft.facts.is_tested is False
    return (
        Term("complexity", number, _complexity(number)),
        Term("reached by no test", is_untested, 1.0 * is_untested),
    )


def _risk_terms(draft: Draft, category: Category) -> tuple[Term, ...]:
    facts = draft.facts
    terms = _counting(
        Term("category", category.value, _RISK_BASE[category]),
        Term("files", len(draft.files_to_modify), min(3.0, len(draft.files_to_modify) / 2)),
        Term("complexity", facts.complexity, _complexity(facts.complexity)),
        Term("reached by no test", facts.is_tested is False, _untested(draft, category)),
    )
    # A danger puts it beyond what is attempted without a person, whatever else it is.
    lift = max(0.0, MAX_ATTEMPTED_RISK + 1 - _total(terms))
    is_dangerous = facts.danger is not Danger.NONE
    return (*terms, *_counting(Term("danger", facts.danger.value, lift * is_dangerous)))


def _effort_terms(draft: Draft, category: Category) -> tuple[Term, ...]:
    facts, files = draft.facts, len(draft.files_to_modify)
    is_lost = not files and draft.target_id is None
    return _counting(
        Term("category", category.value, _EFFORT_BASE[category]),
        Term("files", files, min(3.0, files / 2)),
        Term("lines", facts.lines, min(3.0, max(0, facts.lines) / 200)),
        Term("complexity", facts.complexity, _complexity(facts.complexity)),
        Term("its place is unknown", is_lost, 1.0 * is_lost),
    )


def _untested(draft: Draft, category: Category) -> float:
    # To write a test where there is none endangers nothing.
    return 1.0 * (draft.facts.is_tested is False and category is not Category.TEST)


def _growing(count: float) -> float:
    """Return 0 for none, then 1.2 for each tenfold, at most 2.4."""
    return min(2.4, 1.2 * math.log10(1 + max(0.0, count)))


def _excess(ratio: float) -> float:
    """Return 2 for each doubling, at most 3."""
    return min(3.0, 2 * math.log2(max(1.0, ratio)))


def _complexity(number: int) -> float:
    return min(2.0, max(0, number - _COMPLEX) / 10)


def _counting(*terms: Term) -> tuple[Term, ...]:
    """Return the terms that contribute anything, rounded, so that what is shown adds up."""
    rounded = [Term(each.name, each.value, round(float(each.contribution), 2)) for each in terms]
    return tuple(each for each in rounded if each.contribution)


def _total(terms: tuple[Term, ...]) -> float:
    return sum(float(each.contribution) for each in terms)


def _level(terms: tuple[Term, ...]) -> int:
    return max(1, min(MAX_RISK, math.floor(_total(terms) + 0.5)))


def _nearest(total: float) -> Priority:
    return min(Priority, key=lambda each: (abs(PRIORITY_VALUES[each] - total), -_value(each)))


def _value(priority: Priority) -> int:
    return PRIORITY_VALUES[priority]


def _number(value: float | None) -> float | None:
    """Return a number as it can be said: rounded, and none where it is not finite."""
    return None if value is None or not math.isfinite(value) else round(value, 4)
