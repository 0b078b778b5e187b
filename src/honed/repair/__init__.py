"""Repair of Python without a language model: templates, run against the tests in a sandbox."""
