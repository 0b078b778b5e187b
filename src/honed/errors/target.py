"""Errors about what honed looks at and changes: databases and repositories."""

from honed.errors.base import HonedError


class TargetError(HonedError):
    """Something about a target."""


class UnknownTarget(TargetError):
    """There is no such target."""

    hint = "`honed target list` shows the targets; `honed target add` adds one"
    exit_code = 2


class TargetUnavailable(TargetError):
    """The target does not answer."""

    hint = "check its URL with `honed target show`, and that the server is up"


class LoginRefused(TargetUnavailable):
    """The target does not let the role log in."""

    hint = (
        "put its password into ~/.pgpass, or into HONED_TARGET_<NAME>_PASSWORD"
        " (of an acting role: HONED_TARGET_<NAME>_ACT_PASSWORD)"
    )


class MissingExtension(TargetError):
    """The target lacks an extension that honed reads."""

    hint = "install the extension named above, then run the command again"


class MissingPrivilege(TargetError):
    """The role may not do what was asked of the target."""

    hint = "`honed target add --sql` prints the SQL that creates both roles"


class StatementCut(TargetError):
    """A statement ran into its time limit and was cut off."""

    hint = "raise the limit named above, or look at the statement with `honed improvement show`"


class ArchiveDamaged(TargetError):
    """An archive is not what was archived, or cannot be read."""

    hint = "restore its files from a backup; `honed archive verify` looks at every one again"


class QueryRefused(TargetError):
    """Archives answer one statement that reads, and nothing else."""

    hint = "ask with one SELECT; `honed archive list` shows the tables"
    exit_code = 2


class GitFailed(TargetError):
    """git could not do what was asked of it."""

    hint = "the message holds git's words; check that the repository can be reached"

    def __init__(self, message: str = "", *, code: int = -1, hint: str = "") -> None:
        """Keep what is wrong and git's exit code; -1: it did not end by itself."""
        super().__init__(message, hint=hint)
        self.code = code


class UnknownCommit(TargetError):
    """The repository has no such commit."""

    hint = "fetch it first, or check its name"


class ChangeRefused(TargetError):
    """Files cannot become a commit."""

    hint = "change files that are there, by paths from the repository's root"


class PushRefused(TargetError):
    """A commit could not be sent to its repository."""

    hint = "nothing is lost: the commit is in honed's clone; the message says what to do"

    def __init__(self, message: str = "", *, reason: str = "refused", hint: str = "") -> None:
        """Keep what is wrong and ``reason``: moved, refused or unavailable."""
        super().__init__(message, hint=hint)
        self.reason = reason
