"""From failing tests to ranked patches: look, draft, search, compare, decide."""

import contextlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from honed.repair.base import Base, look
from honed.repair.behaviour import compare, probes
from honed.repair.candidates import (
    NO_WEIGHTS,
    Candidate,
    changed_functions,
    drafted,
    ordered,
)
from honed.repair.conditions import places, synthesised
from honed.repair.decide import decide
from honed.repair.invariants import is_refusal
from honed.repair.localise import suspicion
from honed.repair.rank import ranked, text_after
from honed.repair.search import Search, search
from honed.repair.source import Source
from honed.repair.suite import Budget, Outcome, Patch, Suite
from honed.repair.templates import TEMPLATES
from honed.repair.templates.mined import mined_templates
from honed.repair.workers import Workers
from honed.sandbox.box import Box
from honed.space.clones.ingredients import ingredients, modules

#: The most natural patches are compared; a reader looks at none of the others.
MOST_COMPARED = 40

NOTHING = "nothing that was tried passes all tests"


def repair(
    suite: Suite,
    box: Box,
    budget: Budget,
    weights: Mapping[str, float] = NO_WEIGHTS,
    patterns: Sequence[str] = (),
) -> Outcome:
    """Return patches after which all tests pass, best first, and why not to publish the first.

    Every test and every candidate runs in a sandbox, and nothing is written below ``suite.root``.
    The same patches come of the same seed, counts, weights and patterns, where time was enough for
    all candidates.

    Args:
        suite: the code and its tests, of which some fail.

        box: what the sandbox sees beside the suite's folder and its Python.

        budget: the most that it may cost.

        weights: by name of a template how much more or less likely it is than was known before,
            such as by what became of its patches; 1 where not named, at least 0.5 and at most 2
            whatever is said. It orders the search and counts in the rank.

        patterns: of changes elsewhere, as ``mining.pattern`` writes them, the best known first;
            what they make of a place is tried, too.

    Raises:
        RepairFailed: no test fails, or the tests cannot be collected.
        SandboxMissing: there is no sandbox that holds; nothing was run.
    """
    started = time.monotonic()
    with Workers(suite, box, budget) as workers:
        base = look(workers, suite)
        sources = _sources(base, suite.root)
        scores = suspicion(base.spectrum, base.failing)
        templates = (*TEMPLATES, *mined_templates(patterns))
        about = partial(drafted, is_endless=base.is_endless, templates=templates)
        candidates = [
            each
            for source in sources.values()
            for each in about(source, base.spectrum, scores, weights)
        ]

        def conditions(until: float) -> Iterator[Candidate]:
            wrong = places(base, sources, scores, weights)
            return ordered(synthesised(workers, base, wrong, until), sources)

        found = search(workers, base, ordered(candidates, sources), conditions, budget)
        examined = _examined(found, time.monotonic() - started)
        if not found.plausible:
            return Outcome((), NOTHING, None, examined)
        return _ranked(found, sources, suite, budget.seed, examined)


def _sources(base: Base, root: Path) -> dict[str, Source]:
    """Return the files that failing tests ran: those of them that are real files below ``root``.

    Which files they were is told by code that nobody trusts, so that only what a walk of honed's
    own has met is read.
    """
    said = {path for key in base.failing for path in base.spectrum.lines.get(key, {})}
    found: dict[str, Source] = {}
    for path in sorted(said & {str(path) for path in modules(root.resolve())}):
        with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError):
            found[path] = Source(path, Path(path).read_bytes())
    return found


def _ranked(
    found: Search,
    sources: dict[str, Source],
    suite: Suite,
    seed: int,
    examined: dict[str, float],
) -> Outcome:
    written = ingredients(modules(suite.root))
    scored = ranked(sources, found.plausible, written)[:MOST_COMPARED]
    natural, plausible = [score for score, _ in scored], [each for _, each in scored]
    until = found.started + found.budget.seconds
    changed = {name for each in plausible for name in changed_functions(sources[each.path], each)}
    asked = probes(found.base.spectrum, seed, changed)
    compared = compare(found.workers, plausible, asked, until)
    natural = natural[: len(compared.answers)]
    templates = [each.template for each in plausible[: len(natural)]]
    spectrum = found.base.spectrum
    refused = is_refusal(sources, spectrum)
    decision = decide(natural, compared, spectrum.raised, templates, is_refused=refused)

    def patch(number: int) -> Patch:
        candidate: Candidate = plausible[number]
        source = sources[candidate.path]
        path = Path(candidate.path).relative_to(suite.root.resolve()).as_posix()
        return Patch(
            path,
            source.text.decode(),
            text_after(source, candidate),
            candidate.template,
            candidate.edits,
            decision.scores[number],
            compared.clusters[number],
        )

    patches = tuple(map(patch, decision.order))
    return Outcome(patches, decision.abstained, decision.question, examined)


def _examined(found: Search, seconds: float) -> dict[str, float]:
    return {
        "candidates": float(found.tried),
        "plausible": float(len(found.plausible)),
        "first_patch_s": found.first_s if found.first_s is not None else math.nan,
        "seconds": seconds,
        "is_exhausted": float(found.is_exhausted),
    }
