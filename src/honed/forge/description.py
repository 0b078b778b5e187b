"""What a change says of itself: title, description and commit, made of evidence alone.

What a request says is fixed before its trial, because it is part of what is approved; what gates,
policy and ledger said afterwards is added when it is opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from honed.core.gate import GateResult
from honed.core.step import Step
from honed.forge.quoting import block, code, indented, plain

#: Names the entry of the ledger that says why; git shows it by `git log --format=%(trailers)`.
LEDGER_TRAILER: Final = "Honed-Ledger"
TICKET_TRAILER: Final = "Honed-Ticket"
#: Names the claim by its digest, as every entry of the ledger about it does: the entries that prove
#: a commit are written after its bytes are fixed, so that it cannot name them.
CLAIM_TRAILER: Final = "Honed-Claim"
_SUBJECT_CHARACTERS: Final = 72
_MOST_GATES: Final = 30
_UNTITLED: Final = "A change"


@dataclass(frozen=True, slots=True)
class Proof:
    """A test that failed on the base and passes on the change, as often as it was run."""

    test: str
    red: int
    green: int
    runs: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a change. Its texts may be written by strangers.

    Args:
        title: what it does, in one line.

        trouble: what was wrong, in a sentence.

        error: the words and frames of the error, as they came; empty: there is none.

        cause: why it happened, and why this settles it; empty: nobody knows.

        proofs: tests that were red and are green.

        gates: what each gate said.

        risk_level: 1 to 10.

        risk: what could go wrong, in a sentence.

        base_commit: what it was proven on.

        undo: steps that take it back; none: revert the commit.

        ticket_id: the ticket that it is about.

        ledger_index: the entry of the ledger that says why.

        made_by: what made it: a template's name, or a model's.
    """

    title: str
    trouble: str
    base_commit: str
    risk_level: int
    error: str = ""
    cause: str = ""
    proofs: Sequence[Proof] = ()
    gates: Sequence[GateResult] = ()
    risk: str = ""
    undo: Sequence[Step] = ()
    ticket_id: int | None = None
    ledger_index: int | None = None
    made_by: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the ledger."""

    #: ``proposed``, ``proven``, ``approved`` ...
    event: str
    index: int
    leaf_hash: str


@dataclass(frozen=True, slots=True)
class Grounds:
    """What became known of a change between its proposal and its publication.

    Args:
        improvement_id: by which honed calls it.

        gates: what each gate said.

        judge: digest of what judged.

        entries: of the ledger, oldest first.

        approved_by: ``policy`` or ``person``; empty: nobody.
    """

    improvement_id: int
    gates: Sequence[GateResult] = ()
    judge: str = ""
    entries: Sequence[Entry] = ()
    approved_by: str = ""


def title(evidence: Evidence) -> str:
    """Return the title of a change request, on one line."""
    return plain(evidence.title) or _UNTITLED


def body(evidence: Evidence) -> str:
    """Return the description of a change request, in Markdown."""
    parts = [
        "## What was wrong",
        code(evidence.trouble, 500) if evidence.trouble else "See the ticket.",
        *([block(evidence.error)] if evidence.error else []),
        *(["## Why this settles it", block(evidence.cause)] if evidence.cause else []),
        *_proven(evidence),
        "## Risk",
        _risk(evidence),
        "## How to undo it",
        _undo(evidence.undo),
        "## Record",
        _record(evidence),
    ]
    return "\n\n".join(parts) + "\n"


def completed(said: str, grounds: Grounds | None, authors: Sequence[str] = ()) -> str:
    """Return the description of a request that is opened now.

    Args:
        said: what ``body`` returned before the trial.

        grounds: what became known since; None: nothing is recorded of it.

        authors: names of those who wrote what it changes, and whom the forge does not know.
    """
    parts = [said.rstrip("\n")]
    if grounds is not None:
        parts += ["## What the gates say", _gates(grounds.gates) or "No gate has looked at it."]
        parts += [f"Judged by {code(grounds.judge, 80)}."] if grounds.judge else []
        parts += ["## How to check it", _checked(grounds)]
    if authors:
        parts += ["## Who wrote these lines before", _named(authors)]
    parts.append(
        "Close this request to say no: neither it nor another for the same cause comes again."
    )
    return "\n\n".join(parts) + "\n"


def commit_message(evidence: Evidence) -> str:
    """Return the message of the commit, with a trailer that leads to the ledger's entry."""
    parts = [_subject(evidence.title)]
    if evidence.trouble:
        parts.append(f"What was wrong:\n{indented(evidence.trouble)}")
    if evidence.proofs:
        tests = "\n".join(each.test for each in evidence.proofs[:_MOST_GATES])
        parts.append(f"Red before, green after:\n{indented(tests)}")
    trailers = {LEDGER_TRAILER: evidence.ledger_index, TICKET_TRAILER: evidence.ticket_id}
    said = [f"{name}: {value}" for name, value in trailers.items() if value is not None]
    return "\n\n".join([*parts, *(["\n".join(said)] if said else [])]) + "\n"


