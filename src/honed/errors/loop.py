"""Errors about the loop, its messages, its decisions and its backlog."""

from honed.errors.base import HonedError


class LoopError(HonedError):
    """Something about the loop."""


class UnknownImprovement(LoopError):
    """There is no such improvement."""

    hint = "`honed improvement list` shows them"
    exit_code = 2


class UnknownPlugin(LoopError):
    """There is no plug-in of that name."""

    hint = "`honed kind list` shows what is installed"
    exit_code = 2


class WrongState(LoopError):
    """The improvement is not in a state that allows this."""

    hint = "`honed improvement show` tells its state and history"


class StaleApproval(LoopError):
    """What was approved is not what would be done now."""

    hint = "read it again with `honed improvement show`, then approve the new digest"


class StepFailed(LoopError):
    """A step could not be carried out on the target."""

    hint = "the step's effect was inspected and taken back; `honed improvement show` tells how"


class Stopped(LoopError):
    """honed was told to stop (`honed stop`)."""

    hint = "`honed start` allows changes again"


class LostJob(LoopError):
    """Another worker took this job over; its result is not committed."""

    hint = "nothing is lost: the other worker carries on"


class Interrupted(LoopError):
    """The worker was told to end; its job goes back to the queue."""

    hint = "nothing is lost: the next worker takes the job"


class UnknownDeadLetter(LoopError):
    """There is no such dead letter."""

    hint = "`honed deadletter list` shows them"
    exit_code = 2


class UnknownFinding(LoopError):
    """There is no such finding."""

    hint = "`honed finding list` shows them"
    exit_code = 2


class InvalidMessage(LoopError):
    """A message in a queue does not keep its contract."""

    hint = "`honed deadletter show` tells why; replay it once the cause is gone, or discard it"


class EvaluatorFailed(LoopError):
    """A measurement failed; the trial says ERROR, never WORSE."""

    hint = "`honed improvement show` tells what failed; the next cycle tries again"


class KindFailed(LoopError):
    """A kind or a detector raised something that is not its to raise."""

    hint = "it is a defect of the plug-in named above; the loop goes on without it"


class Postponed(LoopError):
    """It cannot be done at the moment; it is tried again soon."""

    hint = "nothing needs doing; `honed status` shows what waits, and for what"


class UnknownTicket(LoopError):
    """There is no such ticket."""

    hint = "`honed ticket list --all` shows them"
    exit_code = 2


class WrongTicketState(LoopError):
    """The ticket is not in a state that allows this."""

    hint = "`honed ticket show` tells its state and history"


class SourceFailed(LoopError):
    """A source of tickets could not be read."""

    hint = "correct what the message names, or switch the source off (ticket_sources)"


class EvidenceRefused(LoopError):
    """What a server says to the other is not believed."""

    hint = "`honed peers` counts what was refused, and why"

    def __init__(self, message: str = "", *, reason: str = "", hint: str = "") -> None:
        """Keep what is wrong and ``reason``, its name: ``malformed``, ``stale_epoch`` and so on."""
        super().__init__(message, hint=hint)
        self.reason = reason


class PeerUnavailable(LoopError):
    """The other server does not answer."""

    hint = "check peer_url, and that `honed serve` runs there; nothing is lost meanwhile"
