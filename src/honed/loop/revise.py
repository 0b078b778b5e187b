"""Revision: a claim that helps on the whole but harms a few is tried again without what harms."""

import math

from honed.core.hypothesis import Hypothesis
from honed.core.trial import TrialDesign
from honed.core.verdict import Verdict
from honed.experiments.judgement import Guardrail, Judgement
from honed.loop.boundary import KIND_TROUBLE, asking
from honed.loop.cycle import get_cycle
from honed.loop.events import Event, PluginFailed
from honed.loop.hypothesize import Desk, check_claim
from honed.loop.work import Work
from honed.storage.db import Connection

#: A unit that looks slower than this share of the margin when the trial ends undecided is taken to
#: be harmed: leaving out too much costs a little gain, and the next trial decides in any case.
_SUSPECT = 0.5


def revised(work: Work, judgement: Judgement, design: TrialDesign) -> Hypothesis | None:
    """Return what the kind claims instead, where a few units alone kept a claim from being proven.

    Raises:
        Postponed: the target does not answer.
    """
    harmed = _harmed(judgement, design)
    if not harmed or judgement.effect >= 0 or not work.improvement.cycle_id:
        return None
    kind, hypothesis = work.kind(), work.improvement.hypothesis
    try:
        with asking(kind.name):
            claim = kind.revise(hypothesis, harmed, work.target())
            return claim and check_claim(kind, claim, hypothesis.finding_ids)
    except KIND_TROUBLE as error:
        work.parts.tell(PluginFailed(work.improvement.cycle_id, kind.name, str(error)))
        return None


def take(conn: Connection, work: Work, claim: Hypothesis) -> Event:
    """Make the revised claim an improvement of the same cycle; return what to tell."""
    parts, improvement = work.parts, work.improvement
    cycle = get_cycle(conn, improvement.cycle_id)
    fence, fingerprint = work.context.fence, improvement.target_fingerprint
    return Desk(conn, parts.signer, fence, cycle, fingerprint).take(work.kind(), claim)


def _harmed(judgement: Judgement, design: TrialDesign) -> tuple[str, ...]:
    violated = judgement.named(Guardrail.VIOLATED)
    if violated or judgement.verdict is not Verdict.INCONCLUSIVE:
        return violated
    limit = _SUSPECT * math.log1p(design.guardrail_margin)
    undecided = frozenset(judgement.named(Guardrail.UNDECIDED))
    return tuple(u.unit for u in judgement.units if u.unit in undecided and u.effect > limit)