def _subject(said: str) -> str:
    """Return the first line of a commit: git takes ``---`` for its end, and # for a remark."""
    line = plain(said, _SUBJECT_CHARACTERS)
    if line[:1].isalnum():
        return line
    return f"{_UNTITLED}: {plain(said, _SUBJECT_CHARACTERS - 10)}" if line else _UNTITLED


def _proven(evidence: Evidence) -> list[str]:
    """Return what is known before the trial of what proves a change; often nothing."""
    if not evidence.proofs and not evidence.gates:
        return []
    gates = [_gates(evidence.gates)] if evidence.gates else []
    return ["## What proves it", _proofs(evidence.proofs), *gates]


def _proofs(proofs: Sequence[Proof]) -> str:
    if not proofs:
        return "No test was red before: nothing but the gates speaks for this change."
    return "\n".join(
        f"- {code(each.test, 300)}: red {each.red} of {each.runs} times without this change,"
        f" green {each.green} of {each.runs} times with it"
        for each in proofs[:_MOST_GATES]
    )


def _gates(gates: Sequence[GateResult]) -> str:
    rows = [
        f"- {'passed' if each.passed else '**not passed**'}: {code(each.gate, 60)}"
        f" {code(each.reason, 300)}{_numbers(each)}"
        for each in gates[:_MOST_GATES]
    ]
    return "\n".join(rows)


def _numbers(result: GateResult) -> str:
    """Return the plain numbers behind what a gate says, a few of them."""
    told = [
        f"{name} = {value:.4g}"
        for name, value in sorted(result.evidence.items())
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return f" ({code(', '.join(told[:6]), 200)})" if told else ""


def _risk(evidence: Evidence) -> str:
    said = f"Level {evidence.risk_level} of 10."
    return f"{said} {code(evidence.risk, 500)}" if evidence.risk else said


def _undo(steps: Sequence[Step]) -> str:
    if not steps:
        return "Revert the commit; nothing else was changed."
    return "\n".join(f"- {code(each.description, 300)}" for each in steps)


def _record(evidence: Evidence) -> str:
    told = {
        "ticket": evidence.ticket_id,
        "entry of the ledger": evidence.ledger_index,
        "proven on": code(evidence.base_commit, 64),
        "made by": code(evidence.made_by, 100) if evidence.made_by else None,
    }
    return "\n".join(f"- {name}: {value}" for name, value in told.items() if value is not None)


def _checked(grounds: Grounds) -> str:
    """Return where honed keeps what proves a change, and how to take it back."""
    number = grounds.improvement_id
    by = {"person": "by a person", "policy": "by the policy"}.get(grounds.approved_by, "")
    entries = [
        f"- entry {each.index} of the ledger: {each.event}"
        f"{f' {by}' if by and each.event == 'approved' else ''}, leaf `{each.leaf_hash}`"
        for each in grounds.entries
    ]
    last = grounds.entries[-1].index if grounds.entries else None
    ledger = [
        f"- `honed ledger show {last}` checks the signature of an entry",
        f"- `honed ledger export {last}` proves it to somebody without access",
        "- `honed verify` checks the whole record",
    ]
    shown = f"- `honed improvement show {number}` tells all of it"
    back = (
        f"- `honed improvement rollback {number} --reason ...` takes it back: it closes this"
        " request, or proposes the revert of what was merged"
    )
    return "\n".join([*entries, shown, *(ledger if entries else []), back])


def _named(authors: Sequence[str]) -> str:
    return "\n".join(f"- {code(each, 80)}" for each in authors)
