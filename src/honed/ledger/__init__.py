"""The record: who did what, when and why, in an append-only Merkle log that a stranger can check."""
