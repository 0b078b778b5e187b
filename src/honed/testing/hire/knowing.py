"""A person who knows what is right: what the service without any fault does, said once."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from honed.backlog.ticket import Ticket
from honed.core.answer import Answer
from honed.core.fault import Fault
from honed.interfaces.cli.question import asked_call as in_words
from honed.repair.reproduce.answers import asked_call, literal, spelled
from honed.repair.reproduce.calls import Call, call_of
from honed.repair.reproduce.classes import Classes
from honed.repair.reproduce.refusal import NotRebuilt
from honed.repair.reproduce.writing import MAKE_TEXT
from honed.targets.repository.asked import captured_call
from honed.targets.repository.evidence.exceptions import samples
from honed.targets.repository.judging.judge import Checkout
from honed.targets.repository.target import RepositoryTarget
from honed.testing.hire.plant import repaired

_PATH: Final = "tests/test_what_a_person_knows.py"
_TOLD: Final = re.compile(r"^E\s+AssertionError: (returns|raises) (.+)$", re.MULTILINE)
#: It never passes: what it says when it fails is the answer.
_TEST: Final = """
{imports}
{make}

def ended({fixtures}):
    try:
        value = {call}
    except Exception as error:
        kind = type(error)
        module = "" if kind.__module__ == "builtins" else kind.__module__ + "."
        return "raises " + module + kind.__qualname__
    return "returns " + repr(value)


def test_it({fixtures}):
    raise AssertionError(ended({fixtures}))
"""


def answer_of(
    target: RepositoryTarget,
    ticket: Ticket,
    asked: Mapping[str, Any],
    answers: Sequence[Answer] = (),
) -> Answer | None:
    """Return what the right code does for the call that honed asks about; None: no literal tells.

    Args:
        target: the service with its faults.

        ticket: of the exception.

        asked: parameters of the claim that is in doubt; none: there was no claim.

        answers: what was said before, the oldest first.
    """
    question = asked.get("change", {}).get("question")
    with target.files(target.shape().commit) as tree:
        base = Checkout(tree.root, {}, target.court)
        classes = Classes(base)
        if question:
            text = spelled(in_words(question), classes)
            call = asked_call(text, classes)
        else:
            project, group = ticket.project, ticket.subject
            text = str(asked.get("call") or captured_call(target, project, group, answers))
            call = _captured(samples(target.store, project, group), classes, text)
        test = _TEST.format(
            imports="\n".join(call.imports.lines()),
            make=MAKE_TEXT if call.makes_objects else "",
            fixtures=", ".join(call.fixtures),
            call="\n".join(call.lines),
        )
        run = base.with_files({**repaired(), _PATH: test}).run_tests([_PATH])
    said = _TOLD.search("".join(run.messages.values()))
    if said is None:
        return None
    if said[1] == "raises":
        return Answer(text, raises=said[2])
    try:
        return Answer(text, returns=literal(said[2]))
    except NotRebuilt:
        return None


def _captured(events: tuple[Fault, ...], classes: Classes, text: str) -> Call:
    """Return the captured call that is called ``text``."""
    for frame in (frame for event in events for frame in event.frames if frame.is_in_app):
        try:
            call = call_of(frame, classes)
        except NotRebuilt:
            continue
        if call.text == text:
            return call
    raise AssertionError(text)
