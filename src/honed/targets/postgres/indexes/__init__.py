"""Indexes: what statements ask for, and the one set that serves a whole workload."""
