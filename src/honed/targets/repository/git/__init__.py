"""Git itself: clones, worktrees, commits, branches, pushes, and who wrote what."""
