"""Which call of a repository an answer to a ticket is about."""

from collections.abc import Sequence
from typing import Final

from honed.core.answer import Answer
from honed.errors import ConfigurationError
from honed.repair.reproduce.answers import raisable, spelled
from honed.repair.reproduce.classes import Classes
from honed.repair.reproduce.refusal import NotRebuilt
from honed.repair.reproduce.reproduce import reproduce
from honed.targets.repository.evidence.exceptions import CALLED_AGAIN, samples
from honed.targets.repository.judging.judge import Checkout
from honed.targets.repository.target import RepositoryTarget

_BY_HAND: Final = (
    "name a function of the repository with what it is called with: `--call 'total([1, 2])'`"
)


def written_call(target: RepositoryTarget, text: str) -> str:
    """Return a call that a person has written, as it is kept: with its module, by names.

    Args:
        target: the repository, whose newest commit has the function.

        text: what was written.

    Raises:
        ConfigurationError: it is no call of a function of the repository that can be made.
    """
    with target.files(target.shape().commit) as tree:
        try:
            return spelled(text, Classes(Checkout(tree.root, {}, target.court)))
        except NotRebuilt as refusal:
            msg = f"the call {text} cannot be asserted: {refusal}"
            raise ConfigurationError(msg, hint=_BY_HAND) from None


def raised(target: RepositoryTarget, name: str) -> str:
    """Return the name of an exception that a test can import, as far as the repository tells.

    Args:
        target: the repository, whose newest commit may have the class.

        name: what was written.

    Raises:
        ConfigurationError: a module of the repository has no such class.
    """
    with target.files(target.shape().commit) as tree:
        try:
            return raisable(name, Classes(Checkout(tree.root, {}, target.court)))
        except NotRebuilt as refusal:
            msg = f"--raises {name}: {refusal}"
            hint = "name the class with the module that defines it: shop.errors.NotSold"
            raise ConfigurationError(msg, hint=hint) from None


def captured_call(
    target: RepositoryTarget, project: str, fingerprint: str, answers: Sequence[Answer] = ()
) -> str:
    """Return the call that is made again for a group of exceptions, as it is kept.

    It is made again once, in the sandbox.

    Args:
        target: the repository.

        project: of the group.

        fingerprint: of the group.

        answers: what people have said already, the oldest first: of a call that is right as it
            fails the caller is meant.

    Raises:
        ConfigurationError: none can be made again.
        SandboxMissing: there is no sandbox, so nothing is run.
    """
    why = "no event of it was captured"
    with target.files(target.shape().commit) as tree:
        base = Checkout(tree.root, {}, target.court)
        for fault in samples(target.store, project, fingerprint)[:CALLED_AGAIN]:
            again = reproduce(fault, base, runs=1, answers=answers)
            if again.test_id:
                return again.call
            why = again.why_not
    msg = f"the captured call cannot be made again: {why}"
    raise ConfigurationError(msg, hint=_BY_HAND)
