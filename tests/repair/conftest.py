"""A real sandbox, and folders of code with tests to repair in it."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from honed.repair.suite import Budget, Suite
from honed.repair.workers import Workers
from honed.sandbox.box import Box
from honed.sandbox.probe import probe

PYTHON = Path(sys.executable)

Plant = Callable[..., Suite]
Start = Callable[[Suite], Workers]


@pytest.fixture(scope="session")
def sandbox() -> str:
    found = probe()
    if not found.is_safe:
        pytest.skip(f"no sandbox: {'; '.join(found.reasons)}")
    return found.level


@pytest.fixture
def box(sandbox: str) -> Box:
    assert sandbox
    return Box(PYTHON)


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Return what writes files and says what is to be repaired in them."""
    # Another user than this one reads it, and pytest lets nobody into its folders.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)

    def write(files: Mapping[str, str], **of_suite: object) -> Suite:
        root = tmp_path / "code"
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        tests = tuple(name for name in files if Path(name).name.startswith("test_"))
        return Suite(root, PYTHON, tests, **of_suite)  # type: ignore[arg-type]

    return write


@pytest.fixture
def started(box: Box) -> Iterator[Start]:
    """Return what starts fork servers for a suite; all are dead at the end of the test."""
    open_workers = []

    def start(suite: Suite) -> Workers:
        workers = Workers(suite, box, Budget(seconds=60.0, processes=1))
        open_workers.append(workers)
        return workers.__enter__()

    yield start
    for workers in open_workers:
        workers.__exit__(None, None, None)
