"""The queue: typed messages, workers that may die, and what becomes of messages that fail."""
