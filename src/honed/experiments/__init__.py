"""Experiments: running trials, judging them, and keeping what was measured."""
