"""What an improvement would change of a repository's code, for whoever shows it."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from honed.core.canonical import Json
from honed.core.forge import ChangeState
from honed.core.gate import GateResult
from honed.errors import ConfigurationError, TargetError
from honed.improvement.record import Improvement
from honed.storage.db import Connection
from honed.targets.repository.publishing.acts import RUNNER
from honed.targets.repository.publishing.packing import paths, unpack
from honed.targets.repository.requests import changes
from honed.targets.repository.requests.change import Change, Wanted
from honed.targets.repository.source import Source

_EVERY: Final = 1_000


@dataclass(frozen=True, slots=True)
class ProposedCode:
    """A change of code, what the gates say of it, and its requests."""

    base_commit: str
    #: Where it is to be merged, and the branch and commit that it is published as; empty: not yet.
    base_branch: str
    branch: str
    commit: str
    made_by: str
    message: str
    repairs: tuple[str, ...]
    #: The change as a unified diff; empty: its base commit is not on this machine.
    diff: str
    paths: tuple[str, ...]
    #: Why it should not be published; empty: there is no doubt. With ``question``, the input on
    #: which changes that pass as well do something else.
    doubt: str
    question: Mapping[str, Any] = field(default_factory=dict)
    #: What came of every other change that was looked for, by proposer, in a sentence each.
    tried: tuple[str, ...] = ()
    gates: tuple[GateResult, ...] = ()
    #: A digest of what judged.
    judge: str = ""
    #: The ticket of an exception, and the captured call that its test makes; None and empty: it is
    #: about another trouble.
    ticket_id: int | None = None
    call: str = ""
    #: Whether a person has said what that call does when it is right.
    is_answered: bool = False
    #: Oldest first: the change itself, and the revert of it.
    requests: tuple[Change, ...] = ()

    @property
    def is_open_question(self) -> bool:
        """Whether a gate leaves it to a person, and does not refute it."""
        return any(not each.passed and not each.refutes for each in self.gates)


def read_code(
    conn: Connection, improvement: Improvement, source: Source | None
) -> ProposedCode | None:
    """Return what an improvement would change of code; None: it changes none.

    Args:
        conn: any role may read.

        improvement: as it is stored.

        source: the repository, of which honed's own clone is read as it is; None: it is gone.
    """
    parameters: Mapping[str, Any] = improvement.hypothesis.parameters
    packed: Any = parameters.get("change")
    if not isinstance(packed, Mapping) or "files" not in packed:
        return None
    act = _act(improvement)
    evidence: Mapping[str, Any] = improvement.evidence
    return ProposedCode(
        base_commit=packed["base_commit"],
        base_branch=str(parameters.get("base_branch", "")),
        branch=str(act.get("branch", "")),
        commit=str(act.get("commit", "")),
        made_by=packed.get("made_by", ""),
        message=packed["message"],
        repairs=tuple(packed["repairs"]),
        diff=_diff(packed, source),
        paths=paths(packed),
        doubt=packed["doubt"],
        question=packed["question"],
        tried=tuple(parameters.get("tried", ())),
        gates=_gates(evidence.get("gates", ())),
        judge=str(evidence.get("judge", "")),
        ticket_id=parameters.get("ticket_id"),
        call=str(parameters.get("call", "")),
        is_answered=bool(parameters.get("answered", False)),
        requests=_requests(conn, improvement),
    )


def _act(improvement: Improvement) -> Mapping[str, Json]:
    acts = [json.loads(step.do[0]) for step in improvement.steps if step.runner == RUNNER]
    return acts[0] if acts else {}


def _diff(packed: Mapping[str, Any], source: Source | None) -> str:
    # Looking needs neither the network nor the machine on which the change was found.
    with suppress(TargetError, ConfigurationError, OSError):
        return unpack(packed, source.clone()).diff if source else ""
    return ""


def _gates(said: Sequence[Mapping[str, Any]]) -> tuple[GateResult, ...]:
    return tuple(GateResult(**each) for each in said)


def _requests(conn: Connection, improvement: Improvement) -> tuple[Change, ...]:
    every = changes.changes(conn, Wanted(states=tuple(ChangeState)), limit=_EVERY)
    ours = (each for each in every if each.improvement_id == improvement.improvement_id)
    return tuple(sorted(ours, key=lambda each: each.change_id))
