"""Forges where changes of code are reviewed: one adapter each for GitHub, GitLab and Gitea."""
