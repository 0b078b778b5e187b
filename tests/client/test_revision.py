"""What is tested is what git says, and what the pipeline says without it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from honed.client import revision


@pytest.mark.parametrize(
    ("variables", "commit", "branch"),
    [
        ({"GITHUB_SHA": "c1", "GITHUB_REF_NAME": "7/merge", "GITHUB_HEAD_REF": "fix"}, "c1", "fix"),
        ({"CI_COMMIT_SHA": "c2", "CI_COMMIT_REF_NAME": "main"}, "c2", "main"),
        ({"GIT_COMMIT": "c3", "GIT_BRANCH": "origin/main"}, "c3", "main"),
        ({}, "", ""),
    ],
)
def test_without_git_the_pipeline_says_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: Mapping[str, str],
    commit: str,
    branch: str,
) -> None:
    for name in (*revision.COMMITS, *revision.BRANCHES):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert revision.read_revision(tmp_path) == revision.Revision(commit, "", branch, None)
    monkeypatch.setenv("PATH", "")
    assert revision.read_revision(tmp_path) == revision.Revision(commit, "", branch, None)
