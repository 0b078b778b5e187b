"""Every exception of honed, each with a hint that says what to do.

HonedError
+-- ConfigurationError
+-- MissingExtra
+-- StoreError
|   +-- StoreUnavailable  StoreOutdated  ServerFailed  DirectoryInUse  DiskFull  NotAllowed
|   +-- RowsRefused
+-- TargetError
|   +-- TargetUnavailable  MissingExtension  MissingPrivilege  UnknownTarget
|   +-- StatementCut  LoginRefused  ArchiveDamaged  QueryRefused
|   +-- GitFailed  UnknownCommit  ChangeRefused  PushRefused
+-- LoopError
|   +-- UnknownImprovement  WrongState  StaleApproval  StepFailed  Stopped  LostJob
|   +-- InvalidMessage  EvaluatorFailed  UnknownPlugin  Interrupted  UnknownDeadLetter
|   +-- KindFailed  Postponed  UnknownFinding  EvidenceRefused  PeerUnavailable
|   +-- UnknownTicket  WrongTicketState  SourceFailed
+-- IntakeError
|   +-- MalformedSignal  UnknownProject  Overloaded
+-- SandboxError
|   +-- SandboxMissing  SandboxFailed  SandboxEnded
+-- ForgeError
|   +-- ForgeUnavailable  ForgeRefused  RateLimited  WebhookRefused
|   +-- UnknownChange  WrongChangeState  ChangeConflict  ChangeWithheld
+-- LanguageModelError
|   +-- ModelUnavailable  ModelRefused  AnswerRefused  RecordingMissing
|   +-- BudgetExceeded  PriceUnknown
+-- RepairFailed
+-- LedgerError
    +-- LedgerTampered  UnknownEntry  MissingCheckpoints
"""


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


class IntakeError(HonedError):
    """Something about the intake of signals."""


class MalformedSignal(IntakeError):
    """What was sent cannot be read."""

    hint = (
        "send it as docs/reference/intakes.md says; `honed intake status` counts what was refused"
    )


class UnknownProject(IntakeError):
    """There is no such project."""

    hint = "`honed project list` shows the projects; `honed project add` adds one"
    exit_code = 2


class Overloaded(IntakeError):
    """More signals arrive than can be stored; those of this request were not taken."""

    hint = "send them again later; `honed intake status` counts what was turned away"

    def __init__(self, message: str = "", *, retry_after_s: int = 1, hint: str = "") -> None:
        """Keep how soon it makes sense to try again, in seconds."""
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class ForgeError(HonedError):
    """Something about a forge, where changes of code are reviewed."""


class ForgeUnavailable(ForgeError):
    """The forge does not answer, or something else answers there."""

    hint = "check forge_url, and that the forge is up; nothing is lost meanwhile"


class ForgeRefused(ForgeError):
    """The forge does not let honed do this."""

    hint = "docs/howto/forges.md says what the token has to allow"


class RateLimited(ForgeUnavailable):
    """The forge wants fewer requests for a while."""

    hint = "nothing needs doing: honed asks again when the forge allows it"

    def __init__(self, message: str = "", *, retry_after_s: float = 60.0, hint: str = "") -> None:
        """Keep how soon it makes sense to try again, in seconds."""
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class WebhookRefused(ForgeError):
    """A webhook is not from the forge, or cannot be read."""

    hint = "give the forge's webhook the secret that forge_secret_variable names"


class UnknownChange(ForgeError):
    """There is no such change."""

    hint = "`honed forge list --all` shows them"
    exit_code = 2


class WrongChangeState(ForgeError):
    """The change is not in a state that allows this."""

    hint = "`honed forge show` tells its state and its checks"


class ChangeConflict(ForgeError):
    """The change cannot be merged as it was proven."""

    hint = "honed proves it again on the newest base, or close it with `honed forge close`"

    def __init__(self, message: str = "", *, reason: str = "conflict", hint: str = "") -> None:
        """Keep what is wrong and ``reason``: conflict, head_moved, base_rewritten or not_ready."""
        super().__init__(message, hint=hint)
        self.reason = reason


class ChangeWithheld(ForgeError):
    """A change is not opened now, so that people are not flooded, or because one said no."""

    hint = "`honed forge list` shows what is open; the quotas are settings (forge_open_limit)"

    def __init__(self, message: str = "", *, reason: str = "", hint: str = "") -> None:
        """Keep why and ``reason``: quota, cooldown, duplicate or closed_by_person."""
        super().__init__(message, hint=hint)
        self.reason = reason


class SandboxError(HonedError):
    """Something about the sandbox."""


class SandboxMissing(SandboxError):
    """There is no sandbox that holds on this machine, so no generated code is run."""

    hint = "`honed doctor` says what is missing; nothing is run without it"


class SandboxFailed(SandboxError):
    """A sandbox could not be made."""

    hint = "the message holds bubblewrap's words; what a box sees must be there and readable"


class SandboxEnded(SandboxError):
    """What ran in the sandbox ended, or talked nonsense, before it answered."""

    hint = "the message tells which limit it met, and its last words"

    def __init__(self, message: str = "", *, ended_by: str = "exit", hint: str = "") -> None:
        """Keep what happened and ``ended_by``, the word for it: ``cpu``, ``wall`` and so on."""
        super().__init__(message, hint=hint)
        self.ended_by = ended_by


class LanguageModelError(HonedError):
    """Something about language models."""


class ModelUnavailable(LanguageModelError):
    """The language model does not answer."""

    hint = "check llm_base_url, and that the model's server is up; honed works without it, too"

    def __init__(self, message: str = "", *, may_cost: bool = False, hint: str = "") -> None:
        """Keep what is wrong, and whether the provider may have worked nevertheless."""
        super().__init__(message, hint=hint)
        self.may_cost = may_cost


class ModelRefused(LanguageModelError):
    """The provider refuses to be asked so."""

    hint = "check llm_model, and that the variable named by llm_key_variable holds a valid key"


class AnswerRefused(LanguageModelError):
    """What the language model answered is not what was asked for."""

    hint = "nothing was done with it; ask again, or name another model (llm_model)"


class RecordingMissing(LanguageModelError):
    """Only recorded answers may be used (llm_mode is replay), and there is none for this request."""

    hint = "record it once with llm_mode=record; a changed prompt, model or limit is a new request"


class BudgetExceeded(LanguageModelError):
    """The budget for language models has no room for this."""

    hint = "raise llm_budget_usd_day or llm_budget_usd_ticket; `SELECT * FROM honed.llm_budget`"


class PriceUnknown(LanguageModelError):
    """What the model costs is not known, so no budget could hold."""

    hint = "give its price in price_file; for a model of your own, 0 (use-a-language-model.md)"


class RepairFailed(HonedError):
    """The tests could not be used to repair the code."""

    hint = "run the tests with pytest: some must fail, and pytest must be able to collect them"


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
