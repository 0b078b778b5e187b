"""Prompts, one a file: each message begins with a line such as ``-- system --``."""
