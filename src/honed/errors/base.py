"""What every error is: a message, a hint, an exit code."""


class HonedError(Exception):
    """Something that honed can explain.

    The docstring of each class is its meaning; ``hint`` says what a person can do.
    """

    hint = "run the command again with --verbose to see where it happened"
    #: The exit code of the command line.
    exit_code = 1

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        """Keep ``message``, or the first line of the class's docstring where there is none."""
        super().__init__(message or (self.__doc__ or "").partition("\n")[0])
        if hint:
            self.hint = hint


class ConfigurationError(HonedError):
    """The configuration is wrong."""

    hint = "run `honed config show` to see each value and where it comes from"
    exit_code = 2


class MissingExtra(HonedError):
    """An optional part of honed is not installed."""

    hint = "install it: pip install 'honed[columnar]'"
    exit_code = 2
