"""The boundary to plug-ins: whatever one of them raises costs that plug-in, never the loop."""

from collections.abc import Iterator
from contextlib import contextmanager

from honed.errors import (
    DirectoryInUse,
    DiskFull,
    EvaluatorFailed,
    HonedError,
    KindFailed,
    MissingExtension,
    MissingPrivilege,
    RepairFailed,
    SandboxError,
    ServerFailed,
    StatementCut,
)

#: What a plug-in may meet without ending the cycle: only its own part of it is lost.
KIND_TROUBLE = (
    KindFailed,
    EvaluatorFailed,
    MissingExtension,
    MissingPrivilege,
    StatementCut,
    ServerFailed,
    DirectoryInUse,
    DiskFull,
    SandboxError,
    RepairFailed,
)


@contextmanager
def asking(plugin: str) -> Iterator[None]:
    """Run code of the plug-in ``plugin``; errors that honed knows pass through.

    Raises:
        KindFailed: the plug-in raised anything else; the message names it and tells what.
    """
    try:
        yield
    except HonedError:
        raise
    except Exception as error:
        msg = f"{plugin} raised {type(error).__name__}: {error}"
        raise KindFailed(msg) from error
