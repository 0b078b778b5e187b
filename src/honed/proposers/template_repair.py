"""The smallest natural edit of one file after which the tests pass: operators, bounds, guards.

## What it does

It looks for edits of expressions and statements at the places that failing tests run and passing
ones do not, tries thousands of them in a sandbox, and ranks those that pass by how people write.

## Why it helps

Many faults are one wrong operator, bound, argument or missing guard. No language model is asked.

## Risk and rollback

A change that passes may still be wrong: where equally good ones behave otherwise on some input,
the best is proposed in doubt, with that input as a question.

## How it is measured

By the tests: each passes with the change, in a process of its own.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from honed.core.change import CodeChange, FileChange
from honed.repair.engine import repair
from honed.repair.mining.pattern import name_of
from honed.repair.suite import Outcome, Patch, Suite
from honed.sandbox.box import Box
from honed.targets.repository.judging.proposer import Bench, Proposed, Proposer, Trouble

#: Ids of tests that a message names.
_NAMED: Final = 3


class TemplateRepair(Proposer):
    """See the module's docstring."""

    name: ClassVar[str] = "template_repair"
    order: ClassVar[int] = 10

    def propose(self, trouble: Trouble, bench: Bench) -> Proposed:
        """Return the most natural edit; see ``Proposer``."""
        court = bench.court
        # Where only some tests are searched with, those that are to pass have to be among them.
        named = trouble.tests or court.tests
        suite = Suite(
            root=trouble.folder,
            python=court.python,
            tests=(*named, *trouble.added) if named else (),
            failing=trouble.failing,
        )
        box = Box(court.python, sockets=court.sockets, environment=court.environment or {})
        with _laid(trouble.folder, trouble.added):
            outcome = repair(suite, box, bench.budget, bench.priors, bench.patterns)
        examined = {**outcome.examined, "patches": float(len(outcome.patches))}
        if not outcome.patches:
            return Proposed(why_none=outcome.abstained, examined=examined)
        return Proposed((self._change(trouble, outcome, bench),), examined=examined)

    def _change(self, trouble: Trouble, outcome: Outcome, bench: Bench) -> CodeChange:
        patch, question = outcome.patches[0], outcome.question
        return CodeChange(
            base_commit=trouble.commit,
            files=(FileChange(patch.path, patch.before, patch.after), *trouble.new_files),
            repairs=trouble.failing,
            message=_message(patch, trouble.failing, bench.patterns),
            doubt=outcome.abstained,
            question={}
            if question is None
            else {
                "function": question.function,
                "arguments": list(question.arguments),
                "outputs": {str(number): said for number, said in question.outputs.items()},
            },
            made_by=f"{self.name}: {patch.template}",
        )


@contextlib.contextmanager
def _laid(folder: Path, files: Mapping[str, str]) -> Iterator[None]:
    """Lay files of tests into a folder that is honed's own, for a while."""
    made: list[Path] = []
    try:
        for path, text in files.items():
            place = folder / path
            new = [place, *(each for each in place.parents if not each.exists())]
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("x", encoding="utf-8", newline="") as file:
                made += new
                file.write(text)
        yield
    finally:
        for each in made:
            each.rmdir() if each.is_dir() else each.unlink(missing_ok=True)


def _message(patch: Patch, failing: tuple[str, ...], patterns: Sequence[str]) -> str:
    named = ", ".join(failing[:_NAMED])
    more = f" and {len(failing) - _NAMED} more" if len(failing) > _NAMED else ""
    return (
        f"Repair {patch.path}\n\n"
        f"Without this change these tests fail: {named}{more}.\n"
        f"Found by the {_templates(patch.template, patterns)}."
    )


def _templates(names: str, patterns: Sequence[str]) -> str:
    """Return the templates of a patch in words, mined ones as they read."""
    mined = {name_of(text): f"`{text}`" for text in patterns}
    each = [mined.get(name, name) for name in names.split("+")]
    sort = "mined template" if set(each) & set(mined.values()) else "template"
    return f"{sort} {'+'.join(each)}"
