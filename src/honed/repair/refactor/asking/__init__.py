"""Loops that ask a database again and again: where they are, and how they ask once."""
