"""The record: what was done and why, in an append-only Merkle log that a stranger can check."""
