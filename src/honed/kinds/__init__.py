"""Kinds: one file each, one way to improve one sort of target."""
