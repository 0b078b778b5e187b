"""Errors about honed's own database."""

from honed.errors.base import HonedError


class StoreError(HonedError):
    """Something about honed's own database."""


class StoreUnavailable(StoreError):
    """honed's own database does not answer."""

    hint = "check store_url (`honed config show`), or leave it empty for the embedded server"


class StoreOutdated(StoreError):
    """honed's own database has another schema version than this honed."""

    hint = "run `honed store migrate`"


class ServerFailed(StoreError):
    """The PostgreSQL server that honed manages did not start."""

    hint = "the server's own words are in the file `.log` beside its data directory"


class DirectoryInUse(StoreError):
    """Another server runs on this data directory."""

    hint = "choose another data directory (HONED_HOME), or stop the other server"


class DiskFull(StoreError):
    """The disk is full."""

    hint = "free space on the disk named above; nothing that was committed is lost"


class NotAllowed(StoreError):
    """The database role may not do this."""

    hint = "`honed store roles` shows what each role may do, and which logins are members"


class RowsRefused(StoreError):
    """Rows are not what their table can hold."""

    hint = "the log tells which; whatever else was sent with them is stored"
