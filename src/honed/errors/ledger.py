"""Errors about the ledger."""

from honed.errors.base import HonedError


class LedgerError(HonedError):
    """Something about the ledger."""


class UnknownEntry(LedgerError):
    """The ledger has no such entry."""

    hint = "the first entry is 0; `honed ledger list` shows the newest"
    exit_code = 2


class MissingCheckpoints(LedgerError):
    """There are no checkpoints where honed keeps them, although the ledger is older than that."""

    hint = (
        "correct checkpoint_file, or restore the file from a copy; a new one"
        " (`honed ledger checkpoint`) does not show what was cut off before it"
    )
    exit_code = 3


class LedgerTampered(LedgerError):
    """The ledger does not prove what it should."""

    hint = "compare with a checkpoint kept outside the database; do not trust entries after it"
    exit_code = 3

    def __init__(self, message: str = "", *, entry: int | None = None, hint: str = "") -> None:
        """Keep what is wrong and ``entry``, the first bad entry; None: not one entry's fault."""
        super().__init__(message, hint=hint)
        self.entry = entry
