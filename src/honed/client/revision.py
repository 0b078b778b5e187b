"""What is being tested: the commit, its branch, and whether files differ from it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

#: Git answers within milliseconds; where it hangs, the tests do not wait for it.
_TIMEOUT_S = 5.0
#: What pipelines call the commit and the branch: GitHub, GitLab, Buildkite, CircleCI, Bitbucket,
#: Azure, Travis, Jenkins. Of a pull request its own branch comes before the one that it is for.
COMMITS = (
    "GITHUB_SHA", "CI_COMMIT_SHA", "BUILDKITE_COMMIT", "CIRCLE_SHA1", "BITBUCKET_COMMIT",
    "BUILD_SOURCEVERSION", "TRAVIS_COMMIT", "GIT_COMMIT",
)  # fmt: skip
BRANCHES = (
    "GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "CI_COMMIT_REF_NAME", "BUILDKITE_BRANCH", "CIRCLE_BRANCH", "BITBUCKET_BRANCH",
    "SYSTEM_PULLREQUEST_SOURCEBRANCH", "BUILD_SOURCEBRANCHNAME", "TRAVIS_PULL_REQUEST_BRANCH",
    "TRAVIS_BRANCH", "CHANGE_BRANCH", "GIT_BRANCH",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Revision:
    """What is being tested; what is not known is empty."""

    commit: str = ""
    #: When it was made, as ISO 8601.
    committed_at: str = ""
    branch: str = ""
    #: Whether files that git knows differ from it; None: git does not tell.
    dirty: bool | None = None


def read_revision(folder: Path) -> Revision:
    """Return what is checked out in ``folder``, by git, else by the variables of the pipeline.

    The branch is the pipeline's where it names one: what it checks out is often on none.
    """
    commit, _, committed_at = (_git(folder, "log", "-1", "--format=%H%n%cI") or "").partition("\n")
    branch = _variable(BRANCHES) or _git(folder, "rev-parse", "--abbrev-ref", "HEAD") or ""
    # Files that git does not know are left out: most are what the tests themselves write.
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no") if commit else None
    return Revision(
        commit=commit or _variable(COMMITS),
        committed_at=committed_at,
        branch="" if branch == "HEAD" else branch.removeprefix("origin/"),
        dirty=None if changes is None else bool(changes),
    )


def _variable(names: tuple[str, ...]) -> str:
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _git(folder: Path, *command: str) -> str | None:
    """Return what git says; None: there is no git, or no repository."""
    try:
        done = subprocess.run(
            ["git", *command],  # noqa: S607 - as on the user's path
            cwd=folder,
            # It only looks: nobody who works there waits for a lock.
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError, UnicodeError):
        return None
    return done.stdout.strip()
