"""What can be said of a repository of Python without running it."""
