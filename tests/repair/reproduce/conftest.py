"""The planted service, as text and in a folder, and what clients told of its faults."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from honed.core.fault import Fault
from honed.sandbox.box import Limits
from honed.sandbox.probe import probe
from honed.targets.repository.judging.judge import Checkout, Court
from honed.testing.faulty import CLIENTS, FILES, captured_faults, plant
from honed.testing.faulty.written import Written

MakeBase = Callable[..., Checkout]


@pytest.fixture(scope="session")
def service() -> Written:
    """Return the service as text."""
    return Written(FILES)


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the service, which another user may read."""
    folder = tmp_path_factory.mktemp("service")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)
    return plant(folder)


@pytest.fixture(scope="session")
def faults(planted: Path) -> Mapping[str, Mapping[str, Fault]]:
    """Return the faults by client and name."""
    return {client: captured_faults(planted, client) for client in CLIENTS}


@pytest.fixture
def make_base(planted: Path) -> MakeBase:
    """Return a maker of the service's base in the sandbox, with other files over it."""
    found = probe()
    if not found.is_safe:
        pytest.skip(f"no sandbox: {'; '.join(found.reasons)}")
    court = Court(Path(sys.executable), Limits(cpu_s=30, wall_s=60))
    return lambda files=None: Checkout(planted, files or {}, court)
