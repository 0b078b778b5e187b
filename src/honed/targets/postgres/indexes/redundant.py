"""Redundant indexes: which ones another serves as well, and which ones nobody asks."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from honed.targets.postgres.catalog import Catalog, Index


class Reason(StrEnum):
    """Why an index may go."""

    #: Another one has the same keys on the same rows.
    DUPLICATE = "duplicate"
    #: Another one begins with its keys.
    PREFIX = "prefix"
    #: No statement used it since the counters were reset.
    UNUSED = "unused"
    #: A build that failed left it behind; only writers notice it.
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Redundancy:
    """One index that may go."""

    index: Index
    reason: Reason
    #: Qualified name of the index that serves instead; empty: none needs to.
    instead: str = ""


def find_redundant(
    catalog: Catalog,
    *,
    referencing: Mapping[str, Collection[tuple[str, ...]]],
    is_unused: Collection[str],
    in_progress: Collection[str] = (),
) -> list[Redundancy]:
    """Return the indexes that may go, in the order of their names.

    What carries a constraint, makes values unique or was chosen by a person (replica identity,
    CLUSTER) stays. Of two indexes that could each stand in for the other one stays.

    Args:
        catalog: of the target.

        referencing: columns of the foreign keys of each table, by qualified name; an index that
            begins with them serves deletes and updates of the table that is referred to, which no
            statement of the workload shows.

        is_unused: qualified names of the indexes that nobody asked for long enough, on any server.

        in_progress: qualified names of the indexes that are being built now.
    """
    found: dict[str, Redundancy] = {}
    for index in sorted(catalog.indexes, key=_least_worthy_first):
        if not _may_go(index) or index.qualified_name in in_progress:
            continue
        rivals = [
            other
            for other in catalog.indexes_of(index.table)
            if other.is_valid and other != index and other.qualified_name not in found
        ]
        redundancy = _redundancy(index, rivals, referencing.get(index.table, ()), is_unused)
        if redundancy is not None:
            found[index.qualified_name] = redundancy
    return [found[name] for name in sorted(found)]


def _least_worthy_first(index: Index) -> tuple[bool, bool, int, int, str]:
    return (
        index.is_valid,
        bool(index.constraint),
        len(index.keys) + len(index.included),
        index.scans,
        index.qualified_name,
    )


def _may_go(index: Index) -> bool:
    is_needed = index.is_primary or index.constraint or index.is_chosen
    return not is_needed and (not index.is_unique or not index.is_valid)


def _redundancy(
    index: Index,
    rivals: Sequence[Index],
    foreign_keys: Collection[tuple[str, ...]],
    is_unused: Collection[str],
) -> Redundancy | None:
    if not index.is_valid:
        return Redundancy(index, Reason.INVALID)
    for reason, instead in _standing_in(index, rivals):
        return Redundancy(index, reason, instead.qualified_name)
    if index.qualified_name in is_unused and not _serves(index, foreign_keys, rivals):
        return Redundancy(index, Reason.UNUSED)
    return None


def _standing_in(index: Index, rivals: Sequence[Index]) -> Iterator[tuple[Reason, Index]]:
    # The worthiest first: it goes last, so that what stands in is still there.
    for rival in sorted(rivals, key=_least_worthy_first, reverse=True):
        if rival.method != index.method or rival.predicate != index.predicate:
            continue
        if not set(index.included) <= {*rival.included, *rival.keys}:
            continue
        keys, others = _keys(index), _keys(rival)
        if keys == others:
            yield Reason.DUPLICATE, rival
        elif index.method == "btree" and others[: len(keys)] == keys:
            yield Reason.PREFIX, rival


def _keys(index: Index) -> tuple[tuple[str, str], ...]:
    return tuple(zip(index.keys, index.orderings, strict=True))


def _serves(
    index: Index, foreign_keys: Collection[tuple[str, ...]], rivals: Sequence[Index]
) -> bool:
    """Return whether a foreign key would be left without an index."""

    def leads(candidate: Index, columns: tuple[str, ...]) -> bool:
        return set(candidate.keys[: len(columns)]) == set(columns) and not candidate.predicate

    return any(
        leads(index, columns) and not any(leads(rival, columns) for rival in rivals)
        for columns in foreign_keys
    )
