"""Settings of the forge: where changes of code are reviewed, and how many at once."""

from enum import StrEnum
from typing import Annotated, TypeAlias

from pydantic import BaseModel, Field, StringConstraints


class ForgeKind(StrEnum):
    """Where changes of code are reviewed."""

    #: In honed itself: a row and a branch.
    LOCAL = "local"
    #: github.com, or GitHub Enterprise Server.
    GITHUB = "github"
    #: gitlab.com, or a server of one's own.
    GITLAB = "gitlab"
    #: Gitea.
    GITEA = "gitea"
    #: Forgejo, which speaks as Gitea does.
    FORGEJO = "forgejo"


class MergeBy(StrEnum):
    """How the commits of a change get into their base branch."""

    #: By a merge commit; they stay as they were proven.
    MERGE = "merge"
    #: As one new commit.
    SQUASH = "squash"
    #: As copies on top of the base.
    REBASE = "rebase"


_Variable: TypeAlias = Annotated[str, StringConstraints(pattern=r"^$|^[A-Z][A-Z0-9_]{1,99}$")]


class ForgeSettings(BaseModel):
    """How changes of code get to whoever reviews them."""

    forge: ForgeKind = Field(
        ForgeKind.LOCAL,
        description="Where changes of code are reviewed: local (in honed), github, gitlab, gitea or"
        " forgejo.",
    )
    forge_url: str = Field(
        "",
        pattern=r"^$|^https?://[^\s@?#]+$",
        description="Address of the forge, without user and password; empty: github.com or"
        " gitlab.com.",
    )
    forge_repository: str = Field(
        "",
        pattern=r"^$|^[\w.-]+(/[\w.-]+)+$",
        description="Full name of the repository on the forge, such as shop/cart.",
    )
    forge_token_variable: _Variable = Field(
        "HONED_FORGE_TOKEN", description="Environment variable with the token for the forge."
    )
    forge_secret_variable: _Variable = Field(
        "",
        description="Environment variable with the secret of the forge's webhooks, where"
        " `honed serve` runs; empty: none are heard.",
    )
    forge_merge_method: MergeBy = Field(
        MergeBy.MERGE, description="How changes get into their base branch: merge, squash, rebase."
    )
    forge_expected_checks: str = Field(
        "",
        description="Names of checks that must have passed before a change is merged, as the forge"
        " shows them, separated by semicolons; empty: whatever checks there are, at least one.",
    )
    forge_open_limit: int = Field(
        3, ge=0, description="Most open changes of a repository that wait for a person."
    )
    forge_automerge_limit: int = Field(
        3, ge=0, description="Most open changes of a repository that a policy lets in."
    )
    forge_cooldown_hours: float = Field(
        24.0,
        ge=0,
        allow_inf_nan=False,
        description="No change of a repository is opened so long after a person closed one.",
    )
