"""Functions that were written twice become one, and keep all their names."""

from collections.abc import Iterator, Sequence

from honed.repair.refactor.copies import Copy, copies, import_place, may_stand_for
from honed.repair.refactor.package import Package
from honed.repair.refactor.refactor import Proof, Refactor, refactored, removed
from honed.repair.suite import Edit


def merged_copies(package: Package) -> list[Refactor]:
    """Return one change for each top-level function that equals another of the same package.

    Its name stays, as another name of the one that is kept: an assignment in the same module, an
    import in another. Left alone is what has decorators, defaults or attributes that hold a state,
    what calls itself or looks around, what uses a name that means something else in the other
    module, and what could be imported only in a circle or with an effect.

    What the copies say of themselves (``__name__``, ``__module__``) becomes that of the one.
    """
    found = [change for group in copies(package, 1) for change in _merged(package, group)]
    return [each for each in found if each is not None]


def _merged(package: Package, group: Sequence[Copy]) -> Iterator[Refactor | None]:
    # What is public is kept before what is private.
    for kept in sorted(group, key=lambda each: each.node.name.startswith("_")):
        others = [
            each
            for each in group
            if each is not kept and _says_nothing_else(each, kept) and _comes_after(each, kept)
            if may_stand_for(package, kept, each)
        ]
        if others:
            yield from (_merge(package, kept, each) for each in others)
            return


def _says_nothing_else(other: Copy, kept: Copy) -> bool:
    is_private = other.node.name.startswith("_")
    return is_private or other.docstring in (None, kept.docstring)


def _comes_after(other: Copy, kept: Copy) -> bool:
    return other.module is not kept.module or other.node.lineno > kept.node.lineno


def _merge(package: Package, kept: Copy, other: Copy) -> Refactor | None:
    source, node = other.module.source, other.node
    name, new = node.name, kept.node.name
    if kept.module is other.module:
        edits = [Edit(source.start(node), source.end(node), f"{name} = {new}")]
    else:
        place = import_place(other.module, node)
        if place is None:
            return None
        written = new if name == new else f"{new} as {name}"
        line = f"from {package.name(kept.module.path)} import {written}{source.ends()}"
        edits = [Edit(place, place, line), removed(other.module, node)]
    reason = f"{name} in {other.module.path} is a copy of {new} in {kept.module.path}"
    return refactored("merge_copies", reason, Proof.SAME_CODE, [(other.module, edits)])
