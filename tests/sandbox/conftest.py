"""A real sandbox, or a reason why there is none."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from honed.sandbox.box import Box, Ended, Limits
from honed.sandbox.probe import probe
from honed.sandbox.run import run

PYTHON = Path(sys.executable)


class InBox(Protocol):
    """Runs a program's text in a box."""

    def __call__(self, source: str, *, box: Box = ..., limits: Limits = ...) -> Ended: ...


@pytest.fixture(scope="session")
def sandbox() -> str:
    """Return what keeps code in; a test that asks for it is skipped where nothing does."""
    found = probe()
    if not found.is_safe:
        pytest.skip(f"no sandbox: {'; '.join(found.reasons)}")
    return found.level


@pytest.fixture
def box(sandbox: str) -> Box:
    assert sandbox
    return Box(PYTHON)


@pytest.fixture
def in_box(box: Box) -> InBox:
    plain, usual = box, Limits(wall_s=30.0)

    def run_it(source: str, *, box: Box = plain, limits: Limits = usual) -> Ended:
        return run(box, [str(box.python), "-I", "-c", source], limits=limits)

    return run_it


@pytest.fixture
def said(in_box: InBox) -> Callable[[str], str]:
    """Return what runs a program that must end well, and gives back what it printed."""

    def run_it(source: str) -> str:
        ended = in_box(source)
        assert ended.is_success, ended
        return ended.out.decode().strip()

    return run_it
