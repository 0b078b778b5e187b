"""Nothing secret or personal leaves with a change.

## What it does

It looks for keys, tokens, passwords and personal data in the lines that a change adds, in its
message, and in what a language model was asked for it.

## Why it helps

A test that is made from a captured exception repeats what a user had typed; a commit is for ever.

## Risk and rollback

It only reads. What was in a file before is not held against a change.

## How it is measured

By the shapes of secrets and of personal data that honed also takes out of signals.
"""

from collections.abc import Iterator
from typing import ClassVar

from honed.core.change import CodeChange, FileChange
from honed.core.gate import Gate, GateResult, Judge, Thresholds
from honed.core.privacy import Scrubber
from honed.core.secrets import find_secrets


class SecretScan(Gate):
    """See the module's docstring."""

    name: ClassVar[str] = "secret_scan"
    order: ClassVar[int] = 40

    def check(self, change: CodeChange, judge: Judge, thresholds: Thresholds) -> GateResult:
        """Return whether nothing of it is secret or personal."""
        del judge, thresholds
        for place, text in _texts(change):
            secrets = find_secrets(text)
            if secrets:
                rules = sorted({found.rule for found in secrets})
                return self.fails(f"{place} holds a secret ({', '.join(rules)})", place=place)
            if Scrubber(b"gate").text(text) != text:
                return self.fails(f"{place} holds personal data", place=place)
        read = "diff, message and prompt" if change.prompt else "diff and message"
        return self.passes(f"nothing secret or personal in {read}")


def _texts(change: CodeChange) -> Iterator[tuple[str, str]]:
    for file in change.every_file:
        yield file.path, _added(file)
    yield "the message", change.message
    yield "the prompt", change.prompt


def _added(file: FileChange) -> str:
    lines = (file.after or "").splitlines()
    return "\n".join(lines[number - 1] for number in sorted(file.touched))
