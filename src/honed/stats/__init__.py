"""Statistics as pure functions: evidence that stays valid however often one looks."""
