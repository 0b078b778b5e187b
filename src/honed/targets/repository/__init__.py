"""A repository of Python as a target: read through a clone, written in worktrees of its own."""
