"""Errors about changes of code: sandbox, forge, language model, repair."""

from honed.errors.base import HonedError


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
        """Keep what is wrong and ``reason``.

        It is conflict, head_moved, base_changed, base_moved, base_rewritten or not_ready.
        """
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
    """Only recorded answers may be used (llm_mode is replay), and none is of this request."""

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
