"""Partitioning: range partitions made ahead, kept apart when old, and made of a growing table."""
