"""The demonstration: a real database under a real workload, and honed at work on it."""
