"""Characterisation tests: what code does today, written down as tests that pass."""
