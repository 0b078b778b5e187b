"""pytest's plug-in: reports what every test came to, where ``HONED_DSN`` or ``--honed-dsn`` is set.

Without either it does nothing and imports nothing more. Whatever goes wrong in it, no run of tests
fails for it.
"""

import os

import pytest

#: The address of a project, as `honed project add` prints it.
VARIABLE = "HONED_DSN"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--honed-dsn``."""
    parser.getgroup("honed").addoption(
        "--honed-dsn",
        metavar="DSN",
        default=None,
        help=f"report results to this project of honed (default: the variable {VARIABLE});"
        " empty: do not",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take part in the run if there is somebody to report to."""
    option = config.getoption("--honed-dsn")
    dsn = os.environ.get(VARIABLE, "") if option is None else option
    if dsn.strip():
        from honed.client.results import take_part  # noqa: PLC0415 - only who reports needs it

        take_part(config, dsn.strip())
